import type { RegionWatch } from '../dispatch/region-client.ts'
import type { Attempted } from './attempt.ts'
import { LONGEST_WAIT_MS } from './back-off.ts'
import { createBoxes, HELD_LANE, keyOf, type Box, type LaneState, type Rest } from './boxes.ts'
import { afterRefusal, conclude, concludeFirst, reasonToRest, type Conclusion, type Course } from './conclude.ts'
import { sweep, watchQuotas, type HousekeepingParts } from './housekeeping.ts'
import type { Judgement } from './judge.ts'
import { createLease } from './lease.ts'
import { createMailboxAlarms } from './mailbox-alarms.ts'
import {
  LEASE_MS,
  type Appended,
  type Claim,
  type MailboxAddress,
  type NewRow,
  type NewRowState,
  type OpenMailbox,
  type Settlement,
  type Spool,
  type WaitingRow,
} from './spool.ts'

/** How often the store is asked whether another process has paused, resumed or replayed anything. */
const LOOK_MS = 1000
const SWEEP_MS = 60_000
/** How long a mailbox rests when the store could not be asked, or another instance works on it. */
const ASK_AGAIN_MS = 1000
/** A mailbox makes room for the next one after so many rows: a long backlog must not keep the others waiting. */
const ROWS_A_TURN = 16
/** Mailboxes whose home is still to be found ask the directory, which bounds itself; this bounds what waits for it. */
const UNRESOLVED_AT_ONCE = 4
/** Of a region that nothing is sent to: they only look whether it is still the right one. */
const UNSENT_AT_ONCE = 2
/** Those of organizations that are held ask the directory as well. */
const HELD_AT_ONCE = 4
/**
 * How often the directory is asked whether an organization has been released, for what nobody has moved who was to:
 * each second, or fifty organizations a second where there are more.
 */
const ASK_RELEASED_MS = 1000
const ASK_RELEASED_EACH_MS = 20

/** What the mailboxes have to know of a region to be easy on it. */
export interface Lane {
  /** Deferred calls it may have in flight. */
  readonly atMost: number
  readonly breaker: 'closed' | 'open' | 'half_open'
}

export interface MailboxParts extends HousekeepingParts {
  readonly spool: Spool
  /** `maySend` is to be asked right before the delivery is sent. */
  readonly attempt: (address: MailboxAddress, row: WaitingRow, maySend: () => boolean) => Promise<Attempted>
  /** Whether the organization of a mailbox is held, or nobody can say. */
  readonly isHeld: (address: MailboxAddress & { kind: 'held' }) => Promise<boolean>
  /** Undefined where nothing is sent: the region is down, or nobody knows it. */
  readonly lane: (region: string) => Lane | undefined
  readonly random: () => number
  /** Whether anything else of the store is this instance's, so that its lease has to be kept. */
  readonly holdsMore: () => boolean
  /** Told of each delivery that becomes a dead letter by an attempt, also by its first. */
  readonly onDead: (delivery: string, region: string, reason: string) => void
}

/**
 * The mailboxes as this process knows them, and the worker that empties them: one delivery at a time from each, the
 * regions side by side. Only what a mailbox is like is kept in memory; what waits in it is in the spool.
 */
