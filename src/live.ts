import { changedButFixed, type Configuration, type readConfiguration } from './config/configuration.ts'
import type { Delivery, DeliveryNow } from './delivery/delivery.ts'
import type { IdentityStore } from './directory/identities.ts'
import { createForward } from './dispatch/forward.ts'
import type { RegionClient } from './dispatch/region-client.ts'
import { renewRegionClients, whenIdle, type RegionClients } from './dispatch/region-clients.ts'
import type { Rooms } from './handle-webhook.ts'
import type { Provider } from './provider.ts'
import type { Topology } from './regions/regions.ts'
import type { SecretList, SecretUses } from './secrets/secret-uses.ts'
import { createSealer } from './spool/seal.ts'
import { steered } from './steering/region-overrides.ts'
import type { Steering } from './steering/steering.ts'
import type { Alarms } from './telemetry/alarm.ts'
import type { Counters } from './telemetry/counters.ts'
import type { Histograms } from './telemetry/histograms.ts'
import type { Log } from './telemetry/log.ts'
import { measureAttempt } from './telemetry/measure-attempt.ts'
import { traceAttempts } from './telemetry/trace-attempts.ts'
import type { TraceParts } from './telemetry/trace.ts'

/** What a reload replaces as a whole: whoever holds it goes on with it, whatever is in effect by then. */
export interface InEffect {
  readonly configuration: Configuration
  /** The regions with the states that are in effect: as configured, or as the fleet was told. */
  readonly topology: Topology
  readonly secrets: SecretList
  readonly providers: readonly Provider[]
  readonly clients: RegionClients
  readonly rooms: Rooms
  readonly delivery: DeliveryNow
  readonly traceParts: TraceParts
}

export interface LiveParts {
  /** Reads the configuration as it is by now. */
  readonly read: () => ReturnType<typeof readConfiguration>
  /** The rooms that no reload touches. */
  readonly standing: Omit<Rooms, 'topology' | 'forward' | 'sealer' | 'maxBodyBytes'>
  readonly mailboxes: Pick<Delivery['mailboxes'], 'watch' | 'look'>
  readonly steering: Pick<Steering, 'regions'>
  readonly secretUses: Pick<SecretUses, 'begin'>
  readonly identities: IdentityStore
  /** Resolves when the webhooks that are under way now have come to their end. */
  readonly webhooksEnded: () => Promise<unknown>
  readonly isOneTooMany: TraceParts['isOneTooMany']
  readonly onWebhook: TraceParts['onWebhook']
  readonly tracing: TraceParts['tracing']
  readonly record: TraceParts['record']
  readonly log: Log
  readonly alarms: Alarms
  readonly counters: Counters
  readonly histograms: Histograms
}

/** What is in effect now. */
export interface Live {
  now(): InEffect
  /** Those that the last reading named, whether it was valid or not: to change any of them is worth another. */
  files(): readonly string[]
  /**
   * Puts the configuration as it is by now into effect. Returns its faults, and with any of them changes nothing. Never
   * throws.
   */
  reload(): readonly string[]
  /** Puts the states into effect that the fleet was told of regions; what is under way goes on with the old ones. */
  steer(): void
  /** Closes the connections to all regions, former ones too; to be called when no call is under way. Never rejects. */
  close(): Promise<void>
}

