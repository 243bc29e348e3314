import { createDedup } from '../../src/dedup/dedup.ts'
import { createDelivery } from '../../src/delivery/delivery.ts'
import type { Followed, MovedOrganization } from '../../src/delivery/follow.ts'
import { createAnswerPoster } from '../../src/delivery/post-answer.ts'
import { cacheDirectory } from '../../src/directory/cache.ts'
import type { DirectoryEditor } from '../../src/directory/edit.ts'
import type { DirectoryStore } from '../../src/directory/store.ts'
import { createForward } from '../../src/dispatch/forward.ts'
import { createRegionClient } from '../../src/dispatch/region-client.ts'
import { handleWebhook, type Answer, type Arrival, type Rooms } from '../../src/handle-webhook.ts'
import type { Ids } from '../../src/ids.ts'
import { createRateLimit } from '../../src/limit/rate-limit.ts'
import type { Provider } from '../../src/provider.ts'
import type { Topology } from '../../src/regions/regions.ts'
import { createSealer } from '../../src/spool/seal.ts'
import type { Spool, WaitingRow } from '../../src/spool/spool.ts'
import { openSqliteSpool } from '../../src/spool/sqlite/sqlite-spool.ts'
import { createAlarms } from '../../src/telemetry/alarm.ts'
import { createCounters } from '../../src/telemetry/counters.ts'
import type { Log } from '../../src/telemetry/log.ts'
import type { WebhookTrace } from '../../src/telemetry/trace.ts'
import type { Mutation } from './mutations.ts'
import { BUDGET_MS } from './virtual-provider.ts'
import { startVirtualThread, type ThreadParts, type VirtualThread } from './virtual-thread.ts'
import type { Owner } from './virtual-time.ts'
import { withNetwork, type Network } from './virtual-undici.ts'

/** What surrounds every process of a world. */
export interface Surroundings extends Omit<ThreadParts, 'owner' | 'instance' | 'committed' | 'leased'> {
  readonly network: Network
  readonly directory: (
    owner: Owner,
  ) => Pick<DirectoryStore, 'find' | 'ping'> & Pick<DirectoryEditor, 'forgetFormerHomes'>
  readonly topology: () => Topology
  readonly provider: Provider
  readonly random: () => number
  readonly encrypted: boolean
  readonly maxAgeMs: number
  /** CACHE_HARD_MS. */
  readonly cacheMs: number
  readonly mutation: Mutation
}

/** What a process tells whoever watches it. */
export interface Watcher {
  /** Before anything of it runs. */
  born(owner: Owner): void
  committed(of: GatewayProcess, ...call: Parameters<ThreadParts['committed']>): void
  log(of: GatewayProcess, level: string, fields: Record<string, unknown>, message: string): void
  /** Just before its lease is renewed. */
  leased(of: GatewayProcess): void
  /** It has learnt what a mailbox's head is, and is about to try it. */
  tries(of: GatewayProcess, mailbox: number, row: WaitingRow): void
}

/** One gateway, all of its delivery as it is shipped, over a virtual network, store and clock. */
export interface GatewayProcess extends Owner {
  readonly name: string
  accepting: boolean
  /** Until when the store takes what it holds for its own. */
  leasedUntil: number
  readonly counters: ReturnType<typeof createCounters>
  readonly regions: ReadonlyMap<string, ReturnType<typeof createRegionClient>>
  readonly spool: Spool
  readonly owed: () => number
  handle(arrival: Arrival, trace: WebhookTrace): Promise<Answer>
  track(work: Promise<unknown>): void
  look(): void
  /** What waits for an organization follows it, as the admin API sees to it. */
  follow(moved: MovedOrganization): Promise<Followed>
  /** Lets nothing more in, and ends when nothing goes on any more; what is owed is left. */
  drain(): Promise<void>
  die(wasCommitted: boolean): void
}

/** Keys for what is encrypted; any 32 bytes will do. */
export const KEYS = [{ id: 'k1', key: Buffer.alloc(32, 7) }]

