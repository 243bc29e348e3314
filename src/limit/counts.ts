import type { Clock } from '../clock.ts'

/** Seconds that are counted together. */
const WINDOW_S = 60
/** Keys that are counted at a time; the one that came longest ago makes room, and begins anew. */
const MAX_KEYS = 100_000

/** How many came within the last minute, by key. */
export interface Counts {
  /**
   * Counts one more, unless that would be more than `limit` within a minute: 0, or the milliseconds until there is room
   * for it, never more than a minute. Rejects where that cannot be asked now.
   */
  take(key: string, limit: number): Promise<number>
}

/** What came in one second of the clock. */
interface Second {
  readonly at: number
  count: number
}

/**
 * A window that slides by the second: a minute never sees more than the limit, and how long to wait is known to the
 * second. A bucket that fills up would need one number instead of sixty, but lets twice the limit through in a key's
 * first minute; so do two buckets of a minute each, after a quiet one. What was refused is not counted, so that waiting
 * always helps.
 */
export function createOwnCounts(clock: Clock): Counts {
  const windows = new Map<string, Second[]>()
  return {
    take(key, limit) {
      const now = clock.monotonic()
      const at = Math.floor(now / 1000)
      const seconds = (windows.get(key) ?? []).filter((second) => second.at > at - WINDOW_S)
      const waitMs = waitFor(seconds, limit, now)
      const last = seconds.at(-1)
      if (waitMs === 0 && last?.at === at) last.count += 1
      else if (waitMs === 0) seconds.push({ at, count: 1 })

      // Put at the end: the first is the one that came longest ago.
      windows.delete(key)
      const [longestAgo] = windows.keys()
      if (windows.size >= MAX_KEYS && longestAgo !== undefined) windows.delete(longestAgo)
      windows.set(key, seconds)
      return Promise.resolve(waitMs)
    },
  }
}

/** Until so many of the oldest seconds have left the window that one more has room. */
function waitFor(seconds: readonly Second[], limit: number, now: number): number {
  let tooMany = seconds.reduce((sum, { count }) => sum + count, 1 - limit)
  if (tooMany <= 0) return 0
  const leaving = seconds.find(({ count }) => (tooMany -= count) <= 0)
  return ((leaving?.at ?? Math.floor(now / 1000)) + WINDOW_S) * 1000 - now
}
