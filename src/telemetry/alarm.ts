import type { Clock } from '../clock.ts'
import type { Log } from './log.ts'

/** Log lines about what every webhook may run into: somebody should look, and once is enough. */
export interface Alarms {
  /**
   * Logs at most once in 10 s for each key; the line's `leftOut` says how many like it were not logged before it. What
   * is to be counted goes to a counter.
   */
  raise(level: 'warn' | 'error', key: string, fields: Record<string, unknown>, message: string): void
}

const INTERVAL_MS = 10_000
/** Keys hold what callers name, so there may be any number of them; the one that spoke longest ago makes room. */
const MAX_KEYS = 1000

export function createAlarms({ clock, log }: { readonly clock: Clock; readonly log: Log }): Alarms {
  // In the order in which they last spoke.
  const raised = new Map<string, { readonly silentUntil: number; leftOut: number }>()
  return {
    raise(level, key, fields, message) {
      const now = clock.monotonic()
      const last = raised.get(key)
      if (last !== undefined && now < last.silentUntil) {
        last.leftOut++
        return
      }
      raised.delete(key)
      const [longestAgo] = raised.keys()
      if (raised.size >= MAX_KEYS && longestAgo !== undefined) raised.delete(longestAgo)
      raised.set(key, { silentUntil: now + INTERVAL_MS, leftOut: 0 })
      log[level]({ ...fields, leftOut: last?.leftOut ?? 0 }, message)
    },
  }
}
