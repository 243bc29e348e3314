import { z } from 'zod'
import { Refusal } from '../errors.ts'
import { overrideOf, type RegionOverride } from '../steering/region-overrides.ts'
import type { Steering } from '../steering/steering.ts'
import { pageOf } from './fields.ts'
import { fromStore } from './from-store.ts'
import { describeRegions, regionNames, regionOut, type RegionsNowParts } from './regions-now.ts'
import { route, type Route } from './route.ts'

export interface RegionsRoutesParts extends RegionsNowParts {
  readonly steering: Pick<Steering, 'regions' | 'steerRegion'>
}

const acts = [
  { path: '/api/regions/{name}/drain', summary: 'Sends a region nothing but what waits for it', to: 'draining' },
  { path: '/api/regions/{name}/down', summary: 'Sends a region nothing: what comes for it waits', to: 'down' },
  { path: '/api/regions/{name}/resume', summary: 'Gives a region back the state of regions.yaml', to: undefined },
] as const satisfies readonly { path: string; summary: string; to: RegionOverride | undefined }[]

/** The regions as they are now, and what the whole fleet is told of them: over `regions.yaml`, until it is taken back. */
export function regionsRoutes(parts: RegionsRoutesParts): Route[] {
  const { steering, file } = parts
  const known = (name: string): boolean => file().byName.has(name) || overrideOf(name, steering.regions()) !== undefined

  return [
    route({
      method: 'get',
      path: '/api/regions',
      summary: 'The regions in the order of regions.yaml, and behind them what the fleet was told of others',
      writes: false,
      responses: { 200: { description: 'Every region there is', body: pageOf(regionOut) } },
      async handle() {
        const items = await describeRegions(regionNames(parts), parts)
        return { status: 200, body: { items, next_cursor: null } }
      },
    }),
    ...acts.map(({ path, summary, to }) =>
      route({
        method: 'post',
        path,
        summary,
        writes: true,
        params: z.strictObject({ name: z.string() }),
        responses: { 200: { description: 'The region as it is now', body: regionOut } },
        problems: ['not_found'],
        async handle({ params: { name }, author }) {
          if (!known(name)) throw new Refusal('not_found', 'regions.yaml names no such region.')
          await fromStore(steering.steerRegion(name, to, author))
          const [body] = await describeRegions([name], parts)
          if (body === undefined) throw new Refusal('not_found', 'regions.yaml names no such region.')
          return { status: 200, body }
        },
      }),
    ),
  ]
}
