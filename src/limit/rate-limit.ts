import type { Clock } from '../clock.ts'
import type { Integration } from '../directory/directory.ts'
import type { Counters } from '../telemetry/counters.ts'
import { createOwnCounts, type Counts } from './counts.ts'

/** How many webhooks an integration may send within a minute. */
export interface RateLimit {
  /** Counts one more of this integration's, if there is room for it; at once where there is no limit. Never rejects. */
  take(integration: Pick<Integration, 'provider' | 'id'>, surface: string): Taken | Promise<Taken>
}

export type Taken =
  | { readonly kind: 'ok' }
  /** Whole seconds until there is room again, at least one. */
  | { readonly kind: 'over'; readonly retryAfterS: number }

const ok: Taken = { kind: 'ok' }

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

  async function takeOf(limit: number, key: string, surface: string): Promise<Taken> {
    const waitMs = (await counts?.take(key, limit).catch(() => undefined)) ?? (await own.take(key, limit))
    if (waitMs === 0) return ok
    counters.count('rate_limited_total', { surface })
    return { kind: 'over', retryAfterS: Math.max(1, Math.ceil(waitMs / 1000)) }
  }

  return {
    take({ provider, id }, surface) {
      const limit = perMinute()
      return limit === undefined ? ok : takeOf(limit, `${provider}:${id}`, surface)
    },
  }
}