/** Puts a first configuration into effect. */
export function createLive(first: Configuration, parts: LiveParts): Live {
  const { read, mailboxes, steering, log, counters } = parts
  const { clock } = parts.standing
  /** Clients that a reload has replaced, until they are closed. */
  const retiring = new Set<Promise<void>>()
  let live = build(first, undefined, parts)
  let { files } = first

  function swap(): readonly string[] {
    try {
      const again = read()
      files = again.ok ? again.configuration.files : again.files
      if (!again.ok) return again.faults
      const before = live.clients.byName
      live = build(again.configuration, live, parts)
      retire([...before].flatMap(([name, client]) => (live.clients.byName.get(name) === client ? [] : [client])))
      mailboxes.look()
      return []
    } catch (error) {
      return [`the configuration cannot be put to work: ${error instanceof Error ? error.message : String(error)}`]
    }
  }

  /**
   * A webhook that came before the swap may still be on its way to a region, and deferred calls belong to no webhook
   * that is under way: a region's connections stay until both are done.
   */
  function retire(clients: readonly RegionClient[]): void {
    const retired = parts
      .webhooksEnded()
      .then(() => Promise.all(clients.map((client) => whenIdle(client, clock))))
      .then(() => closeClients(clients))
      .finally(() => retiring.delete(retired))
    retiring.add(retired)
  }

  async function closeClients(clients: Iterable<RegionClient>): Promise<void> {
    for (const client of clients) {
      await client.close().catch((err: unknown) => log.error({ err }, "A region's connections could not be closed"))
    }
  }

  return {
    now: () => live,
    files: () => files,
    reload() {
      const faults = swap()
      if (faults.length > 0) {
        counters.count('config_reload_failed_total', {})
        log.error({ faults }, 'The changed configuration is not valid; the old one stays')
        return faults
      }
      const { settings, topology } = live.configuration
      log.info({ regions: topology.regions.map(({ name }) => name) }, 'The configuration was reloaded')
      const variables = changedButFixed(first.settings, settings)
      if (variables.length > 0) log.warn({ variables }, 'Some changes take effect after a restart only')
      return []
    },
    steer() {
      const topology = steered(live.configuration.topology, steering.regions())
      live = { ...live, topology, rooms: { ...live.rooms, topology }, delivery: { ...live.delivery, topology } }
      log.info({ overrides: steering.regions() }, 'The states of regions were changed')
      mailboxes.look()
    },
    async close() {
      await Promise.all([...retiring, closeClients(live.clients.byName.values())])
    },
  }
}

function build(configuration: Configuration, before: InEffect | undefined, parts: LiveParts): InEffect {
  const { standing, mailboxes, log, alarms, counters, histograms, tracing } = parts
  const { clock, ids, random } = standing
  const { settings, warnings } = configuration
  for (const warning of warnings) log.warn({}, warning)
  const topology = steered(configuration.topology, parts.steering.regions())
  const secrets = parts.secretUses.begin()
  const signed = listSigningKeys(settings, topology, secrets)
  const providers = configuration.providers.map(({ definition, environment, rules }) =>
    definition.create(
      { environment, rules },
      { clock, counters, log, alarms, identities: parts.identities, listSecret: secrets.list },
    ),
  )
  const longestCallMs = Math.max(...providers.map(({ budgetMs }) => budgetMs))
  const clients = renewRegionClients(topology.regions, before?.clients, {
    limits: { maxReplyBytes: settings.MAX_REPLY_BYTES, longestCallMs },
    clock,
    watch: (region) => mailboxes.watch(region),
    onAttempt: (region, ms, outcome) => measureAttempt(region, ms, outcome, { counters, histograms }),
  })
  const untraced = createForward({
    clock,
    ids,
    client: ({ name }) => clients.byName.get(name),
    signed: (keyId) => signed(keyId, clock.now()),
  })
  const forward = tracing === undefined ? untraced : traceAttempts(untraced, tracing, clock)
  const sealer = createSealer(settings.SPOOL_KEYS)
  return {
    configuration,
    topology,
    secrets,
    providers,
    clients,
    rooms: { ...standing, topology, forward, sealer, maxBodyBytes: settings.MAX_BODY_BYTES },
    delivery: {
      topology,
      provider: (name) => providers.find((provider) => provider.name === name),
      client: (name) => clients.byName.get(name),
      forward,
      sealer,
      logSample: settings.LOG_SAMPLE,
      maxAgeMs: Math.ceil(settings.SPOOL_MAX_AGE_HOURS * HOUR_MS),
      deadLetterMs: Math.ceil(settings.DEAD_LETTER_DAYS * 24 * HOUR_MS),
    },
    traceParts: {
      clock,
      counters,
      histograms,
      log,
      alarms,
      logSample: settings.LOG_SAMPLE,
      random,
      isOneTooMany: parts.isOneTooMany,
      tracing,
      onWebhook: parts.onWebhook,
      record: parts.record,
    },
  }
}

/** Takes down the keys that requests to regions are signed with. To be told which of them was used, and when. */
function listSigningKeys(
  { REGION_SIGNING_KEYS: keys }: Configuration['settings'],
  { regions }: Topology,
  { list }: SecretList,
): (id: string, at: number) => void {
  const signsFor = (id: string): boolean => regions.some(({ signingKey }) => signingKey?.id === id)
  const uses = new Map(
    keys.map(({ id, secret: value }) => [
      id,
      list({ name: 'REGION_SIGNING_KEYS', owner: { id }, value, inUse: signsFor(id) }),
    ]),
  )
  return (id, at) => {
    const use = uses.get(id)
    if (use !== undefined) use.lastUsedAt = at
  }
}

const HOUR_MS = 3_600_000
