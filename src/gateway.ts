import { systemClock, type Clock } from './clock.ts'
import { readConfiguration, type Configuration } from './config/configuration.ts'
import { ConfigurationError } from './config/required.ts'
import { watchConfiguration } from './config/watch-configuration.ts'
import { createDedup } from './dedup/dedup.ts'
import { createDelivery } from './delivery/delivery.ts'
import type { Followed, MovedOrganization } from './delivery/follow.ts'
import { createAnswerPoster } from './delivery/post-answer.ts'
import { announced, hearOfChanges, tellFleet, tellReading } from './directory/announce.ts'
import { cacheDirectory } from './directory/cache.ts'
import type { DirectoryChange } from './directory/change.ts'
import type { DirectoryEditor } from './directory/edit.ts'
import { openDirectory, type DirectoryStore } from './directory/store.ts'
import type { RegionClient } from './dispatch/region-client.ts'
import { noNews, type News } from './fleet/news.ts'
import { createRedisClaims } from './fleet/redis-claims.ts'
import { createRedisCounts } from './fleet/redis-counts.ts'
import { createRedisNews } from './fleet/redis-news.ts'
import { explain } from './explain/explain.ts'
import type { ExplainIn, Explanation } from './explain/explanation.ts'
import type { Answer, Rooms } from './handle-webhook.ts'
import { createIds, type Ids } from './ids.ts'
import { createRateLimit } from './limit/rate-limit.ts'
import { createLive } from './live.ts'
import type { Door, Provider } from './provider.ts'
import { providers as registered } from './providers/index.ts'
import { openDeliveries, type Deliveries } from './records/deliveries.ts'
import { createRecorder } from './records/recorder.ts'
import type { Topology } from './regions/regions.ts'
import { createSecretUses, type SecretListing } from './secrets/secret-uses.ts'
import { createShortLivedMap } from './short-lived-map.ts'
import { openSpool } from './spool/open-spool.ts'
import type { Spool } from './spool/spool.ts'
import { createSteering, type Steering } from './steering/steering.ts'
import { createAlarms } from './telemetry/alarm.ts'
import { createCounters, type CountersKept } from './telemetry/counters.ts'
import { createHistograms } from './telemetry/histograms.ts'
import { openLog, type Log } from './telemetry/log.ts'
import { openTracing } from './telemetry/open-tracing.ts'
import { createOnlookers, type Onlookers } from './telemetry/onlookers.ts'
import { createProviderHealth, type ProviderHealth } from './telemetry/provider-health.ts'
import { createScrape } from './telemetry/scrape.ts'
import type { TraceParts } from './telemetry/trace.ts'
import { limitUnproven } from './telemetry/unproven.ts'
import type { WebhookRecord } from './telemetry/webhook-record.ts'
import { packageVersion } from './version.ts'

/** Numbers of webhooks under way begin anew after so many: larger ones are no plain numbers to V8. */
const MOST_TRACKED = 2 ** 31

export interface GatewayOptions {
  /** The environment variables of the README's configuration reference. Default: the process's own. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly clock?: Clock
  readonly ids?: Ids
  /** Default: stdout, at `LOG_LEVEL`: JSON lines, and in a terminal what is easier to read. */
  readonly log?: Log
  /** False: the configuration is read again by `reload` only. Default: also when one of its files changes. */
  readonly watch?: boolean
  /** Told of every webhook once its last region has come to its end. */
  readonly onWebhook?: (record: WebhookRecord) => void
}

/** Where a path leads under today's configuration. A reload never touches what is handed out here. */
export interface OpenDoor {
  readonly provider: Provider
  readonly door: Door
  readonly rooms: Rooms
  readonly settings: Configuration['settings']
  readonly traceParts: TraceParts
}

