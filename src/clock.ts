/**
 * Where all time comes from. Deadlines and waits are measured on the monotonic clock, so that a step of the wall
 * clock neither shortens nor stretches a budget; the wall clock is only for what others compare with theirs.
 */
export interface Clock {
  /** Unix time in milliseconds. */
  now(): number
  /** Milliseconds since the machine started, the same for all its processes; never goes back. */
  monotonic(): number
  /** Runs `then` once, `ms` milliseconds from now; the returned function cancels it. */
  after(ms: number, then: () => void): () => void
}

/** Of the machine's clock when `performance.now` was 0: that one is as steady, and tells the time without an array. */
const processStartedAt = Number(process.hrtime.bigint()) / 1e6 - performance.now()

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => processStartedAt + performance.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms)
    return () => clearTimeout(timer)
  },
}
