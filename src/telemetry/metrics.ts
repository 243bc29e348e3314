/*
 * Everything that `GET /metrics` tells: what is measured, counted and read is declared here and nowhere else, and
 * docs/metrics.md is written from it.
 *
 * Names have no prefix of the product's: `config_reload_failed_total` is promised under that very name, and all are
 * named alike. A scrape's `job` tells whose they are.
 */

/** What stands behind a label's name: always a closed set, so that no caller can make series. */
export const labelValues = {
  surface:
    '`event`, `command`, `action` (all other interactivity), `options`, `page`; `any` where the body of a request at the single URL was not read',
  outcome: "the rule by which the gateway answered by itself, an error's `code`, or how the webhook ended",
  code: "the answer's HTTP status",
  region:
    'a name in `regions.yaml`; `other`: any that is not there; of what waits also `@held` (an organization that is being moved) and `@unresolved` (nobody could say whose it is)',
  result: 'how it ended: `answered`, `delivered`, `http_200`, … or the reason why not',
  reason: 'what a delivery died of; why a record or a span was not kept',
  use: '`used` or `ignored`',
  kind: '`joined` one under way, `stored` answer given again, `undecided` in another gateway of the fleet',
  provider: 'whose events they are',
  answer: '`ok` or `too_many_requests`',
  verdict: '`found`, `absent`, `stale` or `unknown`',
  state: 'one series for each state there is, 1 for the one that it is in',
  version: 'of the package',
  node: 'of Node.js',
} as const

export type Label = keyof typeof labelValues

export interface Described {
  readonly help: string
  readonly labels: readonly Label[]
}

/** Counted where it happens. */
export const counters = {
  webhooks_total: { help: 'Webhooks and pages that have ended.', labels: ['surface', 'outcome'] },
  webhook_responses_total: {
    help: 'Answers to the provider.',
    labels: ['surface', 'code'],
  },
  region_results_total: {
    help: 'What became of each region that was planned for a webhook, asked or not.',
    labels: ['region', 'result'],
  },
  region_attempts_total: {
    help: 'Calls to a region that had a slot, deferred ones too, by the status of the answer or why there was none.',
    labels: ['region', 'result'],
  },
  deferred_deliveries_total: {
    help: 'Attempts for what waits in a mailbox, and first attempts that held a place there.',
    labels: ['region', 'result'],
  },
  dead_letters_total: { help: 'Deliveries that became dead letters.', labels: ['region', 'reason'] },
  late_answers_total: { help: 'Owed answers that have come to their end.', labels: ['result'] },
  dedup_total: { help: 'Duplicates.', labels: ['kind'] },
  hints_total: { help: 'Hints at one organization of several.', labels: ['use'] },
  shed_total: { help: 'Events that an operator does not want for now.', labels: ['provider', 'answer'] },
  rate_limited_total: { help: 'Webhooks over RATE_LIMIT_PER_MINUTE.', labels: ['surface'] },
  unknown_integration_total: {
    help: 'Webhooks of installations that the directory does not know.',
    labels: ['surface'],
  },
  unknown_region_total: { help: 'Regions that the directory names and regions.yaml does not know.', labels: [] },
  clock_skew_total: { help: 'Signatures made more than 300 s before or after now.', labels: [] },
  app_rate_limited_total: { help: 'The provider said app_rate_limited: it leaves events out.', labels: [] },
  response_url_refused_total: { help: 'response_urls of hosts that nothing is posted to.', labels: [] },
  directory_lookups_total: { help: 'Look-ups in the directory.', labels: ['verdict'] },
  directory_load_failures_total: { help: 'Times that the directory could not be asked.', labels: [] },
  directory_cache_hits_total: { help: 'Look-ups that were answered from memory.', labels: [] },
  directory_cache_misses_total: { help: 'Look-ups that were not.', labels: [] },
  directory_cache_evictions_total: { help: 'Entries that made room for others: CACHE_ENTRIES is small.', labels: [] },
  records_dropped_total: { help: 'Records of deliveries that could not be kept.', labels: ['reason'] },
  spans_exported_total: { help: 'Spans that the collector of traces has taken.', labels: [] },
  spans_dropped_total: {
    help: 'Spans that were lost: the collector was away, slow or refused them.',
    labels: ['reason'],
  },
  redis_failures_total: { help: 'Times that Redis did not answer.', labels: [] },
  news_malformed_total: { help: 'Messages of the fleet that could not be read.', labels: [] },
  config_reload_failed_total: { help: 'Reloads with a fault, after which the old configuration stayed.', labels: [] },
} as const satisfies Record<string, Described>

/** Up to the limit of a provider's own patience, and beyond it as far as calls go on. */
const answerSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 5]

export interface DescribedHistogram extends Described {
  /** At most one, so that finding a series takes one step. */
  readonly labels: readonly [] | readonly [Label]
  /** Upper bounds in seconds, ascending; the last one, infinity, is not named. */
  readonly buckets: readonly number[]
}

