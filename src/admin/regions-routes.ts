import { z } from 'zod'
import type { Mailboxes, RegionTotals } from '../delivery/spool.ts'
import type { RegionClient } from '../dispatch/region-client.ts'
import { Refusal } from '../errors.ts'
import type { Region, Topology } from '../regions/regions.ts'
import { overrideOf, type RegionOverride } from '../steering/region-overrides.ts'
import type { Steering } from '../steering/steering.ts'
import { isoTime, pageOf } from './fields.ts'
import { fromStore } from './from-store.ts'
import { route, type Route } from './route.ts'

export interface RegionsRoutesParts {
  readonly steering: Pick<Steering, 'regions' | 'steerRegion'>
  /** As `regions.yaml` has it, and with the states in effect. */
  readonly file: () => Topology
  readonly topology: () => Topology
  readonly client: (name: string) => RegionClient | undefined
  readonly spool: Pick<Mailboxes, 'totals'>
}

const state = z.enum(['active', 'draining', 'down'])

const regionOut = z.object({
  name: z.string(),
  category: z.enum(['multi_tenant', 'single_tenant']).nullable(),
  address: z.string().nullable(),
  state: state.describe('What is in effect. What regions.yaml does not know counts as down.'),
  file_state: state.nullable().describe('As regions.yaml has it; null: it does not know the region.'),
  override: z.enum(['draining', 'down']).nullable().describe('What the fleet was told, until resume.'),
  breaker: z.enum(['closed', 'open', 'half_open']).nullable().describe("This gateway's own, as what follows."),
  in_flight: z.int(),
  queued: z.int(),
  latency: z
    .object({
      p50_ms: z.number(),
      p99_ms: z.number(),
      of: z.int().describe('Of how many answers.'),
    })
    .nullable()
    .describe('Of the last answers, from when a call had its slot; null: there are none yet.'),
  mailboxes: z
    .object({
      depth: z.int().describe('Deliveries that wait.'),
      bytes: z.int(),
      oldest_at: isoTime.nullable().describe('Since when the first of any mailbox has been waiting.'),
      paused: z.int().describe('Mailboxes that are paused.'),
    })
    .nullable()
    .describe('What waits for it, in the whole fleet; null: the database cannot be asked.'),
})

/** A region as it is told. */
export type RegionNow = z.output<typeof regionOut>

const acts = [
  { path: '/api/regions/{name}/drain', summary: 'Sends a region nothing but what waits for it', to: 'draining' },
  { path: '/api/regions/{name}/down', summary: 'Sends a region nothing: what comes for it waits', to: 'down' },
  { path: '/api/regions/{name}/resume', summary: 'Gives a region back the state of regions.yaml', to: undefined },
] as const satisfies readonly { path: string; summary: string; to: RegionOverride | undefined }[]

/** The regions as they are now, and what the whole fleet is told of them: over `regions.yaml`, until it is taken back. */
export function regionsRoutes({ steering, file, topology, client, spool }: RegionsRoutesParts): Route[] {
  const known = (name: string): boolean => file().byName.has(name) || overrideOf(name, steering.regions()) !== undefined

  async function describe(names: readonly string[]): Promise<z.input<typeof regionOut>[]> {
    // What is in memory is worth most when the database is away.
    const totals = await spool.totals().catch(() => undefined)
    return names.map((name) => {
      const effective: Region | undefined = topology().byName.get(name)
      const to = client(name)
      const latency = to?.latency()
      return {
        name,
        category: effective?.category ?? null,
        address: effective?.address.href ?? null,
        state: effective?.state ?? 'down',
        file_state: file().byName.get(name)?.state ?? null,
        override: overrideOf(name, steering.regions()) ?? null,
        breaker: to?.breaker.state ?? null,
        in_flight: to?.inFlight ?? 0,
        queued: to?.queued ?? 0,
        latency:
          latency === undefined ? null : { p50_ms: tenths(latency.p50), p99_ms: tenths(latency.p99), of: latency.of },
        mailboxes: totals === undefined ? null : backlogOf(totals.get(name)),
      }
    })
  }

  return [
    route({
      method: 'get',
      path: '/api/regions',
      summary: 'The regions in the order of regions.yaml, and behind them what the fleet was told of others',
      writes: false,
      responses: { 200: { description: 'Every region there is', body: pageOf(regionOut) } },
      async handle() {
        const inFile = file().regions.map(({ name }) => name)
        const others = Object.keys(steering.regions()).filter((name) => !inFile.includes(name))
        return { status: 200, body: { items: await describe([...inFile, ...others.toSorted()]), next_cursor: null } }
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
          const [body] = await describe([name])
          if (body === undefined) throw new Refusal('not_found', 'regions.yaml names no such region.')
          return { status: 200, body }
        },
      }),
    ),
  ]
}

function backlogOf(totals: RegionTotals | undefined) {
  const { depth, bytes, oldestAt, paused } = totals ?? { depth: 0, bytes: 0, oldestAt: undefined, paused: 0 }
  return { depth, bytes, oldest_at: oldestAt === undefined ? null : new Date(oldestAt).toISOString(), paused }
}

const tenths = (ms: number): number => Math.round(ms * 10) / 10