export interface MailboxWorker {
  /** Whether what comes for this mailbox has to wait behind what is there. */
  mustWait(address: MailboxAddress): boolean
  /** Stores rows, and sees to it that they are delivered. Rejects like the spool's `append`. */
  append(rows: readonly NewRow[], options: { giveUpAt: number }): Promise<Appended[]>
  /** Ends the first attempt that holds a row. Never rejects: while the store is away it is tried again. */
  settleHeld(address: MailboxAddress, row: number, judgement: Judgement): Promise<void>
  /** A region took a delivery of this mailbox at once: its refusals are not in a row any more. */
  taken(address: MailboxAddress): void
  /** For a region's client. */
  watch(region: string): RegionWatch
  /** Reads what is waiting and begins to deliver it. Rejects when the store cannot be read. */
  start(): Promise<void>
  /** Looks at every region again, after their states may have changed. */
  look(): void
  /**
   * Within `work` somebody else in this process fills these mailboxes from each other: what comes for them waits, and
   * then it is looked into them.
   */
  filling<Result>(addresses: readonly MailboxAddress[], work: () => Promise<Result>): Promise<Result>
  /** Somebody else in this process has put something into these mailboxes, or taken it away. Never rejects. */
  lookInto(addresses: readonly MailboxAddress[]): Promise<void>
  /** Looks at all of them: somebody else in this process has paused or resumed one, or replayed or erased. Never rejects. */
  lookAtAll(): Promise<void>
  /** What was claimed by now: the answer tells, whenever asked, whether it is still this instance's. */
  claims(): () => boolean
  /** The store has been written to, which renews the lease: it was asked to at this time (monotonic). */
  written(askedAt: number): void
  /** Begins no more attempts; resolves when those that run have ended. */
  stop(): Promise<void>
}

type TurnEnd =
  | { readonly kind: 'more' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'paused' }
  | { readonly kind: 'rest'; readonly why: Rest; readonly ms: number }