export async function startGateway(name: string, around: Surroundings, watcher: Watcher): Promise<GatewayProcess> {
  const { time, network, topology, provider, random, mutation } = around
  const owner: Owner & { name: string; accepting: boolean; leasedUntil: number } = {
    name,
    state: 'running',
    accepting: false,
    leasedUntil: 0,
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- completed below, and nobody is told of it before
  const gateway = owner as GatewayProcess
  watcher.born(owner)
  const clock = time.clockOf(owner)
  const counters = createCounters()
  const tell = (level: string) => (fields: Record<string, unknown>, message: string) =>
    watcher.log(gateway, level, fields, message)
  const log: Log = { debug: tell('debug'), info: tell('info'), warn: tell('warn'), error: tell('error') }
  const alarms = createAlarms({ clock, log })
  const ids = countedIds(name)
  const sealer = createSealer(around.encrypted ? KEYS : [])
  const underWay = new Set<Promise<unknown>>()
  let thread: VirtualThread | undefined
  const startThread = ({ instance }: { instance: string }) => {
    thread = startVirtualThread({
      ...around,
      owner,
      instance,
      committed: (call, result) => watcher.committed(gateway, call, result),
      leased(until) {
        watcher.leased(gateway)
        owner.leasedUntil = until
      },
    })
    return thread as ReturnType<typeof startVirtualThread>
  }

  const spool = mutation.spool(
    await openSqliteSpool(':memory:', { clock, instance: mutation.instance(name), startThread }),
  )
  const store = around.directory(owner)
  const directory = cacheDirectory(store, {
    entries: 100,
    freshMs: around.cacheMs / 2,
    hardMs: around.cacheMs,
    staleMs: 86_400_000,
    clock,
    counters,
    log,
  })
  const asking = mutation.asking({ find: (key) => directory.ask(key) }, directory)
  const dedup = mutation.dedup(createDedup<Answer>({ maxEntries: 64, clock, counters }))
  const poster = withNetwork({ owner, time, network }, () => createAnswerPoster({ clock }))
  const delivery = createDelivery(
    mutation.delivery({
      note() {},
      spool: {
        ...spool,
        async next(mailbox) {
          const next = await spool.next(mailbox)
          if (next.kind === 'row') watcher.tries(gateway, mailbox, next.row)
          return next
        },
      },
      poster,
      unheardMs: around.cacheMs,
      directory: { ...asking, forgetFormerHomes: (...which) => store.forgetFormerHomes(...which) },
      now: () => ({
        topology: topology(),
        provider: () => provider,
        client: (region) => regions.get(region),
        forward,
        sealer,
        maxAgeMs: around.maxAgeMs,
        deadLetterMs: 30 * 86_400_000,
        logSample: 1,
      }),
      clock,
      log,
      alarms,
      counters,
      random,
    }),
  )
  const { mailboxes, late } = delivery
  const regions = withNetwork(
    { owner, time, network },
    () =>
      new Map(
        topology().regions.map((region) => {
          const limits = { clock, maxReplyBytes: 10_000, longestCallMs: BUDGET_MS, watch: mailboxes.watch(region.name) }
          return [region.name, createRegionClient(region, limits)]
        }),
      ),
  )
  const forward = createForward({ clock, ids, client: ({ name: region }) => regions.get(region) })
  const rooms = (): Rooms => ({
    clock,
    ids,
    random,
    dedup,
    limit: createRateLimit({ perMinute: () => undefined, clock, counters }),
    directory,
    topology: topology(),
    shed: () => [],
    forward,
    mailboxes,
    late,
    sealer,
    maxBodyBytes: 10_000,
  })

  Object.assign(gateway, {
    counters,
    regions,
    spool,
    owed: () => late.owed(),
    handle: (arrival: Arrival, trace: WebhookTrace) => handleWebhook(arrival, rooms(), trace),
    track(work: Promise<unknown>) {
      const tracked = work.catch(() => {}).finally(() => underWay.delete(tracked))
      underWay.add(tracked)
    },
    look: () => mailboxes.look(),
    follow: (moved: MovedOrganization) => delivery.follow(moved),
    async drain() {
      gateway.accepting = false
      const stopping = delivery.stop()
      while (underWay.size > 0) await Promise.all(underWay)
      await stopping
      await delivery.stop()
      await Promise.all([...regions.values()].map((client) => client.close()).concat(poster.close()))
      await spool.close()
    },
    die(wasCommitted: boolean) {
      gateway.state = 'dead'
      gateway.accepting = false
      thread?.die(wasCommitted)
    },
  })
  await delivery.start()
  gateway.accepting = true
  return gateway
}

function countedIds(name: string): Ids {
  let next = 0
  return {
    delivery: () => `${name}-${next++}`,
    nonce: () => `${name}-${next++}`,
    hex: (bytes) => (next++).toString(16).padStart(2 * bytes, '0'),
  }
}
