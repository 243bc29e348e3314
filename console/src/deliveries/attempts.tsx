import { duration, words } from '../format.ts'
import { Mark } from '../parts/mark.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { resultOf, toneOf, type Attempt } from '../waterfall/lanes.ts'

type Shown = Attempt & { readonly at?: string }

const at = (ms: number | null) => (ms === null ? '—' : duration(ms))

const columns: readonly Column<Shown>[] = [
  { name: 'Region', cell: ({ region }) => region },
  { name: 'No.', numeric: true, cell: ({ number }) => number },
  { name: 'Result', cell: (one) => <Mark tone={toneOf(one)}>{resultOf(one)}</Mark> },
  { name: 'Breaker', cell: ({ breaker }) => (breaker === null ? 'not asked' : words(breaker)) },
  { name: 'Begun', numeric: true, cell: ({ started_ms: ms }) => at(ms) },
  { name: 'Slot', numeric: true, cell: ({ slot_ms: ms }) => at(ms) },
  { name: 'Sent', numeric: true, cell: ({ sent_ms: ms }) => at(ms) },
  { name: 'First byte', numeric: true, cell: ({ first_byte_ms: ms }) => at(ms) },
  { name: 'Ended', numeric: true, cell: ({ ended_ms: ms }) => at(ms) },
  { name: 'Took', numeric: true, cell: ({ started_ms, ended_ms }) => duration(ended_ms - started_ms) },
]

const when: Column<Shown> = { name: 'Over at', cell: ({ at }) => at !== undefined && <Time at={at} exact /> }

/** What the bars show, in figures. */
export function AttemptTable({ label, attempts }: { label: string; attempts: readonly Shown[] }) {
  const isLater = attempts.some((one) => one.at !== undefined)
  return (
    <Table
      label={label}
      columns={isLater ? [...columns, when] : columns}
      rows={attempts}
      rowKey={(one) => `${one.region} ${one.number} ${one.at ?? ''} ${one.started_ms}`}
    />
  )
}
