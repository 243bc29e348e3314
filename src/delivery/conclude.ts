import { NO_PROGRESS, type Progress, type Settlement, type WaitingRow } from '../spool/spool.ts'
import type { Attempted } from './attempt.ts'
import { backOffMs, LONGEST_WAIT_MS } from './back-off.ts'
import type { Head } from './boxes.ts'
import type { Judgement } from './judge.ts'

const REFUSALS_THAT_PAUSE = 10
/** A head that a reachable region has failed on so often, over so long, will not get any better. */
const POISON_FAILURES = 8
const POISON_MS = 600_000
/** How long a delivery rests that could not even be tried, and up to as long again. */
const NOT_TRIED_MS = 500
/** The same where nothing is sent to the region: it is woken when that is over. */
const NOTHING_SENT_MS = 30_000
const nothingIsSent: ReadonlySet<string> = new Set(['circuit_open', 'region_down', 'unknown_region'])

/** What an attempt at a mailbox's head means for it. */
export interface Conclusion {
  /** As counters have it. */
  readonly told: string
  /** Undefined: nothing has become of the delivery. */
  readonly settlement: Settlement | undefined
  /** Refusals in a row, this one counted. */
  readonly refusals: number
  readonly course: Course
}

/** What the mailbox does next. */
export type Course =
  | { readonly kind: 'next' }
  | { readonly kind: 'pause'; readonly reason: string }
  /** `askedMs`: of the wait, what the region has asked for. `failed`: its attempt counts, and this is the back-off after it. */
  | {
      readonly kind: 'rest'
      readonly why: Head['why']
      readonly ms: number
      readonly askedMs: number
      readonly failed: boolean
    }

export interface Circumstances {
  /** Refusals in a row before. */
  readonly refusals: number
  readonly random: () => number
  /** Unix milliseconds. */
  readonly now: number
}

/** `failingMs`: for how long regions that can be reached have failed on it, on a clock that cannot be set. */
export function conclude(
  attempted: Attempted,
  row: WaitingRow,
  { failingMs, ...circumstances }: Circumstances & { readonly failingMs: number },
): Conclusion {
  const { refusals } = circumstances
  const next = { kind: 'next' } as const
  switch (attempted.kind) {
    case 'moved':
      return { told: 'moved', settlement: { kind: 'moved', rows: attempted.rows }, refusals, course: next }
    case 'behind':
      return { told: 'not_tried', settlement: undefined, refusals, course: next }
    case 'dead':
      return { told: 'dead', settlement: dead(attempted.reason, row.attempts), refusals, course: next }
    case 'stuck': {
      const course = { kind: 'pause', reason: attempted.reason } as const
      return { told: 'stuck', settlement: undefined, refusals, course }
    }
    case 'judged':
  }
  const { judgement } = attempted
  switch (judgement.kind) {
    case 'delivered':
      return { told: 'delivered', settlement: judgement, refusals: 0, course: next }
    case 'refused':
      return refused(judgement.reason, row.attempts + 1, refusals)
    case 'transient':
      return failed(judgement, row, failingMs, circumstances)
  }
}

/** The same for a first attempt that held its row. */
export function concludeFirst(
  judgement: Judgement,
  { refusals, random, now }: Circumstances,
): Conclusion & { settlement: Settlement } {
  switch (judgement.kind) {
    case 'delivered':
      return { told: 'delivered', settlement: judgement, refusals: 0, course: { kind: 'next' } }
    case 'refused':
      return refused(judgement.reason, 1, refusals)
    case 'transient': {
      const settlement = { kind: 'again', ...progressAfterFirst(judgement, { random, now }) } as const
      return { told: judgement.why, settlement, refusals, course: { kind: 'next' } }
    }
  }
}

/** Where a delivery stands after a first attempt that has to be made again. */
export function progressAfterFirst(
  { why, retryAfterMs }: Judgement & { kind: 'transient' },
  { random, now }: Pick<Circumstances, 'random' | 'now'>,
): Progress {
  if (why === 'not_tried') return NO_PROGRESS
  const retryAt = now + backOffMs(1, random, retryAfterMs)
  const isAsked = askedMsOf(retryAfterMs) > 0
  return { attempts: 1, answeredFailures: why === 'answered' ? 1 : 0, failingMs: 0, retryAt, isAsked }
}

function askedMsOf(retryAfterMs = 0): number {
  return Math.min(retryAfterMs, LONGEST_WAIT_MS)
}

/** What the refusal of a mailbox's delivery means for the mailbox: with the tenth in a row the rest is not sent. */
export function afterRefusal(refusalsBefore: number): Pick<Conclusion, 'refusals' | 'course'> {
  const refusals = refusalsBefore + 1
  const pauses = refusals >= REFUSALS_THAT_PAUSE
  return { refusals, course: pauses ? { kind: 'pause', reason: 'refused' } : { kind: 'next' } }
}

function refused(reason: string, attempts: number, refusals: number): Conclusion & { settlement: Settlement } {
  return { told: 'refused', settlement: dead(reason, attempts), ...afterRefusal(refusals) }
}

function failed(
  { why, reason, retryAfterMs }: Judgement & { kind: 'transient' },
  row: WaitingRow,
  failingMs: number,
  { refusals, random, now }: Circumstances,
): Conclusion {
  if (why === 'not_tried') {
    const ms = (nothingIsSent.has(reason) ? NOTHING_SENT_MS : NOT_TRIED_MS) * (1 + random())
    const course = { kind: 'rest', why: 'connection', ms, askedMs: 0, failed: false } as const
    return { told: why, settlement: undefined, refusals, course }
  }
  const attempts = row.attempts + 1
  const answeredFailures = row.answeredFailures + (why === 'answered' ? 1 : 0)
  if (answeredFailures >= POISON_FAILURES && failingMs >= POISON_MS) {
    return { told: why, settlement: dead('poison', attempts), refusals, course: { kind: 'next' } }
  }
  const ms = backOffMs(attempts, random, retryAfterMs)
  const askedMs = askedMsOf(retryAfterMs)
  return {
    told: why,
    settlement: { kind: 'again', attempts, answeredFailures, failingMs, retryAt: now + ms, isAsked: askedMs > 0 },
    refusals,
    course: { kind: 'rest', why: why === 'unreachable' ? 'connection' : 'region', ms, askedMs, failed: true },
  }
}

function dead(reason: string, attempts: number): Settlement & { kind: 'dead' } {
  return { kind: 'dead', reason, attempts }
}
