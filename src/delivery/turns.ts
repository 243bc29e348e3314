import type { RegionWatch } from '../dispatch/region-client.ts'
import { HELD_LANE, type Box, type Boxes, type LaneState, type Rest } from './boxes.ts'
import type { Timers } from './timers.ts'

/** How long a mailbox rests when the store could not be asked, or another instance works on it. */
export const ASK_AGAIN_MS = 1000
/** Mailboxes whose home is still to be found ask the directory, which bounds itself; this bounds what waits for it. */
const UNRESOLVED_AT_ONCE = 4
/** Of a region that nothing is sent to: they only look whether it is still the right one. */
const UNSENT_AT_ONCE = 2
/** Those of organizations that are held ask the directory as well. */
const HELD_AT_ONCE = 4

/** What the mailboxes have to know of a region to be easy on it. */
export interface Lane {
  /** Deferred calls it may have in flight. */
  readonly atMost: number
  readonly breaker: 'closed' | 'open' | 'half_open'
}

/** How a mailbox's turn has ended. `more`: others have waited long enough. */
export type TurnEnd =
  | { readonly kind: 'more' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'paused' }
  | { readonly kind: 'rest'; readonly why: Rest; readonly ms: number }

export interface TurnsParts {
  readonly boxes: Boxes
  readonly timers: Timers
  /** Undefined where nothing is sent: the region is down, or nobody knows it. */
  readonly lane: (region: string) => Lane | undefined
  /** What is done in a turn. Where it rejects, nothing was settled. */
  readonly takeTurn: (box: Box) => Promise<TurnEnd>
  /** Told where it did. */
  readonly onFault: (box: Box, error: unknown) => void
}

/**
 * Whose turn it is: the mailboxes of a region one after the other, as many at once as is good for it, and those that
 * rest not before their time, unless what they rest for is over.
 */
export interface Turns {
  /** Has something to do, behind those that had before. Begins with the next `pump`. */
  makeReady(box: Box): void
  /** Has nothing to do any more; a turn that is under way finds out itself. */
  leaveOut(box: Box): void
  rest(box: Box, why: Rest, ms: number): void
  /** Begins the turns that there is room for. */
  pump(lane: LaneState): void
  /** An attempt has succeeded, or has failed: how many there are room for grows, or shrinks. */
  goesWell(lane: LaneState): void
  goesBadly(lane: LaneState): void
  /** For a region's client. */
  watch(region: string): RegionWatch
  /** The states of regions may have changed: what waited for one that was down may be sent, or the other way round. */
  look(): void
  underWay(): number
  /** Resolves when those that are under way now have ended. */
  ended(): Promise<unknown>
}

export function createTurns({ boxes, timers, ...parts }: TurnsParts): Turns {
  const { lanes, laneOf, forget } = boxes
  const running = new Set<Promise<void>>()
  /** How often the states of regions may have changed: a turn that has found one down meanwhile has missed it. */
  let looks = 0

  function atMost(lane: LaneState): number {
    if (timers.stopped()) return 0
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
    const { recoveries, hiccups } = box.lane
    const looksBefore = looks
    let end: TurnEnd
    try {
      end = await parts.takeTurn(box)
    } catch (error) {
      // Nothing was settled, so nothing is lost: it is tried again, and again told about.
      parts.onFault(box, error)
      end = { kind: 'rest', why: 'store', ms: ASK_AGAIN_MS }
    }
    box.lane.running -= 1
    const isOver =
      end.kind === 'rest' &&
      ((isForRegion(end.why) && recoveries !== box.lane.recoveries) ||
        (end.why === 'connection' && (hiccups !== box.lane.hiccups || looksBefore !== looks)))
    afterTurn(box, end)
    if (isOver) wakeNow(box)
    pump(box.lane)
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

  function makeReady(box: Box): void {
    if (box.state.kind === 'running') return
    if (box.state.kind === 'resting') box.state.wake()
    box.state = { kind: 'ready' }
    box.lane.ready.add(box)
  }

  function rest(box: Box, why: Rest, ms: number): void {
    if (box.state.kind === 'resting') box.state.wake()
    const cancel = timers.after(ms, () => {
      makeReady(box)
      pump(box.lane)
    })
    box.state = { kind: 'resting', why, wake: cancel }
  }

  /** The wait was for a region that can be reached again: nothing is left of it but what was asked for. */
  function wakeNow(box: Box): void {
    if (box.head !== undefined) box.head = { ...box.head, isWoken: true }
    if (box.state.kind !== 'resting' || box.state.why !== 'asked') makeReady(box)
  }

  return {
    makeReady,
    leaveOut(box) {
      if (box.state.kind !== 'ready') return
      box.lane.ready.delete(box)
      box.state = { kind: 'idle' }
    },
    rest,
    pump,
    goesWell(lane) {
      lane.ramp = Math.min(lane.ramp + 1, parts.lane(lane.region)?.atMost ?? 1)
    },
    goesBadly(lane) {
      lane.ramp = Math.max(1, Math.floor(lane.ramp / 2))
    },

    watch(region) {
      const lane = laneOf(region)
      const waits = (box: Box): boolean => !box.isEmpty && box.paused === undefined
      const waitsFor = (box: Box, what: Rest): boolean =>
        waits(box) && box.state.kind === 'resting' && box.state.why === what
      const waitsForRegion = (box: Box): boolean => waitsFor(box, 'region') || waitsFor(box, 'connection')
      return {
        wantsProbe: () => !timers.stopped() && lane.boxes.values().some(waits),
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
          else lane.hiccups += 1
          // With others under way it was no outage, but a call here and there that failed.
          if (lane.running <= 1) lane.ramp = 1
          for (const box of lane.boxes) {
            const isOver =
              from === 'outage' ? waitsForRegion(box) || waitsFor(box, 'asked') : waitsFor(box, 'connection')
            if (isOver) wakeNow(box)
          }
          pump(lane)
        },
      }
    },

    look() {
      looks += 1
      for (const lane of lanes.values()) {
        for (const box of lane.boxes) {
          if (box.state.kind === 'resting' && box.state.why === 'connection') wakeNow(box)
        }
        pump(lane)
      }
    },

    underWay: () => running.size,
    ended: () => Promise.all(running),
  }
}

function isForRegion(why: Rest): boolean {
  return why === 'region' || why === 'connection' || why === 'asked'
}
