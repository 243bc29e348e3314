/** Everything the gateway counts, with the labels each counter takes. */
export const counterLabels = {
  webhooks_total: ['surface', 'outcome'],
  region_results_total: ['region', 'result'],
  clock_skew_total: [],
  app_rate_limited_total: [],
  response_url_refused_total: [],
  hints_total: ['use'],
  dedup_total: ['kind'],
  shed_total: ['provider', 'answer'],
  unknown_integration_total: ['surface'],
  unknown_region_total: ['region'],
  directory_lookups_total: ['verdict'],
  directory_load_failures_total: [],
  directory_cache_hits_total: [],
  directory_cache_misses_total: [],
  directory_cache_evictions_total: [],
  deferred_deliveries_total: ['region', 'result'],
  dead_letters_total: ['region', 'reason'],
  late_answers_total: ['result'],
  rate_limited_total: ['surface'],
  redis_failures_total: [],
  news_malformed_total: [],
  config_reload_failed_total: [],
} as const satisfies Record<string, readonly string[]>

export type CounterName = keyof typeof counterLabels
export type LabelsOf<Name extends CounterName> = Record<(typeof counterLabels)[Name][number], string>

export interface Counters {
  count<Name extends CounterName>(name: Name, labels: LabelsOf<Name>): void
}

/** How often something happened, and, by the value of the next label, how often each kind of it. */
interface Tally {
  count: number
  readonly by: Map<string, Tally>
}

/** Counters kept in the process. `read` gives each series, as Prometheus writes it, and its count. */
export function createCounters(): Counters & { read(): ReadonlyMap<string, number> } {
  const tallies = new Map<CounterName, Tally>()
  return {
    count(name: CounterName, labels: Readonly<Record<string, string>>) {
      let tally = tallies.get(name)
      if (tally === undefined) tallies.set(name, (tally = newTally()))
      // Every webhook counts several times: a series is named when it is read.
      for (const label of counterLabels[name]) tally = below(tally, labels[label] ?? '')
      tally.count += 1
    },
    read: () => new Map(tallies.entries().flatMap(([name, tally]) => seriesOf(name, tally, []))),
  }
}

function newTally(): Tally {
  return { count: 0, by: new Map() }
}

function below({ by }: Tally, value: string): Tally {
  let tally = by.get(value)
  if (tally === undefined) by.set(value, (tally = newTally()))
  return tally
}

function seriesOf(name: CounterName, { count, by }: Tally, values: readonly string[]): [string, number][] {
  const own: [string, number][] = count > 0 ? [[seriesName(name, values), count]] : []
  return [...own, ...by.entries().flatMap(([value, tally]) => seriesOf(name, tally, [...values, value]))]
}

/** `name{label="value",…}`, the labels in the order in which they are declared. */
function seriesName(name: CounterName, values: readonly string[]): string {
  const labels = counterLabels[name].map((label, at) => `${label}="${escaped(values[at] ?? '')}"`)
  return labels.length === 0 ? name : `${name}{${labels.join(',')}}`
}

/** https://prometheus.io/docs/instrumenting/exposition_formats/#comments-help-text-and-type-information */
function escaped(value: string): string {
  return /["\\\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value
}
