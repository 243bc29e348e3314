import { stripVTControlCharacters, styleText } from 'node:util'
import type { RegionRecord, WebhookRecord } from '../telemetry/webhook-record.ts'
import type { Hearing, Sending } from './slack-simulator.ts'

type Style = Parameters<typeof styleText>[0]

/** Writes lines that fit a terminal: colours only where it shows them and NO_COLOR is unset. */
export interface LineWriter {
  text(line: string, style?: Style): void
  /** The columns' names, in the layout of `story`. */
  columns(): void
  /** One webhook. `record` is undefined where Slack had no answer to take the request id from. */
  story(sending: Sending, heard: Hearing, record: WebhookRecord | undefined): void
  /** An event that had waited in its region's mailbox has been delivered, `ms` after it came. */
  delivered(what: string, delivery: { region: string; attempt: number; ms: number }): void
  /** What was posted to a response_url, `ms` after it was given out. */
  lateAnswer(what: string, answer: { body: string; ms: number }): void
}

const KIND_WIDTH = 10
const WHAT_WIDTH = 16
/** The longest row with one region off: `all   → us 200 403 ms  eu connect_refused 1 ms  ap 200 3 ms`. */
const REGIONS_WIDTH = 61
/** Below this a story takes two lines instead of being wrapped somewhere. */
const ONE_LINE_WIDTH = 120

export function createLineWriter(stdout: NodeJS.WriteStream): LineWriter {
  const paint = (style: Style, text: string): string => styleText(style, text, { stream: stdout })
  const write = (line: string): void => void stdout.write(`${line}\n`)
  const row = (kind: string, what: string, regions: string, slack: string, style: Style): void => {
    // Asked for every time: a window may change its size. A pipe has none and takes the wide layout.
    const width = stdout.columns ?? ONE_LINE_WIDTH
    const start = padded(kind, KIND_WIDTH) + padded(what, WHAT_WIDTH)
    if (width < ONE_LINE_WIDTH) {
      write(start + paint(style, shortened(slack, width - KIND_WIDTH - WHAT_WIDTH)))
      write(' '.repeat(KIND_WIDTH) + regions)
      return
    }
    const left = start + padded(regions, REGIONS_WIDTH)
    write(left + paint(style, shortened(slack, width - lengthOf(left))))
  }
  const region = (record: RegionRecord): string => {
    const answered = record.result === 'answered'
    const style = answered ? (isSuccess(record.status) ? 'green' : 'yellow') : 'red'
    const result = answered ? String(record.status) : record.result
    const asked = `${record.region} ${paint(style, result)}`
    // Behind others in its mailbox: nobody was asked, so there is no time to tell.
    return record.result === 'spooled' ? asked : `${asked} ${milliseconds(record.endedMs - record.startedMs)}`
  }
  const note = (kind: string, what: string, text: string): void => {
    const start = padded(kind, KIND_WIDTH) + padded(what, WHAT_WIDTH)
    write(start + paint('cyan', shortened(text, (stdout.columns ?? ONE_LINE_WIDTH) - start.length)))
  }
  const regionsAsked = (record: WebhookRecord | undefined): string => {
    if (record === undefined) return 'nothing is known'
    const { plan, regions, outcome } = record
    if (outcome === 'duplicate') return 'a duplicate: no region is asked again'
    if (plan === undefined || regions === undefined) return `local, the control silo answered (${outcome})`
    return `${plan.padEnd('first'.length)} → ${regions.map(region).join('  ')}`
  }

  return {
    text: (line, style) => write(style === undefined ? line : paint(style, line)),
    columns: () => row('kind', 'sent', 'plan  → each region asked: its result, its time', 'what Slack got', 'bold'),
    story(sending, heard, record) {
      const style = heard.kind === 'answered' && isSuccess(heard.status) ? 'green' : 'red'
      row(sending.kind, sending.what, regionsAsked(record), hearingText(heard) + owed(record), style)
    },
    delivered: (what, { region, attempt, ms }) =>
      note('mailbox', what, `delivered to ${region} on attempt ${attempt}, ${seconds(ms)} after it came`),
    lateAnswer: (what, { body, ms }) => note('late', what, `after ${seconds(ms)} ${bodyText(body)}`),
  }
}

export function milliseconds(ms: number): string {
  return `${Math.round(ms)} ms`
}

function seconds(ms: number): string {
  return ms < 1000 ? milliseconds(ms) : `${(ms / 1000).toFixed(1)} s`
}

/** The regions that have not taken an event which Slack was told is taken care of. */
export function waitsFor({ outcome, regions = [] }: WebhookRecord): string[] {
  if (outcome !== 'spooled') return []
  return regions.filter(({ result, status }) => result !== 'answered' || !isSuccess(status)).map(({ region }) => region)
}

export function isSuccess(status: number | undefined): boolean {
  return status !== undefined && status >= 200 && status < 300
}

function hearingText(heard: Hearing): string {
  switch (heard.kind) {
    case 'answered':
      return `${heard.status} in ${milliseconds(heard.ms)}  ${bodyText(heard.body)}`
    case 'timed_out':
      return `nothing in ${milliseconds(heard.ms)}: operation_timeout`
    case 'unreachable':
      return `no answer: ${heard.reason}`
  }
}

/** What is still to come after Slack's answer. */
function owed(record: WebhookRecord | undefined): string {
  if (record === undefined) return ''
  if (record.outcome === 'late') return ', answer owed'
  const regions = waitsFor(record)
  return regions.length === 0 ? '' : `, waits for ${regions.join(' ')}`
}

/** What matters of a body: a message's text, an error's reasons, else its beginning. */
function bodyText(body: string): string {
  if (body === '') return 'empty'
  const parsed = parsedOrNothing(body)
  const regions = objectAt(parsed, 'regions')
  if (regions !== undefined) {
    return Object.entries(regions)
      .map(([name, reason]) => `${name}: ${String(reason)}`)
      .join(', ')
  }
  const { text, code } = objectOf(parsed) ?? {}
  if (typeof text === 'string') return `"${text}"`
  return typeof code === 'string' ? code : body
}

function parsedOrNothing(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

function objectAt(value: unknown, key: string): Record<string, unknown> | undefined {
  return objectOf(objectOf(value)?.[key])
}

function objectOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? { ...value } : undefined
}

/** At least one blank stays, so that a long cell never runs into the next. */
function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(1, width - lengthOf(text)))
}

function shortened(text: string, width: number): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length <= width ? line : `${line.slice(0, Math.max(0, width - 1))}…`
}

function lengthOf(text: string): number {
  return stripVTControlCharacters(text).length
}
