/** Who goes first: somebody who waits for an answer, then the new, then what has been waiting in a mailbox anyway. */
export type Priority = 'interactive' | 'event' | 'mailbox'

/**
 * A region's slots: at most `maxConcurrency` calls at once, and at most `maxQueue` waiting behind them. A free slot
 * goes to the highest priority, and there to the one that waits longest. Mailboxes hold a quarter of the slots at most
 * (one at least), and one that waits behind its quarter keeps a free slot from nobody. A waiter can leave at any time,
 * and then neither holds a place in the queue nor keeps others out: with a region that hangs, every waiter leaves when
 * its webhook's budget ends.
 */
export interface Slots {
  /**
   * Calls `onTurn` when there is a slot for it, which may be before this returns. Every turn must be given back with
   * `release`. Answers `queue_full`, or a function that gives up the place in the queue (nothing once the turn came).
   * Where the queue is full of lower priorities, the newest of the lowest is sent away: `onSentAway` instead of a turn.
   */
  take(waiter: Waiter): 'queue_full' | (() => void)
  release(priority: Priority): void
  readonly inFlight: number
  readonly queued: number
}

export interface Waiter {
  readonly priority: Priority
  readonly onTurn: () => void
  readonly onSentAway: () => void
}

/** How many of a region's slots its mailboxes may hold. */
export function mailboxSlots(maxConcurrency: number): number {
  return Math.max(1, Math.floor(maxConcurrency / 4))
}

export function createSlots({ maxConcurrency, maxQueue }: { maxConcurrency: number; maxQueue: number }): Slots {
  const maxMailboxes = mailboxSlots(maxConcurrency)
  const lines = { interactive: createLine(), event: createLine(), mailbox: createLine() }
  let inFlight = 0
  let mailboxesInFlight = 0
  let handingOut = false

  const queued = (): number => lines.interactive.size + lines.event.size + lines.mailbox.size
  const slotFor = (priority: Priority): boolean =>
    inFlight < maxConcurrency && (priority !== 'mailbox' || mailboxesInFlight < maxMailboxes)
  const nextWaiter = (): Waiter | undefined => {
    const priority = highestFirst.find((one) => lines[one].size > 0 && slotFor(one))
    return priority && lines[priority].takeFirst()
  }
  const makeRoom = (newcomer: Priority): boolean => {
    const lower = highestFirst.slice(highestFirst.indexOf(newcomer) + 1)
    const line = lower.map((priority) => lines[priority]).findLast(({ size }) => size > 0)
    line?.takeLast()?.onSentAway()
    return line !== undefined
  }
  const handOut = (): void => {
    // A turn may be given back before `onTurn` returns. Were it handed on from in there, a whole queue whose turns all
    // end so would stand on the stack at once.
    if (handingOut) return
    handingOut = true
    try {
      for (let next = nextWaiter(); next !== undefined; next = nextWaiter()) {
        inFlight += 1
        if (next.priority === 'mailbox') mailboxesInFlight += 1
        next.onTurn()
      }
    } finally {
      handingOut = false
    }
  }

  return {
    take(waiter) {
      const { priority } = waiter
      if (!slotFor(priority) && queued() >= maxQueue && !makeRoom(priority)) return 'queue_full'
      const leave = lines[priority].join(waiter)
      handOut()
      return leave
    },
    release(priority) {
      inFlight -= 1
      if (priority === 'mailbox') mailboxesInFlight -= 1
      handOut()
    },
    get inFlight() {
      return inFlight
    },
    get queued() {
      return queued()
    },
  }
}

const highestFirst = ['interactive', 'event', 'mailbox'] as const

interface Place {
  readonly waiter: Waiter
  left: boolean
  before: Place | undefined
  behind: Place | undefined
}

/** Waiters in order of arrival. Linked, so that who leaves from the middle or the end costs no more than the first. */
function createLine() {
  let first: Place | undefined
  let last: Place | undefined
  let size = 0

  const leave = (place: Place): Waiter | undefined => {
    if (place.left) return undefined
    place.left = true
    size -= 1
    if (place.before === undefined) first = place.behind
    else place.before.behind = place.behind
    if (place.behind === undefined) last = place.before
    else place.behind.before = place.before
    // One that has grown old would keep all that came behind it (see `short-lived-map.ts`).
    place.before = place.behind = undefined
    return place.waiter
  }

  return {
    join(waiter: Waiter): () => void {
      const place: Place = { waiter, left: false, before: last, behind: undefined }
      if (last === undefined) first = place
      else last.behind = place
      last = place
      size += 1
      return () => void leave(place)
    },
    takeFirst: () => first && leave(first),
    takeLast: () => last && leave(last),
    get size() {
      return size
    },
  }
}