export interface Gateway {
  /** What was read at the last reload that was valid. */
  configuration(): Configuration
  /** The regions with the states that are in effect: as configured, or as the fleet was told. */
  topology(): Topology
  readonly steering: Steering
  /** Undefined where `regions.yaml` does not know the name. */
  regionClient(name: string): RegionClient | undefined
  /** The signing secrets there are, and when each was last used. Rejects when the database cannot be asked. */
  secrets(): Promise<SecretListing[]>
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
  readonly counters: CountersKept
  /** Everything that is measured, for Prometheus. Never rejects; within a second. */
  metrics(): Promise<string>
  readonly store: DirectoryStore
  /** Whose changes are in effect here at once, and on the other gateways as soon as they hear of them. */
  readonly directory: DirectoryEditor
  readonly spool: Spool
  /** What has happened to webhooks. */
  readonly deliveries: Deliveries
  /** What the gateways of a fleet tell each other; without `REDIS_URL`, nothing. */
  readonly news: News
  /** Every provider there is, as configured now. */
  providers(): readonly Provider[]
  /** Undefined: the path is no provider's. */
  doorAt(path: string): OpenDoor | undefined
  /**
   * Lets what waits for an organization follow it, once the directory says that it has moved, is held or was released.
   * Rejects when the store cannot be asked: then it follows when it is tried.
   */
  follow(moved: MovedOrganization): Promise<Followed>
  /** Has this process see what was paused, resumed, replayed or erased past its worker. Never rejects. */
  lookAtMailboxes(): Promise<void>
  /** A change of the directory that was made past this gateway, such as an import: tells the fleet of it, too. */
  directoryChanged(change: DirectoryChange): void
  /** What would become of a webhook, and why; nothing of it is carried out. */
  explain(asked: ExplainIn): Promise<Explanation>
  /** How near each provider's events are to where it steps in. */
  readonly providerHealth: Pick<ProviderHealth, 'read'>
  /** Who sees what happens to webhooks as it does. */
  readonly onlookers: Pick<Onlookers, 'add'>
  /** Keeps `close` and `reload` waiting for what is under way. */
  track(work: Promise<void>): void
  /** How many webhooks have not come to their end. */
  underWay(): number
  /** How many answers are still owed to whoever sent a webhook. */
  lateAnswersOwed(): number
  /** Takes the memory that it comes to need when there is much to remember, a part with each step. */
  reserveMemory(): Generator<void>
  /** False while draining, and when neither the directory nor its cache can answer. */
  ready(): Promise<boolean>
  draining(): boolean
  /** Aborted when it begins to drain. */
  readonly stopping: AbortSignal
  /**
   * Reads the configuration again, as happens when one of its files changes, and swaps regions, rules, secrets and
   * limits at once; requests under way finish on the old ones. Returns the faults, and with any of them changes nothing.
   * Never throws.
   */
  reload(): readonly string[]
  /** From now on not ready; what is under way goes on. */
  startDraining(): void
  /**
   * Lets nothing more in, waits for what is under way, then closes regions' connections and the stores. What is still
   * owed stays owed: whoever opens the store next goes on with it. A second call waits for the first.
   */
  close(): Promise<void>
  /**
   * Where there is no time to close: leaves what is owed to whoever opens the store next, at once. Calls under way
   * cannot settle anything any more. Never rejects.
   */
  giveBack(): Promise<void>
  /** Whether `close` was called: from then on each door answers 503. */
  closing(): boolean
}

/**
 * Builds the gateway: the only place where its parts are made and handed to each other. Opens the directory and
 * brings its schema up to date. Throws a `ConfigurationError`, or the store's error when it cannot be opened.
 */