export function createMailboxWorker(parts: MailboxParts): MailboxWorker {
  const { spool, clock, counters, random } = parts
  const alarms = createMailboxAlarms(parts.alarms)
  const { byId, lanes, laneOf, boxAt, boxIfKnown, forget, identify } = createBoxes()
  const running = new Set<Promise<void>>()
  /** First attempts under way whose rows are stored. */
  let held = 0
  const lease = createLease(clock)
  /** What has moved waits in mailboxes that nobody here may know of: no change of this process's own is told to it. */
  const filled = new Map<string, MailboxAddress>()
  /** Counts what is changed here, so that a list that was read before cannot undo it. */
  let changes = 0
  /** How often the states of regions may have changed: a turn that has found one down meanwhile has missed it. */
  let looks = 0
  let stopped = false
  const cancels = new Set<() => void>()

  function atMost(lane: LaneState): number {
    if (stopped) return 0
    if (lane.region === '') return UNRESOLVED_AT_ONCE
    if (lane.region === HELD_LANE) return HELD_AT_ONCE
    const open = parts.lane(lane.region)
    // Nothing is sent there, but what waits for organizations that have moved away is to follow them.
    if (open === undefined || open.breaker === 'open') return UNSENT_AT_ONCE
    return open.breaker === 'half_open' ? 1 : Math.min(lane.ramp, open.atMost)
  }

  function pump(lane: LaneState): void {
    const limit = atMost(lane)
    for (const box of lane.ready) {
      if (lane.running >= limit) return
      lane.ready.delete(box)
      lane.running += 1
      box.state = { kind: 'running' }
      const run = workOn(box).finally(() => running.delete(run))
      running.add(run)
    }
  }

  async function workOn(box: Box): Promise<void> {
    const { recoveries } = box.lane
    const looksBefore = looks
    let end: TurnEnd
    try {
      end = await takeTurn(box)
    } catch (error) {
      // Nothing was settled, so nothing is lost: it is tried again, and again told about.
      alarms.notTried(box, error)
      end = { kind: 'rest', why: 'store', ms: ASK_AGAIN_MS }
    }
    box.lane.running -= 1
    const isOver =
      end.kind === 'rest' &&
      ((isForRegion(end.why) && recoveries !== box.lane.recoveries) ||
        (end.why === 'connection' && looksBefore !== looks))
    afterTurn(box, end)
    if (isOver) wakeNow(box)
    pump(box.lane)
  }

  function makeReady(box: Box): void {
    if (box.state.kind === 'running') return
    if (box.state.kind === 'resting') box.state.wake()
    box.state = { kind: 'ready' }
    box.lane.ready.add(box)
  }

  function rest(box: Box, why: Rest, ms: number): void {
    if (box.state.kind === 'resting') box.state.wake()
    const cancel = after(ms, () => {
      makeReady(box)
      pump(box.lane)
    })
    box.state = { kind: 'resting', why, wake: cancel }
  }

  /** A timer that stopping cancels. */
  function after(ms: number, then: () => void): () => void {
    if (stopped) return () => {}
    const cancelTimer = clock.after(ms, () => {
      cancels.delete(cancel)
      then()
    })
    const cancel = (): void => {
      cancels.delete(cancel)
      cancelTimer()
    }
    cancels.add(cancel)
    return cancel
  }

  function afterTurn(box: Box, end: TurnEnd): void {
    box.state = { kind: 'idle' }
    switch (end.kind) {
      case 'more':
        return makeReady(box)
      case 'rest':
        return rest(box, end.why, end.ms)
      case 'empty':
      case 'paused':
        // What came while the turn ended has found it running, and woke nobody.
        if (!box.isEmpty && box.paused === undefined) return makeReady(box)
        forget(box)
    }
  }

  /** Delivers from the head on, until something is in the way or others have waited long enough. */
  async function takeTurn(box: Box): Promise<TurnEnd> {
    if (box.id === undefined) return { kind: 'empty' }
    const { id } = box
    if (box.unsettled !== undefined) {
      // Before anything else is read: the head would be the same delivery once more.
      await writeDown(box, box.unsettled)
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
      const waitMs = untilDue(box, next.row)
      if (waitMs > 0 || stopped) {
        await spool.release(id, next.fence)
        return { kind: 'rest', why: reasonToRest(waitMs, next.row), ms: Math.max(waitMs, 1) }
      }
      lease.renewed(next.validUntil)
      const attempted = await parts.attempt(box.address, next.row, lease.claims())
      if (attempted.kind === 'judged') alarms.judged(box, attempted.judgement)
      const conclusion = concludeFor(box, next.row, attempted)
      const { settlement, course } = conclusion
      const settling = settle(box, claim, settlement, next.fence)
      const goesOn = course.kind === 'next' && row < ROWS_A_TURN && !stopped
      storedBefore = box.stored
      // Asked for in the same breath: the end of one delivery and the next one share a commit.
      if (goesOn) coming = spool.next(id)
      if (goesOn) coming.catch(() => {})
      await settling
      if (course.kind === 'pause') await pause(box, course.reason)
      // A success may have made room for more of the region's mailboxes.
      pump(box.lane)
      if (!goesOn) return endOf(course)
    }
  }

  /** What an attempt means for the mailbox, and for the others of its region. */
  function concludeFor(box: Box, row: WaitingRow, attempted: Attempted): Conclusion {
    const { lane, refusals } = box
    const now = clock.monotonic()
    const sinceLastMs = box.head?.row === row.id ? now - box.head.failedAt : 0
    const conclusion = conclude(attempted, row, { refusals, sinceLastMs, random, now: clock.now() })
    const { told, settlement, course } = conclusion
    take(box, conclusion)
    if (settlement?.kind === 'dead') parts.onDead(row.delivery, lane.region, settlement.reason)
    box.head = undefined
    if (course.kind === 'rest') {
      box.head = { row: row.id, failedAt: course.failed ? now : now - sinceLastMs, dueAt: now + course.ms }
      if (course.failed) lane.ramp = Math.max(1, Math.floor(lane.ramp / 2))
    } else if (told === 'delivered') {
      lane.ramp = Math.min(lane.ramp + 1, parts.lane(lane.region)?.atMost ?? 1)
    }
    return conclusion
  }

  /** What every attempt changes, a first one as well. */
  function take(box: Box, { told, settlement, refusals, course }: Conclusion): void {
    const { region } = box.lane
    counters.count('deferred_deliveries_total', { region, result: told })
    if (settlement?.kind === 'dead') counters.count('dead_letters_total', { region, reason: settlement.reason })
    box.refusals = refusals
    if (course.kind === 'pause') alarms.paused(box, course.reason)
  }

  async function settle(box: Box, claim: Claim, settlement: Settlement | undefined, fence: number): Promise<void> {
    if (settlement === undefined) {
      if (claim.kind === 'mailbox') await spool.release(claim.mailbox, fence)
      return
    }
    await writeDown(box, { claim, settlement })
  }

  async function writeDown(box: Box, ended: NonNullable<Box['unsettled']>): Promise<void> {
    const { claim, settlement } = ended
    box.unsettled = ended
    await spool.settle(claim, settlement)
    box.unsettled = undefined
    if (settlement.kind !== 'moved') return
    for (const { mailbox } of settlement.rows) filled.set(keyOf(mailbox), mailbox)
    await lookInFilled()
  }

  /** Looks into mailboxes that were filled by moving; those that could not be read are looked into again. */
  async function lookInFilled(): Promise<void> {
    const asOf = changes
    const asked = [...filled.values()]
    // What is filled while it is asked is asked for once more.
    filled.clear()
    const found = await spool.at(asked).catch((error: unknown) => {
      for (const address of asked) filled.set(keyOf(address), address)
      throw error
    })
    for (const open of found) {
      adopt(open, asOf)
      pump(boxAt(open.address).lane)
    }
  }

  async function lookInto(addresses: readonly MailboxAddress[]): Promise<void> {
    for (const address of addresses) filled.set(keyOf(address), address)
    try {
      await lookInFilled()
    } catch {
      // The store is away, which is told each second, and then it is looked at again.
    }
    for (const address of addresses) {
      const box = boxIfKnown(address)
      // What it rested for may have gone elsewhere; if not, its head still knows how long it has to wait.
      if (box === undefined || box.isEmpty || box.paused !== undefined || box.state.kind !== 'resting') continue
      makeReady(box)
      pump(box.lane)
    }
  }

  function untilDue(box: Box, row: WaitingRow): number {
    if (box.head?.row === row.id) return Math.max(0, box.head.dueAt - clock.monotonic())
    // Another process has set this time, by a clock that may have been wrong.
    const waitMs = Math.min(Math.max(0, row.retryAt - clock.now()), LONGEST_WAIT_MS)
    if (waitMs > 0) {
      const now = clock.monotonic()
      box.head = { row: row.id, failedAt: now, dueAt: now + waitMs }
    }
    return waitMs
  }

  async function pause(box: Box, reason: string): Promise<void> {
    if (box.paused !== undefined || box.id === undefined) return
    box.paused = reason
    box.changed = changes += 1
    try {
      await spool.pause(box.id, reason)
    } catch (error) {
      box.paused = undefined
      throw error
    }
  }

  /** Takes over what the store says of a mailbox; `asOf` is what `changes` was when it was asked. */
  function adopt(open: OpenMailbox, asOf: number): void {
    const box = boxAt(open.address)
    identify(box, open.id)
    if (!open.isEmpty) {
      box.isEmpty = false
      // Whoever has just found it empty looked too early.
      box.stored += 1
    }
    const resumed = box.changed <= asOf && box.paused !== undefined && open.paused === undefined
    if (box.changed <= asOf) box.paused = open.paused
    if (resumed) box.refusals = 0
    if (box.isEmpty || box.paused !== undefined) {
      if (box.state.kind === 'ready') {
        box.lane.ready.delete(box)
        box.state = { kind: 'idle' }
      }
      return
    }
    if (box.state.kind === 'idle' || resumed) makeReady(box)
  }

  function adoptAll(list: readonly OpenMailbox[], asOf: number): void {
    const listed = new Set(list.map(({ id }) => id))
    for (const open of list) adopt(open, asOf)
    for (const [id, box] of byId) {
      if (listed.has(id) || box.changed > asOf) continue
      if (box.paused !== undefined) box.refusals = 0
      // Also of one that something is on its way into: nobody else will say so once it is there.
      box.paused = undefined
      if (box.appending > 0 || box.state.kind === 'running') continue
      // Emptied by somebody else, or paused while empty and resumed again. If it only looks so, its turn will tell.
      if (!box.isEmpty) makeReady(box)
      else forget(box)
    }
    for (const lane of lanes.values()) pump(lane)
  }

  function everySecond(): void {
    after(LOOK_MS, () => {
      void lookAgain().finally(everySecond)
    })
  }

  async function lookAgain(): Promise<void> {
    try {
      if (held > 0 || running.size > 0 || parts.holdsMore()) lease.renewed(await spool.renew())
      if (filled.size > 0) await lookInFilled()
      const asOf = changes
      const list = await spool.changed()
      if (list !== undefined && !stopped) adoptAll(list, asOf)
      if (byId.size > 0) await watchQuotas(parts)
    } catch (error) {
      // Stopping waits for what is sent, not for this, under which the store may be closed.
      if (!stopped) alarms.storeAway(error)
    }
  }

  function everyMinute(): void {
    after(SWEEP_MS, () => {
      // Where it fails the store is away, which is told each second.
      void sweep(parts)
        .catch(() => {})
        .finally(everyMinute)
    })
  }

  return {
    mustWait(address) {
      // Asked for every organization of every event, where next to none is ever held.
      if (address.kind === 'held' && (lanes.get(HELD_LANE)?.boxes.size ?? 0) === 0) return false
      const box = boxIfKnown(address)
      return box !== undefined && (!box.isEmpty || box.appending > 0 || box.paused !== undefined)
    },

    async append(rows, options) {
      const filling = rows.flatMap(({ mailbox, state }) => (state.kind === 'dead' ? [] : [boxAt(mailbox)]))
      for (const box of filling) box.appending += 1
      let appended: Appended[] | undefined
      try {
        const askedAt = clock.monotonic()
        appended = await spool.append(rows, options)
        lease.renewed(askedAt + LEASE_MS)
        return appended
      } finally {
        for (const box of filling) box.appending -= 1
        for (const [at, { mailbox, state, delivery }] of rows.entries()) {
          const box = boxAt(mailbox)
          const stored = appended?.[at]
          if (stored?.kind === 'stored' && state.kind === 'dead') {
            parts.onDead(delivery, box.lane.region, state.reason)
          }
          if (stored?.kind === 'stored') noteStored(box, stored, state)
          else forget(box)
          pump(box.lane)
        }
      }
    },

    settleHeld(address, row, judgement) {
      const settling = settleFirst(address, row, judgement).finally(() => running.delete(settling))
      running.add(settling)
      return settling
    },
    taken(address) {
      const box = boxIfKnown(address)
      if (box === undefined) return
      box.refusals = 0
      forget(box)
    },

    watch(region) {
      const lane = laneOf(region)
      const waits = (box: Box): boolean => !box.isEmpty && box.paused === undefined
      const waitsFor = (box: Box, what: Rest): boolean =>
        waits(box) && box.state.kind === 'resting' && box.state.why === what
      const waitsForRegion = (box: Box): boolean => waitsFor(box, 'region') || waitsFor(box, 'connection')
      return {
        wantsProbe: () => !stopped && lane.boxes.values().some(waits),
        probeDue() {
          const resting = lane.ready.size === 0 ? lane.boxes.values().find(waitsForRegion) : undefined
          if (resting !== undefined) {
            // By turns: a head that the region fails on, however well it is, must not be every probe.
            lane.boxes.delete(resting)
            lane.boxes.add(resting)
            wakeNow(resting)
          }
          pump(lane)
        },
        recovered(from) {
          if (from === 'outage') lane.recoveries += 1
          // With others under way it was no outage, but a call here and there that failed.
          if (lane.running <= 1) lane.ramp = 1
          for (const box of lane.boxes) {
            if (from === 'outage' ? waitsForRegion(box) : waitsFor(box, 'connection')) wakeNow(box)
          }
          pump(lane)
        },
      }
    },

    async start() {
      adoptAll(await spool.open(), changes)
      everySecond()
      everyMinute()
    },

    look() {
      looks += 1
      for (const lane of lanes.values()) {
        // What waited for a region that was down may be sent now, and what was to be sent may not.
        for (const box of lane.boxes) {
          if (box.state.kind === 'resting' && box.state.why === 'connection') wakeNow(box)
        }
        pump(lane)
      }
    },

    async filling(addresses, work) {
      const filling = addresses.map(boxAt)
      for (const box of filling) box.appending += 1
      try {
        return await work()
      } finally {
        await lookInto(addresses)
        for (const box of filling) {
          box.appending -= 1
          forget(box)
        }
      }
    },

    lookInto,
    async lookAtAll() {
      const asOf = changes
      try {
        const list = await spool.open()
        if (!stopped) adoptAll(list, asOf)
      } catch {
        // As above.
      }
    },

    claims: () => lease.claims(),
    written: (askedAt) => lease.renewed(askedAt + LEASE_MS),

    async stop() {
      stopped = true
      for (const cancel of cancels) cancel()
      while (running.size > 0) await Promise.all(running)
    },
  }

  async function settleFirst(address: MailboxAddress, row: number, judgement: Judgement): Promise<void> {
    const box = boxAt(address)
    const conclusion = concludeFirst(judgement, { refusals: box.refusals, random, now: clock.now() })
    const { settlement, course } = conclusion
    take(box, conclusion)
    for (;;) {
      try {
        await spool.settle({ kind: 'held', row }, settlement)
        break
      } catch (error) {
        alarms.storeAway(error)
        if (stopped) break
        await new Promise<void>((resolve) => clock.after(ASK_AGAIN_MS, resolve))
      }
    }
    held -= 1
    if (course.kind === 'pause') await pause(box, course.reason).catch(() => {})
    if (box.state.kind === 'resting' && box.state.why === 'held') makeReady(box)
    else if (box.state.kind === 'idle' && !box.isEmpty) makeReady(box)
    pump(box.lane)
  }

  /** The wait was for a region that can be reached again. */
  function wakeNow(box: Box): void {
    if (box.head !== undefined) box.head = { ...box.head, dueAt: clock.monotonic() }
    makeReady(box)
  }

  function takeRefusal(box: Box): void {
    const { refusals, course } = afterRefusal(box.refusals)
    box.refusals = refusals
    if (course.kind !== 'pause') return
    alarms.paused(box, course.reason)
    void pause(box, course.reason).catch(() => {})
  }

  function noteStored(box: Box, { id, mailbox }: { id: number; mailbox: number }, state: NewRowState): void {
    identify(box, mailbox)
    switch (state.kind) {
      case 'dead':
        counters.count('dead_letters_total', { region: box.lane.region, reason: state.reason })
        takeRefusal(box)
        return
      case 'held':
        held += 1
        box.stored += 1
        box.isEmpty = false
        return
      case 'waiting': {
        box.stored += 1
        const isHead = box.isEmpty
        box.isEmpty = false
        if (box.paused !== undefined || box.state.kind !== 'idle') return
        const waitMs = isHead ? Math.max(0, state.retryAt - clock.now()) : 0
        if (waitMs === 0) return makeReady(box)
        const now = clock.monotonic()
        box.head = { row: id, failedAt: now, dueAt: now + waitMs }
        rest(box, reasonToRest(waitMs, state), waitMs)
      }
    }
  }
}

function isForRegion(why: Rest): boolean {
  return why === 'region' || why === 'connection'
}

/** How a mailbox's turn ends that is not to be followed by its next delivery. */
function endOf(course: Course): TurnEnd {
  switch (course.kind) {
    case 'next':
      return { kind: 'more' }
    case 'pause':
      return { kind: 'paused' }
    case 'rest':
      return { kind: 'rest', why: course.why, ms: course.ms }
  }
}
