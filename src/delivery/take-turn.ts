import type { Clock } from '../clock.ts'
import { TOO_OLD } from '../spool/rules.ts'
import type { Claim, MailboxAddress, Settlement, Spool, WaitingRow } from '../spool/spool.ts'
import type { Counters } from '../telemetry/counters.ts'
import type { Attempted } from './attempt.ts'
import { LONGEST_WAIT_MS } from './back-off.ts'
import { headOf, restOf, type Box, type HeadRest } from './boxes.ts'
import { conclude, type Conclusion, type Course } from './conclude.ts'
import type { InStep } from './in-step.ts'
import type { Lease } from './lease.ts'
import type { MailboxAlarms } from './mailbox-alarms.ts'
import type { Timers } from './timers.ts'
import { ASK_AGAIN_MS, type TurnEnd, type Turns } from './turns.ts'

/** A mailbox makes room for the next one after so many rows: a long backlog must not keep the others waiting. */
const ROWS_A_TURN = 16
/**
 * How often the directory is asked whether an organization has been released, for what nobody has moved who was to:
 * each second, or fifty organizations a second where there are more.
 */
const ASK_RELEASED_MS = 1000
const ASK_RELEASED_EACH_MS = 20
/**
 * The longest that a head waits which this process has not tried: whether the region that another one could not reach is
 * well by now, nobody would tell this one. Longer than what has moved waits for a twin.
 */
const UNHEARD_MS = 2000

export interface TurnParts {
  readonly spool: Pick<Spool, 'next' | 'settle' | 'release'>
  readonly clock: Clock
  readonly timers: Pick<Timers, 'stopped'>
  readonly lease: Lease
  readonly turns: Pick<Turns, 'pump' | 'goesWell' | 'goesBadly'>
  readonly inStep: Pick<InStep, 'pause' | 'filled'>
  readonly alarms: MailboxAlarms
  readonly counters: Counters
  readonly random: () => number
  /** How long anything may wait. */
  readonly maxAgeMs: () => number
  /** `maySend` is to be asked right before the delivery is sent. */
  readonly attempt: (address: MailboxAddress, row: WaitingRow, maySend: () => boolean) => Promise<Attempted>
  /** Whether the organization of a mailbox is held, or nobody can say. */
  readonly isHeld: (address: MailboxAddress & { kind: 'held' }) => Promise<boolean>
  /** Told of each delivery that becomes a dead letter by an attempt. */
  readonly onDead: (delivery: string, region: string, reason: string) => void
}

/**
 * Delivers from a mailbox's head on, until something is in the way or others have waited long enough. Rejects when
 * the store is away: what an attempt has come to is then written down before the next one.
 */
export async function takeTurn(box: Box, parts: TurnParts): Promise<TurnEnd> {
  const { spool, timers, lease, turns } = parts
  if (box.id === undefined) return { kind: 'empty' }
  const { id } = box
  if (box.unsettled !== undefined) {
    // Before anything else is read: the head would be the same delivery once more.
    await writeDown(box, box.unsettled, parts)
  }
  // Before anything is claimed: of what is held for days nothing is to be seen in the store.
  if (box.address.kind === 'held' && (await parts.isHeld(box.address))) {
    const ms = Math.max(ASK_RELEASED_MS, ASK_RELEASED_EACH_MS * box.lane.boxes.size)
    return { kind: 'rest', why: 'released', ms }
  }
  let storedBefore = box.stored
  let coming = spool.next(id)
  for (let row = 1; ; row++) {
    const next = await coming
    switch (next.kind) {
      case 'empty':
        if (box.stored !== storedBefore) return { kind: 'more' }
        box.isEmpty = true
        box.head = undefined
        return { kind: 'empty' }
      case 'paused':
        box.paused ??= 'paused'
        return { kind: 'paused' }
      case 'held':
        return { kind: 'rest', why: 'held', ms: Math.min(ASK_AGAIN_MS, next.forMs ?? ASK_AGAIN_MS) }
      case 'claimed':
        // Not a moment later than its lease may lapse: whoever it was may be gone.
        return { kind: 'rest', why: 'store', ms: Math.min(ASK_AGAIN_MS, next.forMs ?? ASK_AGAIN_MS) }
      case 'row':
    }
    const claim: Claim = { kind: 'mailbox', mailbox: id, fence: next.fence, row: next.row.id }
    const waiting = untilDue(box, next.row, parts.clock)
    if (waiting !== undefined || timers.stopped()) {
      await spool.release(id, next.fence)
      return { kind: 'rest', why: 'store', ms: ASK_AGAIN_MS, ...waiting }
    }
    lease.renewed(next.validUntil)
    const attempted = isTooOld(next.row, parts)
      ? ({ kind: 'dead', reason: TOO_OLD } as const)
      : await parts.attempt(box.address, next.row, lease.claims())
    if (attempted.kind === 'judged') parts.alarms.judged(box, attempted.judgement)
    const { settlement, course } = concludeFor(box, next.row, attempted, parts)
    const settling =
      settlement === undefined ? spool.release(id, next.fence) : writeDown(box, { claim, settlement }, parts)
    const goesOn = course.kind === 'next' && row < ROWS_A_TURN && !timers.stopped()
    storedBefore = box.stored
    // Asked for in the same breath: the end of one delivery and the next one share a commit.
    if (goesOn) coming = spool.next(id)
    if (goesOn) coming.catch(() => {})
    await settling
    if (course.kind === 'pause') await parts.inStep.pause(box, course.reason)
    // A success may have made room for more of the region's mailboxes.
    turns.pump(box.lane)
    if (!goesOn) return endOf(course)
  }
}

