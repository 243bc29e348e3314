import type { Row } from './judge.ts'

export interface Line {
  readonly fault: string
  readonly surface: string
  readonly row: Row
}

const columns: readonly { title: string; of: (row: Row) => number }[] = [
  { title: 'sent', of: ({ sent }) => sent },
  { title: 'in time', of: ({ inTime }) => inTime },
  { title: 'once', of: ({ once }) => once },
  { title: 'more', of: ({ more }) => more },
  { title: 'lost', of: ({ lost }) => lost },
  { title: 'disorder', of: ({ outOfOrder }) => outOfOrder },
  { title: 'told no', of: ({ toldNo }) => toldNo },
  { title: 'hung up', of: ({ hungUp }) => hungUp },
  { title: 'slowest', of: ({ slowestMs }) => slowestMs },
]

const FAULT_WIDTH = 30
const SURFACE_WIDTH = 22
const NUMBER_WIDTH = 9

export const legend = [
  'in time: answered within 3 s · once: delivered exactly once, or its user got exactly one answer',
  'more: delivered more than once · disorder: delivered out of order',
  'told no: got an error, so that Slack or its user tries again · hung up: the connection broke · slowest: ms',
].join('\n')

export const heading =
  'fault'.padEnd(FAULT_WIDTH) +
  'surface'.padEnd(SURFACE_WIDTH) +
  columns.map(({ title }) => title.padStart(NUMBER_WIDTH)).join('')

export function lineOf({ fault, surface, row }: Line): string {
  const numbers = columns.map(({ of }) => String(of(row)).padStart(NUMBER_WIDTH)).join('')
  return fault.padEnd(FAULT_WIDTH) + surface.padEnd(SURFACE_WIDTH) + numbers
}
