import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../clock.ts'
import type { Region } from '../regions/regions.ts'
import { createRegionClient, type CallOutcome, type RegionClient, type RegionWatch } from './region-client.ts'

/** The clients of one configuration's regions, by name, and what all of them were made with. */
export interface RegionClients {
  readonly byName: ReadonlyMap<string, RegionClient>
  readonly limits: ClientLimits
}

export interface ClientLimits {
  readonly maxReplyBytes: number
  readonly longestCallMs: number
}

/** How often a client that was replaced is looked at, until its last call has ended. */
const IDLE_LOOK_MS = 100

/** A client for each region: the one of `before` where nothing has changed that it is made of, with all it has learnt. */
export function renewRegionClients(
  regions: readonly Region[],
  before: RegionClients | undefined,
  {
    limits,
    clock,
    watch,
    onAttempt,
  }: {
    limits: ClientLimits
    clock: Clock
    watch: (region: string) => RegionWatch
    /** Told how a call that had a slot ended, and how long after that. */
    onAttempt: (region: string, ms: number, outcome: CallOutcome) => void
  },
): RegionClients {
  const reusable = isDeepStrictEqual(before?.limits, limits) ? before?.byName : undefined
  const byName = new Map(
    regions.map((region) => {
      const running = reusable?.get(region.name)
      const isSame = running !== undefined && isDeepStrictEqual(transportOf(running.region), transportOf(region))
      return [
        region.name,
        isSame
          ? running
          : createRegionClient(region, {
              ...limits,
              clock,
              watch: watch(region.name),
              onAttempt: (ms, outcome) => onAttempt(region.name, ms, outcome),
            }),
      ]
    }),
  )
  return { byName, limits }
}

/** What a region's connections and slots are made of; its state and its key are read anew for each call. */
function transportOf({ address, tls, maxConcurrency, maxQueue, timeoutMs, breaker }: Region) {
  return { address: address.href, tls, maxConcurrency, maxQueue, timeoutMs, breaker }
}

/** Resolves when nothing is in flight nor waits for it. */
export async function whenIdle(client: RegionClient, clock: Clock): Promise<void> {
  while (client.inFlight + client.queued > 0) {
    await new Promise<void>((resolve) => {
      clock.after(IDLE_LOOK_MS, resolve)
    })
  }
}