export async function createGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const read = () => readConfiguration({ ...(options.env && { env: options.env }), definitions: registered })
  const first = read()
  if (!first.ok) throw new ConfigurationError(first.faults)
  const { settings: atStart } = first.configuration

  const clock = options.clock ?? systemClock
  // What is opened is closed the other way round: here, if one of the next steps fails, or when all is over.
  await using opened = new AsyncDisposableStack()
  const watch = options.watch === false ? undefined : watchConfiguration(first.configuration.files, clock)
  opened.defer(() => watch?.stop())
  const ids = options.ids ?? createIds()
  const log = options.log ?? (await openLog(atStart.LOG_LEVEL))
  // What is opened first may count before anything is in effect.
  let topology = (): Topology => first.configuration.topology
  const counters = createCounters({ isRegion: (name) => topology().byName.has(name) })
  const histograms = createHistograms()
  const alarms = createAlarms({ clock, log })
  const instance = ids.hex(8)
  const { REDIS_URL: redisUrl } = atStart
  const version = packageVersion()
  // First, to be closed last: until then there is something to be told of.
  const tracing = await openTracing(atStart, { ids, instance, version, clock, counters, alarms })
  opened.defer(() => tracing?.close())
  const redis =
    redisUrl === undefined
      ? undefined
      : await (await import('./fleet/redis.ts')).openRedis({ url: redisUrl, clock, alarms, log, counters })
  opened.defer(() => redis?.close())
  const news = redis === undefined ? noNews : createRedisNews({ redis, instance, counters })

  const directoryOpens = openDirectory(atStart.DATABASE_URL, { clock })
  opened.defer(async () => (await directoryOpens.catch(() => undefined))?.close())
  // Its thread starts meanwhile.
  const spool = await openSpool(atStart.DATABASE_URL, { clock, instance, tables: directoryOpens })
  const store = await directoryOpens
  const directory = cacheDirectory(store, {
    entries: atStart.CACHE_ENTRIES,
    freshMs: atStart.CACHE_FRESH_MS,
    hardMs: Math.min(atStart.CACHE_HARD_MS, atStart.CACHE_STALE_MS),
    staleMs: atStart.CACHE_STALE_MS,
    clock,
    counters,
    log,
    onReading: redis && ((reading) => tellReading(news, reading)),
  })
  opened.defer(hearOfChanges(news, directory, counters))
  const directoryChanged = (change: DirectoryChange): void => {
    directory.changed(change)
    tellFleet(news, change)
  }
  const editor = announced(store.editor, directoryChanged)
  const steering = createSteering({ store: store.steering, clock, alarms, onRegions: () => live.steer() })
  const recorder = createRecorder({
    store: store.records,
    clock,
    counters,
    alarms,
    gateway: instance,
    settings: () => live.now().configuration.settings,
  })
  opened.defer(() => recorder.stop())
  const secretUses = createSecretUses({ store: store.secretUses, clock, alarms })
  opened.defer(() => secretUses.stop())

  opened.defer(giveBack)
  const poster = createAnswerPoster({ clock })
  opened.defer(() => poster.close())
  const delivery = createDelivery({
    spool,
    poster,
    directory: {
      find: (key) => directory.ask(key),
      forgetFormerHomes: (...which) => editor.forgetFormerHomes(...which),
    },
    unheardMs: atStart.CACHE_HARD_MS,
    now: () => live.now().delivery,
    note: (...what) => recorder.note(...what),
    tracing,
    clock,
    log,
    alarms,
    counters,
    random: Math.random,
  })

  const dedup = createDedup<Answer>({
    maxEntries: atStart.DEDUP_MAX_ENTRIES,
    clock,
    counters,
    fleet: redis && { claims: createRedisClaims(redis), sealer: () => live.now().rooms.sealer, instance },
  })
  const limit = createRateLimit({
    perMinute: () => live.now().configuration.settings.RATE_LIMIT_PER_MINUTE,
    clock,
    counters,
    counts: redis && createRedisCounts(redis),
  })
  const underWay = createShortLivedMap<Promise<void>>()
  let tracked = 0
  const stopping = new AbortController()
  const draining = () => stopping.signal.aborted
  const onlookers = createOnlookers()
  const providerHealth = createProviderHealth({
    clock,
    limitsOf: (provider) => live.now().providers.find(({ name }) => name === provider)?.limits,
  })
  let closed: Promise<void> | undefined

  await steering.start()
  opened.defer(() => steering.stop())
  const { mailboxes, late } = delivery
  const shed = () => steering.shed().rules
  const live = createLive(first.configuration, {
    read,
    standing: { clock, ids, random: Math.random, dedup, limit, directory, shed, mailboxes, late },
    mailboxes,
    steering,
    secretUses,
    identities: store.identities,
    webhooksEnded: () => Promise.all(underWay.values()),
    isOneTooMany: limitUnproven(),
    onWebhook: options.onWebhook,
    tracing,
    record(happened) {
      recorder.record(happened)
      providerHealth.count(happened)
      onlookers.tell(happened)
    },
    log,
    alarms,
    counters,
    histograms,
  })
  topology = () => live.now().topology
  opened.defer(() => live.close())
  const scrape = createScrape({
    clock,
    counters,
    histograms,
    topology,
    client: (name) => live.now().clients.byName.get(name),
    spool,
    draining,
    underWay: () => underWay.size,
    lateAnswersOwed: () => late.owed(),
    cacheEntries: () => directory.size(),
    version,
  })
  opened.defer(() => scrape.stop())
  secretUses.start()
  recorder.start()
  opened.defer(() => delivery.stop())
  await delivery.start()
  const reload = watch?.attach(live) ?? (() => live.reload())
  const toClose = opened.move()

  async function giveBack(): Promise<void> {
    try {
      await spool.close()
    } catch (err) {
      log.error({ err }, 'What is owed could not be given back, and waits until its lease lapses')
    }
  }

  async function shutDown(): Promise<void> {
    // Nothing more is begun that is not a webhook's; what is refused from now on is under way for a moment, too.
    const stopping = delivery.stop()
    while (underWay.size > 0) await Promise.all(underWay.values())
    await stopping
    // Begins with what those webhooks have left behind.
    await toClose.disposeAsync()
  }

  return {
    configuration: () => live.now().configuration,
    topology,
    steering,
    regionClient: (name) => live.now().clients.byName.get(name),
    secrets: () => live.now().secrets.read(),
    explain(asked) {
      const { rooms, providers, configuration, clients } = live.now()
      return explain(asked, {
        ...rooms,
        providers,
        inspect: (key) => store.inspect(key),
        file: configuration.topology,
        overrides: steering.regions(),
        breaker: (name) => clients.byName.get(name)?.breaker.state,
        rateLimitPerMinute: configuration.settings.RATE_LIMIT_PER_MINUTE,
      })
    },
    clock,
    ids,
    log,
    counters,
    metrics: () => scrape.text(),
    store,
    directory: editor,
    spool,
    deliveries: openDeliveries(store.records, recorder),
    news,
    providers: () => live.now().providers,
    doorAt(path) {
      const { providers, rooms, traceParts, configuration } = live.now()
      for (const provider of providers) {
        const door = provider.match(path)
        if (door !== undefined) return { provider, door, rooms, traceParts, settings: configuration.settings }
      }
      return undefined
    },
    follow: (moved) => delivery.follow(moved),
    lookAtMailboxes: () => mailboxes.lookAtAll(),
    directoryChanged,
    track(work) {
      const number = (tracked = (tracked + 1) % MOST_TRACKED)
      const over = (): void => underWay.delete(number)
      const end = work.then(over, (err: unknown) => {
        log.error({ err }, 'A webhook was answered, but its story could not be told')
        over()
      })
      underWay.set(number, end)
    },
    providerHealth,
    onlookers,
    underWay: () => underWay.size,
    reserveMemory: () => dedup.reserve(),
    lateAnswersOwed: () => late.owed(),
    ready: async () => !draining() && (await directory.usable()),
    draining,
    stopping: stopping.signal,
    reload,
    startDraining: () => stopping.abort(),
    close() {
      stopping.abort()
      watch?.stop()
      closed ??= shutDown()
      return closed
    },
    giveBack,
    closing: () => closed !== undefined,
  }
}
