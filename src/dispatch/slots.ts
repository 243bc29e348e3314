/**
 * A region's slots: at most `maxConcurrency` calls at once, at most `maxQueue` waiting behind them in order of
 * arrival. A waiter can leave at any time, and then neither holds a place in the queue nor keeps others out: with a
 * region that hangs, every waiter leaves when its webhook's budget ends.
 */
export interface Slots {
  /**
   * Calls `onTurn` when a slot is free: before this returns if one is free now. Every turn must be given back with
   * `release`. Answers `queue_full`, or a function that gives up the place in the queue (nothing once the turn came).
   */
  take(onTurn: () => void): 'queue_full' | (() => void)
  release(): void
  readonly inFlight: number
  readonly queued: number
}

export function createSlots({ maxConcurrency, maxQueue }: { maxConcurrency: number; maxQueue: number }): Slots {
  let inFlight = 0
  // A Set keeps insertion order and forgets a waiter in constant time, wherever it stands.
  const waiting = new Set<{ onTurn: () => void }>()

  return {
    take(onTurn) {
      if (inFlight < maxConcurrency) {
        inFlight += 1
        onTurn()
        return nothingToGiveUp
      }
      if (waiting.size >= maxQueue) return 'queue_full'
      const waiter = { onTurn }
      waiting.add(waiter)
      return () => waiting.delete(waiter)
    },
    release() {
      const next = waiting.values().next()
      if (next.done) {
        inFlight -= 1
        return
      }
      // The slot passes straight to the next in line: a newcomer cannot slip in between.
      waiting.delete(next.value)
      next.value.onTurn()
    },
    get inFlight() {
      return inFlight
    },
    get queued() {
      return waiting.size
    },
  }
}

const nothingToGiveUp = (): void => {}
