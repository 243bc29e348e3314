import { isDeepStrictEqual } from 'node:util'
import { systemClock, type Clock } from './clock.ts'
import { changedButFixed, readConfiguration, type Configuration } from './config/configuration.ts'
import { ConfigurationError } from './config/required.ts'
import { createDedup } from './dedup/dedup.ts'
import { createDelivery, type DeliveryNow } from './delivery/delivery.ts'
import type { Followed, MovedOrganization } from './delivery/follow.ts'
import { createAnswerPoster } from './delivery/post-answer.ts'
import { createSealer } from './delivery/seal.ts'
import type { Spool } from './delivery/spool.ts'
import { openSpool } from './delivery/open-spool.ts'
import { announced, hearOfChanges, tellFleet } from './directory/announce.ts'
import { cacheDirectory } from './directory/cache.ts'
import type { DirectoryChange } from './directory/change.ts'
import type { DirectoryEditor } from './directory/edit.ts'
import { openDirectory, type DirectoryStore } from './directory/store.ts'
import { createForward } from './dispatch/forward.ts'
import { createRegionClient, type RegionClient } from './dispatch/region-client.ts'
import { noNews, type News } from './fleet/news.ts'
import { createRedisClaims } from './fleet/redis-claims.ts'
import { createRedisCounts } from './fleet/redis-counts.ts'
import { createRedisNews } from './fleet/redis-news.ts'
import { openRedis } from './fleet/redis.ts'
import { explain } from './explain/explain.ts'
import type { ExplainIn, Explanation } from './explain/explanation.ts'
import type { Answer, Rooms } from './handle-webhook.ts'
import { createIds, type Ids } from './ids.ts'
import { createRateLimit } from './limit/rate-limit.ts'
import type { Door, Provider } from './provider.ts'
import { providers as registered } from './providers/index.ts'
import type { Region, Topology } from './regions/regions.ts'
import { createSecretUses, type SecretListing } from './secrets/secret-uses.ts'
import { steered } from './steering/region-overrides.ts'
import { createSteering, type Steering } from './steering/steering.ts'
import { createAlarms } from './telemetry/alarm.ts'
import { createCounters } from './telemetry/counters.ts'
import { createLog, type Log } from './telemetry/log.ts'
import type { TraceParts, WebhookRecord } from './telemetry/trace.ts'

export interface GatewayOptions {
  /** The environment variables of the README's configuration reference. Default: the process's own. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly clock?: Clock
  readonly ids?: Ids
  /** Default: JSON lines on stdout, at `LOG_LEVEL`. */
  readonly log?: Log
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
  readonly counters: ReturnType<typeof createCounters>
  readonly store: DirectoryStore
  /** Whose changes are in effect here at once, and on the other gateways as soon as they hear of them. */
  readonly directory: DirectoryEditor
  readonly spool: Spool
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
  /** Keeps `close` and `reload` waiting for what is under way. */
  track(work: Promise<void>): void
  /** How many webhooks have not come to their end. */
  underWay(): number
  /** False while draining, and when neither the directory nor its cache can answer. */
  ready(): Promise<boolean>
  draining(): boolean
  /**
   * Reads the configuration again and swaps regions, rules, secrets and limits at once; requests under way finish on
   * the old ones. Returns the faults, and with any of them changes nothing. Never throws.
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

/** What a reload replaces as a whole. */
interface Live {
  readonly configuration: Configuration
  readonly topology: Topology
  readonly secrets: () => Promise<SecretListing[]>
  readonly longestCallMs: number
  readonly providers: readonly Provider[]
  readonly clients: ReadonlyMap<string, RegionClient>
  readonly rooms: Rooms
  readonly delivery: DeliveryNow
  readonly traceParts: TraceParts
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
  const ids = options.ids ?? createIds()
  const log = options.log ?? createLog(atStart.LOG_LEVEL)
  const counters = createCounters()
  const alarms = createAlarms({ clock, log })
  const instance = ids.hex(8)
  const { REDIS_URL: redisUrl } = atStart
  const redis = redisUrl === undefined ? undefined : await openRedis({ url: redisUrl, clock, alarms, log, counters })
  const news = redis === undefined ? noNews : createRedisNews({ redis, instance, counters })
  const store = await openDirectory(atStart.DATABASE_URL, { clock }).catch(async (error: unknown) => {
    await redis?.close()
    throw error
  })
  const directory = cacheDirectory(store, {
    entries: atStart.CACHE_ENTRIES,
    freshMs: atStart.CACHE_FRESH_MS,
    hardMs: atStart.CACHE_HARD_MS,
    staleMs: atStart.CACHE_STALE_MS,
    clock,
    counters,
    log,
  })
  const stopHearing = hearOfChanges(news, directory, counters)
  const directoryChanged = (change: DirectoryChange): void => {
    directory.changed(change)
    tellFleet(news, change)
  }
  const editor = announced(store.editor, directoryChanged)
  const steering = createSteering({ store: store.steering, clock, alarms, onRegions: steerRegions })
  const secretUses = createSecretUses({ store: store.secretUses, clock, alarms })
  const underWay = new Set<Promise<void>>()
  /** Clients that a reload has replaced, until they are closed. */
  const retiring = new Set<Promise<void>>()
  let draining = false
  let closed: Promise<void> | undefined
  const spool = await openSpool(atStart.DATABASE_URL, { clock, instance }).catch(async (error: unknown) => {
    await Promise.all([store.close(), redis?.close()])
    throw error
  })
  const poster = createAnswerPoster({ clock })
  const dedup = createDedup<Answer>({
    maxEntries: atStart.DEDUP_MAX_ENTRIES,
    clock,
    counters,
    fleet: redis && { claims: createRedisClaims(redis), sealer: () => live.rooms.sealer, instance },
  })
  const limit = createRateLimit({
    perMinute: () => live.configuration.settings.RATE_LIMIT_PER_MINUTE,
    clock,
    counters,
    counts: redis && createRedisCounts(redis),
  })
  const delivery = createDelivery({
    spool,
    poster,
    directory: { find: (key) => directory.ask(key) },
    now: () => live.delivery,
    clock,
    log,
    alarms,
    counters,
    random: Math.random,
  })
  let live: Live
  try {
    await steering.start()
    live = build(first.configuration, undefined)
    secretUses.start()
    await delivery.start()
  } catch (error) {
    steering.stop()
    await Promise.all([delivery.stop(), secretUses.stop()])
    await Promise.all([spool.close(), poster.close()])
    await Promise.all([store.close(), redis?.close()])
    throw error
  }

