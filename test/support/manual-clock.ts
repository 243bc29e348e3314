import type { Clock } from '../../src/clock.ts'

export interface ManualClock extends Clock {
  /** Moves both clocks on, running what falls due on the way, in order and each at its own time. */
  advance(ms: number): void
  /** How many timers are waiting: one that nobody cancelled shows here. */
  pending(): number
}

/** A clock that stands still until told otherwise. `now` is unix milliseconds; the monotonic clock starts at 0. */
export function createManualClock({ now = 1_700_000_000_000 }: { now?: number } = {}): ManualClock {
  let elapsed = 0
  const timers = new Set<{ due: number; run: () => void }>()
  const firstDueBy = (limit: number) =>
    [...timers].filter((timer) => timer.due <= limit).sort((a, b) => a.due - b.due)[0]

  return {
    now: () => now + elapsed,
    monotonic: () => elapsed,
    after(ms, then) {
      const timer = { due: elapsed + Math.max(0, ms), run: then }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    advance(ms) {
      const end = elapsed + ms
      for (let timer = firstDueBy(end); timer !== undefined; timer = firstDueBy(end)) {
        timers.delete(timer)
        elapsed = timer.due
        timer.run()
      }
      elapsed = end
    },
    pending: () => timers.size,
  }
}