/** The sweep comes once a minute: a region that is back before it is sent nothing of that either. */
function isTooOld({ spooledAt }: WaitingRow, { clock, maxAgeMs }: Pick<TurnParts, 'clock' | 'maxAgeMs'>): boolean {
  return clock.now() - spooledAt > maxAgeMs()
}

/** What every attempt changes, a first one as well. */
export function noteConclusion(
  box: Box,
  { told, settlement, refusals, course }: Conclusion,
  { counters, alarms }: Pick<TurnParts, 'counters' | 'alarms'>,
): void {
  const { region } = box.lane
  counters.count('deferred_deliveries_total', { region, result: told })
  if (settlement?.kind === 'dead') counters.count('dead_letters_total', { region, reason: settlement.reason })
  box.refusals = refusals
  if (course.kind === 'pause') alarms.paused(box, course.reason)
}

/** What an attempt means for the mailbox, and for the others of its region. */
function concludeFor(box: Box, row: WaitingRow, attempted: Attempted, parts: TurnParts): Conclusion {
  const { clock, random, turns } = parts
  const { lane, refusals } = box
  const now = clock.monotonic()
  const known = box.head?.row === row.id ? box.head : undefined
  // Not the sum of what each process has waited: those times overlap.
  const failingMs = Math.max(row.failingMs, Math.round(now - (known?.failingSince ?? now)))
  const conclusion = conclude(attempted, row, { refusals, failingMs, random, now: clock.now() })
  const { told, settlement, course } = conclusion
  noteConclusion(box, conclusion, parts)
  if (settlement?.kind === 'dead') parts.onDead(row.delivery, lane.region, settlement.reason)
  box.head = undefined
  if (course.kind === 'rest') {
    const progress = settlement?.kind === 'again' ? settlement : { ...row, failingMs }
    const isTried = course.failed || known?.isTried === true
    const { ms: waitMs, askedMs, why } = course
    box.head = headOf(row.id, progress, { now, waitMs, askedMs, why, isTried })
    if (course.failed) turns.goesBadly(lane)
  } else if (told === 'delivered') {
    turns.goesWell(lane)
  }
  return conclusion
}

async function writeDown(
  box: Box,
  ended: { readonly claim: Claim; readonly settlement: Settlement },
  { spool, inStep }: Pick<TurnParts, 'spool' | 'inStep'>,
): Promise<void> {
  const { claim, settlement } = ended
  box.unsettled = ended
  const isSettled = await spool.settle(claim, settlement)
  box.unsettled = undefined
  // Somebody else has tried it meanwhile, and may have been asked to wait.
  if (!isSettled) box.head = undefined
  if (settlement.kind === 'moved') await inStep.filled(settlement.rows.map(({ mailbox }) => mailbox))
}

/** As `restOf`, of the head as it is in the store. */
function untilDue(box: Box, row: WaitingRow, clock: Clock): HeadRest | undefined {
  const known = box.head?.row === row.id ? box.head : undefined
  const now = clock.monotonic()
  if (known?.attempts === row.attempts) return restOf(known, now)
  if (known?.isWoken === true && !row.isAsked) return undefined
  // Somebody else has set this time, by a clock that may have been wrong.
  const longestMs = known?.isTried === true || row.isAsked ? LONGEST_WAIT_MS : UNHEARD_MS
  const waitMs = Math.min(row.retryAt - clock.now(), longestMs)
  if (waitMs <= 0) return undefined
  // How much of it was asked for, only that one knows: it counts as asked for altogether.
  const askedMs = row.isAsked ? waitMs : 0
  // What this process could not reach it still hears of.
  const { why = 'region', isTried = false, failingSince = now } = known ?? {}
  const failingMs = Math.max(row.failingMs, now - failingSince)
  box.head = headOf(row.id, { ...row, failingMs }, { now, waitMs, askedMs, why, isTried })
  return restOf(box.head, now)
}

/** How a turn ends that is not to be followed by its next delivery. */
function endOf(course: Course): TurnEnd {
  switch (course.kind) {
    case 'next':
      return { kind: 'more' }
    case 'pause':
      return { kind: 'paused' }
    case 'rest':
      return course.askedMs > 0
        ? { kind: 'rest', why: 'asked', ms: course.askedMs }
        : { kind: 'rest', why: course.why, ms: course.ms }
  }
}