  function build(configuration: Configuration, before: Live | undefined): Live {
    const { settings, warnings } = configuration
    for (const warning of warnings) log.warn({}, warning)
    const topology = steered(configuration.topology, steering.regions())
    const secrets = secretUses.begin()
    const signsFor = (id: string) => topology.regions.some(({ signingKey }) => signingKey?.id === id)
    const keyUses = new Map(
      settings.REGION_SIGNING_KEYS.map(({ id, secret: value }) => [
        id,
        secrets.list({ name: 'REGION_SIGNING_KEYS', owner: { id }, value, inUse: signsFor(id) }),
      ]),
    )
    const maxReplyBytes = settings.MAX_REPLY_BYTES
    const providers = configuration.providers.map(({ definition, environment, rules }) =>
      definition.create(
        { environment, rules },
        { clock, counters, log, alarms, identities: store.identities, listSecret: secrets.list },
      ),
    )
    const longestCallMs = Math.max(...providers.map(({ budgetMs }) => budgetMs))
    const limits = { clock, maxReplyBytes, longestCallMs }
    const sameLimits =
      before?.longestCallMs === longestCallMs && before.configuration.settings.MAX_REPLY_BYTES === maxReplyBytes
    const clients = new Map(
      topology.regions.map((region) => {
        const running = before?.clients.get(region.name)
        const unchanged =
          running !== undefined && sameLimits && isDeepStrictEqual(transportOf(running.region), transportOf(region))
        return [
          region.name,
          unchanged ? running : createRegionClient(region, { ...limits, watch: delivery.mailboxes.watch(region.name) }),
        ]
      }),
    )
    const forward = createForward({
      clock,
      ids,
      client: ({ name }) => clients.get(name),
      signed(keyId) {
        const use = keyUses.get(keyId)
        if (use !== undefined) use.lastUsedAt = clock.now()
      },
    })
    const sealer = createSealer(settings.SPOOL_KEYS)
    return {
      configuration,
      topology,
      secrets: () => secrets.read(),
      longestCallMs,
      clients,
      providers,
      rooms: {
        clock,
        ids,
        random: Math.random,
        dedup,
        limit,
        directory,
        topology,
        shed: () => steering.shed().rules,
        forward,
        mailboxes: delivery.mailboxes,
        late: delivery.late,
        sealer,
        maxBodyBytes: settings.MAX_BODY_BYTES,
      },
      delivery: {
        topology,
        provider: (name) => providers.find((provider) => provider.name === name),
        client: (name) => clients.get(name),
        forward,
        sealer,
        maxAgeMs: settings.SPOOL_MAX_AGE_HOURS * HOUR_MS,
        deadLetterMs: settings.DEAD_LETTER_DAYS * 24 * HOUR_MS,
      },
      traceParts: {
        clock,
        counters,
        log,
        alarms,
        logSample: settings.LOG_SAMPLE,
        random: Math.random,
        onWebhook: options.onWebhook,
      },
    }
  }

