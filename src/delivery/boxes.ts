import { regionOf, type Claim, type MailboxAddress, type Progress, type Settlement } from '../spool/spool.ts'

/** Mailboxes of organizations that are held share a lane: all they do is ask the directory, and move what was released. */
export const HELD_LANE = '@'

/** A mailbox as this process knows it. */
export interface Box {
  readonly address: MailboxAddress
  readonly key: string
  readonly lane: LaneState
  /** Unknown until its first row is stored. */
  id: number | undefined
  isEmpty: boolean
  paused: string | undefined
  /** Rows on their way to the store. */
  appending: number
  /** Counts what has been stored, so that an older look into the mailbox cannot call it empty. */
  stored: number
  refusals: number
  /** When it was last paused here, as `changes` counts. */
  changed: number
  state:
    | { readonly kind: 'idle' }
    | { readonly kind: 'ready' }
    | { readonly kind: 'running' }
    | { readonly kind: 'resting'; readonly why: Rest; readonly wake: () => void }
  /**
   * The head as it last failed here, or was found to have failed elsewhere; on the monotonic clock: waits are not
   * measured on a clock that can be set.
   */
  head: Head | undefined
  /** An attempt that has ended but could not be written down. */
  unsettled: { readonly claim: Claim; readonly settlement: Settlement } | undefined
}

export interface Head {
  readonly row: number
  /** As many as were known of: where there have been more, somebody else has tried it since. */
  readonly attempts: number
  /** Since when regions that can be reached have failed on it, as far as is known here; undefined: they have not. */
  readonly failingSince: number | undefined
  /** What else than time may end the wait. */
  readonly why: 'region' | 'connection'
  readonly dueAt: number
  /** Until then the region has asked to be left alone: nothing ends the wait before. */
  readonly askedUntil: number
  /** It has failed here as well: what was in its way is known to this process, which hears when that is over. */
  readonly isTried: boolean
  /** What was waited for is over, whenever it is due. */
  readonly isWoken?: boolean
}

/** `now` is the monotonic clock. */
export function headOf(
  row: number,
  { attempts, answeredFailures, failingMs }: Pick<Progress, 'attempts' | 'answeredFailures' | 'failingMs'>,
  wait: Pick<Head, 'why' | 'isTried'> & { readonly now: number; readonly waitMs: number; readonly askedMs: number },
): Head {
  const { now, waitMs, askedMs, why, isTried } = wait
  const failingSince = answeredFailures > 0 ? now - failingMs : undefined
  return { row, attempts, failingSince, why, dueAt: now + waitMs, askedUntil: now + askedMs, isTried }
}

/** For what and how long a head is still to be left alone; undefined: it is due. */
export function restOf({ why, dueAt, askedUntil, isWoken }: Head, now: number): HeadRest | undefined {
  if (askedUntil > now) return { why: 'asked', ms: askedUntil - now }
  return isWoken === true || dueAt <= now ? undefined : { why, ms: dueAt - now }
}

export interface HeadRest {
  readonly why: 'region' | 'connection' | 'asked'
  readonly ms: number
}

/**
 * `region`: wakes when the region is well again. `connection`: as well when anybody gets through to it. `asked`: for as
 * long as the region has asked for, well or not. `held`: wakes when the first attempt ends. `released`: until the
 * organization may have been. `store`: nobody knows when.
 */
export type Rest = HeadRest['why'] | 'held' | 'released' | 'store'

/** The mailboxes that share a region's slots. */
export interface LaneState {
  readonly region: string
  readonly boxes: Set<Box>
  /** In the order in which their turn comes. */
  readonly ready: Set<Box>
  running: number
  /** How often it has been well again: whoever goes to rest for it while that happens has missed it. */
  recoveries: number
  /** How often somebody has got through who had not: the same of whoever goes to rest for a connection. */
  hiccups: number
  /** Grows with each success: a region that has just come back is not met with everything at once. */
  ramp: number
}

export type Boxes = ReturnType<typeof createBoxes>

/** What is known of the mailboxes: only those that something is to be known of, by address and by id, in their lanes. */
export function createBoxes() {
  const byKey = new Map<string, Box>()
  const byId = new Map<number, Box>()
  const lanes = new Map<string, LaneState>()

  function laneOf(region: string): LaneState {
    const known = lanes.get(region)
    if (known !== undefined) return known
    const lane: LaneState = {
      region,
      boxes: new Set(),
      ready: new Set(),
      running: 0,
      recoveries: 0,
      hiccups: 0,
      ramp: 1,
    }
    lanes.set(region, lane)
    return lane
  }

  function boxAt(address: MailboxAddress): Box {
    const key = keyOf(address)
    const known = byKey.get(key)
    if (known !== undefined) return known
    const lane = laneOf(laneNameOf(address))
    const box: Box = {
      address,
      key,
      lane,
      id: undefined,
      isEmpty: true,
      paused: undefined,
      appending: 0,
      stored: 0,
      refusals: 0,
      changed: 0,
      state: { kind: 'idle' },
      head: undefined,
      unsettled: undefined,
    }
    byKey.set(key, box)
    lane.boxes.add(box)
    return box
  }

  /** A mailbox of which there is nothing to know takes no memory. */
  function forget(box: Box): void {
    const isNew = box.isEmpty && box.paused === undefined && box.appending === 0 && box.refusals === 0
    if (!isNew || box.unsettled !== undefined || box.state.kind !== 'idle') return
    byKey.delete(box.key)
    box.lane.boxes.delete(box)
    if (box.id !== undefined) byId.delete(box.id)
  }

  function identify(box: Box, id: number): void {
    box.id = id
    byId.set(id, box)
  }

  return {
    byId: byId as ReadonlyMap<number, Box>,
    lanes: lanes as ReadonlyMap<string, LaneState>,
    laneOf,
    boxAt,
    boxIfKnown: (address: MailboxAddress): Box | undefined => byKey.get(keyOf(address)),
    forget,
    identify,
  }
}

function laneNameOf(address: MailboxAddress): string {
  return address.kind === 'held' ? HELD_LANE : regionOf(address)
}

/** The same for the same address, and for no other. */
export function keyOf(address: MailboxAddress): string {
  return address.kind === 'unresolved'
    ? JSON.stringify([address.provider, address.installation])
    : JSON.stringify([address.provider, address.integration, regionOf(address)])
}