/** Observed where it happens, all in seconds. */
export const histograms = {
  webhook_answer_duration_seconds: {
    help: "From a webhook's first byte to its answer.",
    labels: ['surface'],
    buckets: answerSeconds,
  },
  webhook_answer_since_signed_seconds: {
    help: 'From when the provider says that it sent a webhook to the answer. It says so in whole seconds, rounded down: up to a second too long, half of one on average; and both clocks must agree.',
    labels: ['surface'],
    buckets: [1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 10, 60],
  },
  webhook_budget_left_seconds: {
    help: 'What was left of the budget at the answer; what came after it is 0.',
    labels: ['surface'],
    buckets: [0, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.25, 2.4],
  },
  region_attempt_duration_seconds: {
    help: 'Each call to a region, deferred ones too, from when it had a slot until it ended, however it did.',
    labels: ['region'],
    buckets: [...answerSeconds, 10, 30],
  },
  directory_entry_age_seconds: {
    help: 'How old what was known of an installation was when a webhook was routed by it.',
    labels: [],
    buckets: [1, 5, 15, 30, 60, 300, 3600, 86_400],
  },
} as const satisfies Record<string, DescribedHistogram>

export interface DescribedReading extends Described {
  readonly type: 'gauge' | 'counter'
}

/** Read when somebody asks. */
export const readings = {
  build_info: { type: 'gauge', help: 'Always 1.', labels: ['version', 'node'] },
  draining: { type: 'gauge', help: '1 from the moment on that the gateway drains.', labels: [] },
  webhooks_in_progress: {
    type: 'gauge',
    help: 'Webhooks that have not ended; one has when its last region has.',
    labels: [],
  },
  region_state: { type: 'gauge', help: 'active, draining or down, as is in effect.', labels: ['region', 'state'] },
  region_breaker_state: { type: 'gauge', help: 'closed, open or half_open.', labels: ['region', 'state'] },
  region_in_flight: { type: 'gauge', help: "Calls that have one of the region's slots.", labels: ['region'] },
  region_slots: { type: 'gauge', help: 'How many there are: max_concurrency.', labels: ['region'] },
  region_queued: { type: 'gauge', help: 'Calls that wait for a slot.', labels: ['region'] },
  region_queue_places: { type: 'gauge', help: 'How many may: max_queue.', labels: ['region'] },
  spool_up: {
    type: 'gauge',
    help: '1: the store of what waits has answered within a second; 0: it has not, and what it would tell (spool_deliveries, spool_bytes, spool_oldest_age_seconds, spool_paused_mailboxes, dead_letters) is left out.',
    labels: [],
  },
  spool_deliveries: { type: 'gauge', help: 'Deliveries that wait, in the whole fleet.', labels: ['region'] },
  spool_bytes: { type: 'gauge', help: 'Their bytes, in the whole fleet.', labels: ['region'] },
  spool_limit_bytes: { type: 'gauge', help: 'How many may wait: max_spool_mb.', labels: ['region'] },
  spool_oldest_age_seconds: {
    type: 'gauge',
    help: 'How long the first of any mailbox has been waiting, in the whole fleet; 0: nothing waits.',
    labels: ['region'],
  },
  spool_paused_mailboxes: { type: 'gauge', help: 'Mailboxes that are paused, in the whole fleet.', labels: ['region'] },
  dead_letters: {
    type: 'gauge',
    help: 'Dead letters that are kept, in the whole fleet; no more than 100000 are counted.',
    labels: ['region'],
  },
  late_answers_owed: { type: 'gauge', help: 'Answers that this gateway still owes.', labels: [] },
  directory_cache_entries: { type: 'gauge', help: 'Installations that are remembered.', labels: [] },
  process_cpu_seconds_total: { type: 'counter', help: 'CPU time, of user and system.', labels: [] },
  process_resident_memory_bytes: { type: 'gauge', help: 'Resident memory.', labels: [] },
  process_start_time_seconds: { type: 'gauge', help: 'Unix time at which the process started.', labels: [] },
  nodejs_heap_size_used_bytes: { type: 'gauge', help: "JavaScript's heap in use.", labels: [] },
  nodejs_heap_size_total_bytes: { type: 'gauge', help: "JavaScript's heap.", labels: [] },
  nodejs_external_memory_bytes: { type: 'gauge', help: 'Memory of buffers and the like.', labels: [] },
  nodejs_eventloop_lag_p50_seconds: {
    type: 'gauge',
    help: 'How late the event loop ran what was due, over the last 10 s at least; measured from the first scrape on.',
    labels: [],
  },
  nodejs_eventloop_lag_p99_seconds: { type: 'gauge', help: 'The same: 99 of 100 were earlier.', labels: [] },
  nodejs_eventloop_lag_max_seconds: { type: 'gauge', help: 'The same: the latest.', labels: [] },
} as const satisfies Record<string, DescribedReading>

export type ReadingName = keyof typeof readings

/** The names of what is declared, typed by them. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the declarations are constants
export const namesOf = <Name extends string>(declared: Record<Name, Described>) => Object.keys(declared) as Name[]
