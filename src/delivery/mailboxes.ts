import type { RegionWatch } from '../dispatch/region-client.ts'
import {
  LEASE_MS,
  type Appended,
  type MailboxAddress,
  type NewRow,
  type NewRowState,
  type Spool,
} from '../spool/spool.ts'
import { createBoxes, headOf, HELD_LANE, type Box } from './boxes.ts'
import { afterRefusal, concludeFirst } from './conclude.ts'
import { sweep, watchQuotas, type HousekeepingParts } from './housekeeping.ts'
import { createInStep } from './in-step.ts'
import type { Judgement } from './judge.ts'
import { createLease } from './lease.ts'
import { createMailboxAlarms } from './mailbox-alarms.ts'
import { noteConclusion, takeTurn, type TurnParts } from './take-turn.ts'
import { createTimers } from './timers.ts'
import { ASK_AGAIN_MS, createTurns, type TurnsParts } from './turns.ts'

/** How often the store is asked whether another process has paused, resumed or replayed anything. */
const LOOK_MS = 1000
const SWEEP_MS = 60_000

export interface MailboxParts
  extends HousekeepingParts, Pick<TurnParts, 'attempt' | 'isHeld' | 'random'>, Pick<TurnsParts, 'lane'> {
  readonly spool: Spool
  /** Whether anything else of the store is this instance's, so that its lease has to be kept. */
  readonly holdsMore: () => boolean
}

/** A row whose first attempt is under way. */
export interface HeldRow {
  readonly id: number
  readonly delivery: string
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
  settleHeld(address: MailboxAddress, row: HeldRow, judgement: Judgement): Promise<void>
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

export function createMailboxWorker(parts: MailboxParts): MailboxWorker {
  const { spool, clock, counters, random, lane } = parts
  const alarms = createMailboxAlarms(parts.alarms)
  const boxes = createBoxes()
  const { byId, lanes, boxAt, boxIfKnown, forget, identify } = boxes
  const timers = createTimers(clock)
  const lease = createLease(clock)
  const turns = createTurns({
    boxes,
    timers,
    lane,
    takeTurn: (box) => takeTurn(box, turnParts),
    onFault: (...told) => alarms.notTried(...told),
  })
  const inStep = createInStep({ spool, boxes, turns, timers })
  const turnParts: TurnParts = { ...parts, timers, lease, turns, inStep, alarms }
  /** First attempts under way whose rows are stored. */
  let held = 0
  /** Those that have ended and are being written down. */
  const settling = new Set<Promise<void>>()

  async function settleFirst(address: MailboxAddress, row: HeldRow, judgement: Judgement): Promise<void> {
    const box = boxAt(address)
    const conclusion = concludeFirst(judgement, { refusals: box.refusals, random, now: clock.now() })
    const { settlement, course } = conclusion
    noteConclusion(box, conclusion, { counters, alarms })
    for (;;) {
      try {
        const isOurs = await spool.settle({ kind: 'held', row: row.id }, settlement)
        // Where somebody else has taken it over, what becomes of it is theirs to tell.
        if (isOurs && settlement.kind === 'dead') parts.onDead(row.delivery, box.lane.region, settlement.reason)
        break
      } catch (error) {
        alarms.storeAway(error)
        if (timers.stopped()) break
        await new Promise<void>((resolve) => clock.after(ASK_AGAIN_MS, resolve))
      }
    }
    held -= 1
    if (course.kind === 'pause') await inStep.pause(box, course.reason).catch(() => {})
    if (box.state.kind === 'resting' && box.state.why === 'held') turns.makeReady(box)
    else if (box.state.kind === 'idle' && !box.isEmpty) turns.makeReady(box)
    turns.pump(box.lane)
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
        if (waitMs === 0) return turns.makeReady(box)
        const askedMs = state.isAsked ? waitMs : 0
        box.head = headOf(id, state, { now: clock.monotonic(), waitMs, askedMs, why: 'region', isTried: true })
        turns.rest(box, state.isAsked ? 'asked' : 'region', waitMs)
      }
    }
  }

  function takeRefusal(box: Box): void {
    const { refusals, course } = afterRefusal(box.refusals)
    box.refusals = refusals
    if (course.kind !== 'pause') return
    alarms.paused(box, course.reason)
    void inStep.pause(box, course.reason).catch(() => {})
  }

  function everySecond(): void {
    timers.after(LOOK_MS, () => {
      void keepUp().finally(everySecond)
    })
  }

  async function keepUp(): Promise<void> {
    try {
      const holdsAny = held > 0 || turns.underWay() > 0 || settling.size > 0 || parts.holdsMore()
      if (holdsAny) lease.renewed(await spool.renew())
      await inStep.lookAgain()
      if (byId.size > 0) await watchQuotas(parts)
    } catch (error) {
      // Stopping waits for what is sent, not for this, under which the store may be closed.
      if (!timers.stopped()) alarms.storeAway(error)
    }
  }

  function everyMinute(): void {
    timers.after(SWEEP_MS, () => {
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
          // What was given up and stored after all is relied on by now, and nobody here was told of it.
          else if (stored?.kind === 'duplicate' && box.isEmpty) {
            void inStep
              .filled([mailbox])
              .catch(() => {})
              .finally(() => forget(box))
          } else forget(box)
          turns.pump(box.lane)
        }
      }
    },

    settleHeld(address, row, judgement) {
      const written = settleFirst(address, row, judgement).finally(() => settling.delete(written))
      settling.add(written)
      return written
    },
    taken(address) {
      const box = boxIfKnown(address)
      if (box === undefined) return
      box.refusals = 0
      forget(box)
    },

    watch: (region) => turns.watch(region),
    look: () => turns.look(),

    async start() {
      await inStep.lookAtAll()
      everySecond()
      everyMinute()
    },

    async filling(addresses, work) {
      const filling = addresses.map(boxAt)
      for (const box of filling) box.appending += 1
      try {
        return await work()
      } finally {
        await inStep.lookInto(addresses)
        for (const box of filling) {
          box.appending -= 1
          forget(box)
        }
      }
    },
    lookInto: (addresses) => inStep.lookInto(addresses),
    // Where the store is away, that is told each second.
    lookAtAll: () => inStep.lookAtAll().catch(() => {}),

    claims: () => lease.claims(),
    written: (askedAt) => lease.renewed(askedAt + LEASE_MS),

    async stop() {
      timers.stop()
      while (turns.underWay() > 0 || settling.size > 0) await Promise.all([turns.ended(), ...settling])
    },
  }
}