  /** Puts a new configuration into effect; returns what is wrong with it instead, if anything is. */
  function swap(): readonly string[] {
    try {
      const again = read()
      if (!again.ok) return again.faults
      const before = live
      live = build(again.configuration, before)
      const replaced = [...before.clients.values()].filter((client) => live.clients.get(client.region.name) !== client)
      retire(replaced)
      delivery.mailboxes.look()
      return []
    } catch (error) {
      return [`the configuration cannot be put to work: ${error instanceof Error ? error.message : String(error)}`]
    }
  }

  /** Puts other states of regions into effect; what is under way goes on with the old ones. */
  function steerRegions(): void {
    const topology = steered(live.configuration.topology, steering.regions())
    live = { ...live, topology, rooms: { ...live.rooms, topology }, delivery: { ...live.delivery, topology } }
    log.info({ overrides: steering.regions() }, 'The states of regions were changed')
    delivery.mailboxes.look()
  }

  /** A webhook that came before the swap may still be on its way to a region: its connections stay until it is done. */
  function retire(clients: readonly RegionClient[]): void {
    const retired = Promise.all(underWay)
      .then(() => Promise.all(clients.map(whenIdle)))
      .then(() => closeClients(clients))
      .finally(() => retiring.delete(retired))
    retiring.add(retired)
  }

  /** Deferred calls belong to no webhook that is under way. */
  async function whenIdle(client: RegionClient): Promise<void> {
    while (client.inFlight + client.queued > 0) {
      await new Promise<void>((resolve) => {
        clock.after(IDLE_LOOK_MS, resolve)
      })
    }
  }

  async function closeClients(clients: Iterable<RegionClient>): Promise<void> {
    for (const client of clients) {
      await client.close().catch((err: unknown) => log.error({ err }, "A region's connections could not be closed"))
    }
  }

  async function giveBack(): Promise<void> {
    try {
      await spool.close()
    } catch (err) {
      log.error({ err }, 'What is owed could not be given back, and waits until its lease lapses')
    }
  }

  async function shutDown(): Promise<void> {
    stopHearing()
    steering.stop()
    // Nothing more is begun that is not a webhook's; what is refused from now on is under way for a moment, too.
    const stopping = delivery.stop()
    while (underWay.size > 0) await Promise.all(underWay)
    await stopping
    // What those webhooks have left behind.
    await delivery.stop()
    await Promise.all([...retiring, closeClients(live.clients.values()), poster.close()])
    await giveBack()
    await secretUses.stop()
    await Promise.all([store.close(), redis?.close()])
  }

  return {
    configuration: () => live.configuration,
    topology: () => live.topology,
    steering,
    regionClient: (name) => live.clients.get(name),
    secrets: () => live.secrets(),
    explain: (asked) =>
      explain(asked, {
        ...live.rooms,
        providers: live.providers,
        inspect: (key) => store.inspect(key),
        file: live.configuration.topology,
        overrides: steering.regions(),
        breaker: (name) => live.clients.get(name)?.breaker.state,
        rateLimitPerMinute: live.configuration.settings.RATE_LIMIT_PER_MINUTE,
      }),
    clock,
    ids,
    log,
    counters,
    store,
    directory: editor,
    spool,
    news,
    providers: () => live.providers,
    doorAt(path) {
      for (const provider of live.providers) {
        const door = provider.match(path)
        if (door === undefined) continue
        const { rooms, traceParts, configuration } = live
        return { provider, door, rooms, traceParts, settings: configuration.settings }
      }
      return undefined
    },
    follow: (moved) => delivery.follow(moved),
    lookAtMailboxes: () => delivery.mailboxes.lookAtAll(),
    directoryChanged,
    track(work) {
      const tracked = work
        .catch((err: unknown) => log.error({ err }, 'A webhook was answered, but its story could not be told'))
        .finally(() => underWay.delete(tracked))
      underWay.add(tracked)
    },
    underWay: () => underWay.size,
    ready: async () => !draining && (await directory.usable()),
    draining: () => draining,
    reload() {
      const faults = swap()
      if (faults.length > 0) {
        counters.count('config_reload_failed_total', {})
        log.error({ faults }, 'The changed configuration is not valid; the old one stays')
        return faults
      }
      const { settings, topology } = live.configuration
      log.info({ regions: topology.regions.map(({ name }) => name) }, 'The configuration was reloaded')
      const variables = changedButFixed(atStart, settings)
      if (variables.length > 0) log.warn({ variables }, 'Some changes take effect after a restart only')
      return []
    },
    startDraining() {
      draining = true
    },
    close() {
      draining = true
      closed ??= shutDown()
      return closed
    },
    giveBack,
    closing: () => closed !== undefined,
  }
}

/** What a region's connections and slots are made of; its state and its key are read anew for each call. */
function transportOf({ address, tls, maxConcurrency, maxQueue, timeoutMs, breaker }: Region) {
  return { address: address.href, tls, maxConcurrency, maxQueue, timeoutMs, breaker }
}

const HOUR_MS = 3_600_000
/** How often a client that was replaced is looked at, until its last call has ended. */
const IDLE_LOOK_MS = 100
