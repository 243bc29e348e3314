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

/** Counters kept in the process. `read` gives each series, as Prometheus writes it, and its count. */
export function createCounters(): Counters & { read(): ReadonlyMap<string, number> } {
  const series = new Map<string, number>()
  return {
    count(name, labels) {
      const key = seriesName(name, labels)
      series.set(key, (series.get(key) ?? 0) + 1)
    },
    read: () => new Map(series),
  }
}

/** `name{label="value",…}`, the labels in the order in which they are declared. */
function seriesName(name: CounterName, labels: Readonly<Record<string, string>>): string {
  let text: string = name
  let before = '{'
  for (const label of counterLabels[name]) {
    text += `${before}${label}="${escaped(labels[label] ?? '')}"`
    before = ','
  }
  return before === ',' ? `${text}}` : text
}

/** https://prometheus.io/docs/instrumenting/exposition_formats/#comments-help-text-and-type-information */
function escaped(value: string): string {
  return /["\\\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value
}
