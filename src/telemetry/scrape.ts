import type { Clock } from '../clock.ts'
import type { RegionClient } from '../dispatch/region-client.ts'
import type { Topology } from '../regions/regions.ts'
import type { Mailboxes, RegionTotals } from '../spool/spool.ts'
import type { CountersKept } from './counters.ts'
import type { HistogramsKept } from './histograms.ts'
import {
  counters as countersDeclared,
  histograms as histogramsDeclared,
  readings as readingsDeclared,
  namesOf,
  type Described,
  type ReadingName,
} from './metrics.ts'
import { createProcessReadings } from './process-readings.ts'
import { regionLabel } from './region-label.ts'
import { textFormat, type Family, type Sample } from './text-format.ts'
import { totalsInTime } from './totals-in-time.ts'

export interface ScrapeParts {
  readonly clock: Clock
  readonly counters: Pick<CountersKept, 'series'>
  readonly histograms: Pick<HistogramsKept, 'samples'>
  /** The regions with the states that are in effect. */
  readonly topology: () => Topology
  readonly client: (region: string) => Pick<RegionClient, 'inFlight' | 'queued' | 'breaker'> | undefined
  readonly spool: Pick<Mailboxes, 'totals'>
  readonly draining: () => boolean
  readonly underWay: () => number
  readonly lateAnswersOwed: () => number
  readonly cacheEntries: () => number
  readonly version: string
}

export interface Scrape {
  /** Everything that src/telemetry/metrics.ts declares, in Prometheus' text format. Never rejects; within a second. */
  text(): Promise<string>
  stop(): void
}

type Readings = { [Name in ReadingName]?: readonly Sample[] }

/** Tells Prometheus how things are. */
export function createScrape(parts: ScrapeParts): Scrape {
  const { clock, counters, histograms, topology, client, spool } = parts
  const ofProcess = createProcessReadings(clock)
  const askStore = totalsInTime(spool, clock)

  function ofThisProcess(): Readings {
    const read: Readings = {}
    for (const [name, value] of ofProcess.read()) read[name] = single(value)
    return read
  }

  function ofGateway(): Readings {
    return {
      build_info: [{ values: [parts.version, process.versions.node], value: 1 }],
      draining: single(parts.draining() ? 1 : 0),
      webhooks_in_progress: single(parts.underWay()),
      late_answers_owed: single(parts.lateAnswersOwed()),
      directory_cache_entries: single(parts.cacheEntries()),
    }
  }

  function ofRegions(): Readings {
    const { regions } = topology()
    return {
      region_state: regions.flatMap(({ name, state }) => oneOf(['active', 'draining', 'down'], state, name)),
      region_breaker_state: regions.flatMap(({ name }) =>
        oneOf(['closed', 'open', 'half_open'], client(name)?.breaker.state, name),
      ),
      region_in_flight: regions.map(({ name }) => ({ values: [name], value: client(name)?.inFlight ?? 0 })),
      region_slots: regions.map(({ name, maxConcurrency }) => ({ values: [name], value: maxConcurrency })),
      region_queued: regions.map(({ name }) => ({ values: [name], value: client(name)?.queued ?? 0 })),
      region_queue_places: regions.map(({ name, maxQueue }) => ({ values: [name], value: maxQueue })),
      spool_limit_bytes: regions.map(({ name, maxSpoolBytes }) => ({ values: [name], value: maxSpoolBytes })),
    }
  }

  function ofSpool(totals: ReadonlyMap<string, RegionTotals> | undefined): Readings {
    if (totals === undefined) return { spool_up: single(0) }
    const { regions, byName } = topology()
    const sums = new Map(regions.map(({ name }) => [name, nothing]))
    for (const [name, those] of totals) {
      const label = regionLabel(name, (region) => byName.has(region))
      sums.set(label, together(sums.get(label) ?? nothing, those))
    }
    const each = (read: (totals: RegionTotals) => number): Sample[] =>
      [...sums].map(([name, those]) => ({ values: [name], value: read(those) }))
    const now = clock.now()
    return {
      spool_up: single(1),
      spool_deliveries: each(({ depth }) => depth),
      spool_bytes: each(({ bytes }) => bytes),
      spool_oldest_age_seconds: each(({ oldestAt = now }) => Math.max(0, now - oldestAt) / 1000),
      spool_paused_mailboxes: each(({ paused }) => paused),
      dead_letters: each(({ deadLetters }) => deadLetters),
    }
  }

  function* families(read: Readings): Generator<Family> {
    const counted = Map.groupBy(counters.series(), ({ name }) => name)
    for (const name of namesOf(countersDeclared)) {
      const { help, labels }: Described = countersDeclared[name]
      const zero = labels.length === 0 ? single(0) : []
      const samples = counted.get(name)?.map(({ values, count }) => ({ values, value: count })) ?? zero
      yield { name, type: 'counter', help, labels, samples }
    }
    for (const name of namesOf(histogramsDeclared)) {
      const { help, labels } = histogramsDeclared[name]
      yield { name, type: 'histogram', help, labels, samples: histograms.samples(name) }
    }
    for (const name of namesOf(readingsDeclared)) {
      yield { name, ...readingsDeclared[name], samples: read[name] ?? [] }
    }
  }

  return {
    async text() {
      const totals = await askStore()
      return textFormat(families({ ...ofThisProcess(), ...ofGateway(), ...ofRegions(), ...ofSpool(totals) }))
    },
    stop: () => ofProcess.stop(),
  }
}

const nothing: RegionTotals = { depth: 0, bytes: 0, oldestAt: undefined, paused: 0, deadLetters: 0 }

function together(one: RegionTotals, other: RegionTotals): RegionTotals {
  const oldest = Math.min(one.oldestAt ?? Infinity, other.oldestAt ?? Infinity)
  return {
    depth: one.depth + other.depth,
    bytes: one.bytes + other.bytes,
    oldestAt: oldest === Infinity ? undefined : oldest,
    paused: one.paused + other.paused,
    deadLetters: one.deadLetters + other.deadLetters,
  }
}

function single(value: number): Sample[] {
  return [{ values: [], value }]
}

/** A series for each state there is, so that one that is over does not look as if it still were. */
function oneOf(states: readonly string[], is: string | undefined, region: string): Sample[] {
  return states.map((state) => ({ values: [region, state], value: state === is ? 1 : 0 }))
}
