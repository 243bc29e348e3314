import { z } from 'zod'
import type { RegionClient } from '../dispatch/region-client.ts'
import type { Topology } from '../regions/regions.ts'
import type { RegionTotals } from '../spool/spool.ts'
import { overrideOf } from '../steering/region-overrides.ts'
import type { Steering } from '../steering/steering.ts'
import type { AskTotals } from '../telemetry/totals-in-time.ts'
import { isoTime } from './fields.ts'

export interface RegionsNowParts {
  readonly steering: Pick<Steering, 'regions'>
  /** As `regions.yaml` has it, and with the states in effect. */
  readonly file: () => Topology
  readonly topology: () => Topology
  readonly client: (name: string) => RegionClient | undefined
  readonly totals: AskTotals
}

const state = z.enum(['active', 'draining', 'down'])

export const regionOut = z.object({
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

/** The regions in the order of `regions.yaml`, and behind them what the fleet was told of others. */
export function regionNames({ file, steering }: Pick<RegionsNowParts, 'file' | 'steering'>): string[] {
  const inFile = file().regions.map(({ name }) => name)
  const others = Object.keys(steering.regions()).filter((name) => !inFile.includes(name))
  return [...inFile, ...others.toSorted()]
}

/** What is known of each of them. Never rejects: what is in memory is worth most when the database is away. */
export async function describeRegions(
  names: readonly string[],
  { steering, file, topology, client, totals: ask }: RegionsNowParts,
): Promise<RegionNow[]> {
  const totals = await ask()
  return names.map((name) => {
    const effective = topology().byName.get(name)
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

function backlogOf(totals: RegionTotals | undefined) {
  const { depth, bytes, oldestAt, paused } = totals ?? { depth: 0, bytes: 0, oldestAt: undefined, paused: 0 }
  return { depth, bytes, oldest_at: oldestAt === undefined ? null : new Date(oldestAt).toISOString(), paused }
}

const tenths = (ms: number): number => Math.round(ms * 10) / 10
