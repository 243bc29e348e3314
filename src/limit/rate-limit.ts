import type { Clock } from '../clock.ts'
import type { Integration } from '../directory/directory.ts'
import type { Counters } from '../telemetry/counters.ts'
import { createOwnCounts, type Counts } from './counts.ts'

/** How many webhooks an integration may send within a minute. */
export interface RateLimit {
  /** Counts one more of this integration's, if there is room for it. Never rejects. */
  take(integration: Pick<Integration, 'provider' | 'id'>, surface: string): Promise<Taken>
}

export type Taken =
  | { readonly kind: 'ok' }
  /** Whole seconds until there is room again, at least one. */
  | { readonly kind: 'over'; readonly retryAfterS: number }

/**
 * `perMinute` is asked each time; undefined: there is no limit. `counts` are those of the fleet; without them, or while
 * they cannot be asked, this process counts what comes to it.
 */
export function createRateLimit({
  perMinute,
  clock,
  counters,
  counts,
}: {
  perMinute: () => number | undefined
  clock: Clock
  counters: Counters
  counts?: Counts | undefined
}): RateLimit {
  const own = createOwnCounts(clock)
  return {
    async take({ provider, id }, surface) {
      const limit = perMinute()
      if (limit === undefined) return { kind: 'ok' }
      const key = `${provider}:${id}`
      const waitMs = (await counts?.take(key, limit).catch(() => undefined)) ?? (await own.take(key, limit))
      if (waitMs === 0) return { kind: 'ok' }
      counters.count('rate_limited_total', { surface })
      return { kind: 'over', retryAfterS: Math.max(1, Math.ceil(waitMs / 1000)) }
    },
  }
}
