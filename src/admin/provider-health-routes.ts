import { z } from 'zod'
import type { InstallationKey } from '../directory/directory.ts'
import type { Provider } from '../provider.ts'
import type { ProviderHealth } from '../telemetry/provider-health.ts'
import { keyText } from '../telemetry/webhook-record.ts'
import { isoTime, pageOf } from './fields.ts'
import { route, type Route } from './route.ts'

export interface ProviderHealthRoutesParts {
  readonly providers: () => readonly Pick<Provider, 'name' | 'limits'>[]
  readonly health: Pick<ProviderHealth, 'read'>
}

const providerHealthOut = z.object({
  provider: z.string(),
  since: isoTime.describe('From when on it is counted: an hour ago, or since this gateway started.'),
  window_ms: z.int(),
  answered: z
    .int()
    .describe('Events that were proven to come from the provider, those that were refused as malformed too.'),
  not_ok: z.int().describe('Those of them that it takes for failed: without a 2xx, or answered too late.'),
  share_not_ok: z.number().describe('0 where there was none.'),
  limit_share: z.number().nullable().describe('Beyond this share the provider stops sending; null: it does not.'),
  limit_says: z.string().describe('The provider’s rules in words.'),
  unproven: z
    .int()
    .describe('Webhooks that nobody proved to have sent; where nearly all are, a secret or the clock is wrong.'),
  busiest: z
    .array(z.object({ installation: z.string(), app_id: z.string().nullable(), deliveries: z.int() }))
    .describe(
      'At most ten, the busiest first. A count may be too low by a 2,000th of all, and by the oldest 5 minutes.',
    ),
  deliveries_limit: z
    .int()
    .nullable()
    .describe('Of an installation within the window; beyond it the provider leaves events out. Null: it does not.'),
  rate_limited_seen: z.int().describe('How often the provider said so in the window.'),
  rate_limited_last_at: isoTime.nullable().describe('Since this gateway started; null: never.'),
})

export type ProviderHealthOut = z.output<typeof providerHealthOut>

/** How near the gateway is to where a provider steps in. */
export function providerHealthRoutes({ providers, health }: ProviderHealthRoutesParts): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/provider-health',
      summary: 'The events of the last hour against the lines at which their provider steps in; of this gateway alone',
      writes: false,
      responses: { 200: { description: 'Every provider there is', body: pageOf(providerHealthOut) } },
      handle: () => ({
        status: 200,
        body: { items: providers().map((provider) => described(provider, health)), next_cursor: null },
      }),
    }),
  ]
}

function described(
  { name, limits }: Pick<Provider, 'name' | 'limits'>,
  health: Pick<ProviderHealth, 'read'>,
): ProviderHealthOut {
  const { since, windowMs, answered, notOk, unproven, busiest, throttled, throttledAt } = health.read(name)
  return {
    provider: name,
    since: new Date(since).toISOString(),
    window_ms: windowMs,
    answered,
    not_ok: notOk,
    share_not_ok: answered === 0 ? 0 : notOk / answered,
    limit_share: limits?.failedShare ?? null,
    limit_says: limits?.says ?? '',
    unproven,
    busiest: busiest.map(({ installation, deliveries }) => ({ ...named(installation), deliveries })),
    deliveries_limit: limits?.deliveriesPerHour ?? null,
    rate_limited_seen: throttled,
    rate_limited_last_at: throttledAt === undefined ? null : new Date(throttledAt).toISOString(),
  }
}

/** As records name it. */
function named(key: InstallationKey): { installation: string; app_id: string | null } {
  if (key.by === 'id') return { installation: keyText(key), app_id: null }
  return { installation: key.externalId, app_id: key.appId || null }
}
