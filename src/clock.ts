/**
 * Where all time comes from. Deadlines and waits are measured on the monotonic clock, so that a step of the wall
 * clock neither shortens nor stretches a budget; the wall clock is only for what others compare with theirs.
 */
export interface Clock {
  /** Unix time in milliseconds. */
  now(): number
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number
  /** Runs `then` once, `ms` milliseconds from now; the returned function cancels it. */
  after(ms: number, then: () => void): () => void
}

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms)
    return () => clearTimeout(timer)
  },
}
