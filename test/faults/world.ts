import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { z } from 'zod'
import { SIGNING_SECRET } from '../support/test-gateway.ts'
import { startPostgres, testsPostgres, type PostgresServer } from '../support/postgres-server.ts'
import { startRedis, testsRedis, type RedisServer } from '../support/redis-server.ts'
import { startBalancer } from './balancer.ts'
import { Skipped } from './fault.ts'
import { startFaultRegion, type FaultRegion } from './fault-region.ts'
import { createGatewayProcess, gatewayProgram, type GatewayOptions, type GatewayProcess } from './gateway-process.ts'
import { isPending, type Excuses } from './judge.ts'
import { acceptedAt, openLedger, type Heard, type Ledger, type Sent } from './ledger.ts'
import { startResponseServer, type ResponseServer } from './response-server.ts'
import { sendWebhook, type SendOptions } from './slack-client.ts'
import { interactive, pageSecret, webhook, type Surface } from './surfaces.ts'
import { directory, hurtTeams, neighbour, regionNames, teamEverywhere, type RegionName, type Team } from './teams.ts'

/** One gateway between regions, a response_url server and a Slack, all on loopback. */
export interface World {
  readonly folder: string
  /** Where the gateway's database is. */
  readonly store: string
  readonly gateway: GatewayProcess
  /** Where Slack knocks: at the gateway, or in front of a fleet. */
  readonly port: number
  /** All of a fleet, the gateway above among them. */
  readonly fleet: readonly GatewayProcess[]
  /** What a fleet shares; a gateway alone has its file. */
  readonly servers: { readonly postgres: PostgresServer; readonly redis: RedisServer } | undefined
  /** A second gateway on the same store, not started yet. Slack knows nothing of it. */
  another(): Promise<GatewayProcess>
  readonly regions: Readonly<Record<RegionName, FaultRegion>>
  readonly responses: ResponseServer
  readonly ledger: Ledger
  readonly random: () => number
  /** How many requests of each surface a wave has, and how many events each mailbox gets in it. */
  readonly load: Load
  /** Sends one webhook once. */
  send(surface: Surface, team: Team, options?: SendOptions): Promise<Sent>
  /** Sends the same webhook again, as Slack does when it was not accepted. */
  sendAgain(sent: Sent): Promise<Heard | undefined>
  /** Everything at once, but for the events of a mailbox, which come one after the other. Resolves when all is answered. */
  wave(load?: Load): Promise<void>
  /** What Slack does with events that were not accepted: sends them again, in their order. */
  retryRefused(): Promise<void>
  /** Writes regions.yaml, with this address for the region that is hurt. */
  writeRegions(hurtAddress: string): Promise<void>
  /** Waits until the hurt region's answers come through again. Complains when they do not. */
  recovered(): Promise<void>
  /**
   * Waits until everything that is owed has arrived and nothing happens any more, but not for ever: for `patienceMs` and,
   * where a mailbox by then rests after so many failures, for as long again when it has had its rest.
   */
  settled(patienceMs: number): Promise<void>
  close(): Promise<void>
}

export interface Load {
  readonly perSurface: number
  readonly perMailbox: number
}

export interface WorldOptions {
  readonly load: Load
  readonly excuses: Excuses
  readonly random: () => number
  readonly env?: Readonly<Record<string, string>>
  /** What regions.yaml says of every region besides name and address. */
  readonly entries?: Readonly<Record<string, unknown>>
  /** The hurt region's address while the fault lasts. */
  readonly hurtAddress?: string
  readonly preload?: readonly string[]
  /** How many gateways share a PostgreSQL and a Redis behind a balancer; without it there is one, with a file. */
  readonly fleet?: number
  /** A command that runs the gateway, given the folder of its store. */
  readonly within?: (store: string) => readonly string[]
}

const run = promisify(execFile)
const RECOVERY_PATIENCE_MS = 15_000
/** As long as nothing may happen before all is believed to be over. */
const QUIET_MS = 700
const SLACK_RETRIES = 3
/** What a wave is spread over, for each of its requests of a surface. */
const SPREAD_MS = 20
/** Between two requests of a mailbox's sender when the gateway is away. */
const AWAY_MS = 50

/** A database with the directory in it, for every world to begin with a copy of. */
export async function importDirectory(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'silo-gateway-faults-'))
  await writeFile(join(folder, 'directory.json'), JSON.stringify(directory))
  await writeFile(join(folder, 'regions.yaml'), regionsYaml(['http://127.0.0.1:1', 'http://127.0.0.1:1'], {}))
  await mkdir(join(folder, 'store'))
  await importInto('sqlite:store/silo-gateway.db', folder)
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) }
}

async function importInto(database: string, folder: string): Promise<void> {
  const { PATH, HOME } = process.env
  const env = { PATH, HOME, DATABASE_URL: database, SLACK_SIGNING_SECRETS: SIGNING_SECRET }
  await run(process.execPath, [gatewayProgram, 'directory', 'import', 'directory.json'], { cwd: folder, env })
}

/** Servers that lose nothing they have confirmed. */
async function startServers(template: string) {
  if (!testsPostgres() || !testsRedis()) throw new Skipped('PostgreSQL or Redis is not installed')
  const postgres = await startPostgres({ durable: true })
  const redis = await startRedis()
  const database = await postgres.createDatabase()
  await importInto(database, template)
  return { postgres, redis, env: { DATABASE_URL: database, REDIS_URL: redis.url } }
}

export async function openWorld(template: string, options: WorldOptions): Promise<World> {
  const { load, random, entries = {} } = options
  const folder = await mkdtemp(join(tmpdir(), 'silo-gateway-faults-'))
  const store = join(folder, 'store')
  await cp(join(template, 'store'), store, { recursive: true })
  const ledger = openLedger()
  const regions = { hurt: await startFaultRegion('hurt', ledger), well: await startFaultRegion('well', ledger) }
  const responses = await startResponseServer(ledger)
  const writeRegions = (hurtAddress: string): Promise<void> =>
    writeFile(join(folder, 'regions.yaml'), regionsYaml([hurtAddress, regions.well.address], entries))
  await writeRegions(options.hurtAddress ?? regions.hurt.address)
  const servers = options.fleet === undefined ? undefined : await startServers(template)
  const gateways: GatewayProcess[] = []
  const createGateway = async (): Promise<GatewayProcess> => {
    const created = await createGatewayProcess(gatewayOptions)
    gateways.push(created)
    return created
  }
  const gatewayOptions: GatewayOptions = {
    folder,
    preload: options.preload ?? [],
    ...(options.within && { within: options.within(store) }),
    env: {
      DATABASE_URL: `sqlite:${join(store, 'silo-gateway.db')}`,
      REGIONS_FILE: join(folder, 'regions.yaml'),
      SLACK_SIGNING_SECRETS: SIGNING_SECRET,
      PAGE_SIGNING_SECRET: pageSecret,
      SLACK_RESPONSE_HOSTS: responses.host,
      SPOOL_KEYS: `faults:${Buffer.alloc(32, 7).toString('base64')}`,
      LOG_SAMPLE: '0',
      ...servers?.env,
      ...options.env,
    },
  }
  const gateway = await createGateway()
  const fleet = [gateway]
  while (fleet.length < (options.fleet ?? 1)) fleet.push(await createGateway())
  await Promise.all(fleet.map((one) => one.start()))
  const balancer = servers && (await startBalancer(() => fleet.map(({ port }) => port)))
  const { port } = balancer ?? gateway

  async function attempt(sent: Sent, options: SendOptions = {}): Promise<Heard | undefined> {
    const request = webhook(sent.surface, sent.mark, sent.team, responses.url)
    const one = await sendWebhook(options.port ?? port, request, options)
    sent.tries.push(one)
    ledger.touchedAt = one.endedAt
    return one.heard
  }
  const note = (surface: Surface, team: Team): Sent => {
    const sent: Sent = { mark: ledger.nextMark(), surface, team, tries: [] }
    ledger.sent.set(sent.mark, sent)
    return sent
  }

  const world: World = {
    folder,
    store,
    gateway,
    port,
    fleet,
    servers,
    another: createGateway,
    regions,
    responses,
    ledger,
    random,
    load,
    async send(surface, team, options) {
      const sent = note(surface, team)
      await attempt(sent, options)
      return sent
    },
    sendAgain: (sent) =>
      attempt(sent, {
        headers: { 'X-Slack-Retry-Num': String(sent.tries.length), 'X-Slack-Retry-Reason': 'http_error' },
      }),
    async wave({ perSurface, perMailbox } = load) {
      const teams = [...hurtTeams, teamEverywhere]
      // All in flight together, but nobody clicks in the very same millisecond.
      const soon = () => sleep(random() * perSurface * SPREAD_MS)
      const clicks = interactive.flatMap((surface) =>
        Array.from({ length: perSurface }, async (_, at) => {
          await soon()
          await world.send(surface, teams[at % teams.length] ?? neighbour)
        }),
      )
      const next = Array.from({ length: perSurface }, async () => {
        await soon()
        await world.send('command', neighbour)
      })
      const chains = teams.map(async (team) => {
        for (let event = 0; event < perMailbox; event++) await world.send('event', team)
      })
      await Promise.all([...clicks, ...next, ...chains])
    },
    async retryRefused() {
      const refused = [...ledger.sent.values()].filter(
        (sent) => sent.surface === 'event' && acceptedAt(sent) === undefined,
      )
      const byTeam = Map.groupBy(refused, ({ team }) => team)
      await Promise.all(
        [...byTeam.values()].map(async (events) => {
          for (const event of events) await retry(event)
        }),
      )
    },
    writeRegions,
    async recovered() {
      const giveUpAt = performance.now() + RECOVERY_PATIENCE_MS
      for (;;) {
        const unanswered = (await isReached()) ? await clickAll() : ['no probe']
        if (unanswered.length === 0) return
        if (performance.now() > giveUpAt) {
          const what = unanswered.join(', ')
          ledger.complaints.push(
            `the region is well again, and ${RECOVERY_PATIENCE_MS} ms later it does not answer: ${what}`,
          )
          return
        }
        await sleep(100)
      }
    },
    async settled(patienceMs) {
      if (await isSettledIn(patienceMs)) return
      const rest = await longestRest()
      if (rest === undefined) return
      ledger.notes.push(`a mailbox rested for ${Math.round(rest.ms / 1000)} s more after ${rest.attempts} attempts`)
      await isSettledIn(rest.ms + patienceMs)
    },
    async close() {
      await Promise.all(gateways.map((one) => one.kill()))
      await Promise.all([...regionNames.map((name) => regions[name].close()), responses.close(), balancer?.close()])
      await Promise.all([servers?.postgres.close(), servers?.redis.close()])
      await rm(folder, { recursive: true, force: true })
    },
  }
  return world

  async function isSettledIn(ms: number): Promise<boolean> {
    const giveUpAt = performance.now() + ms
    while (performance.now() < giveUpAt) {
      const quietMs = performance.now() - ledger.touchedAt
      if (quietMs >= QUIET_MS && !isPending(ledger, options.excuses)) return true
      await sleep(100)
    }
    return false
  }

  /** Of the mailboxes whose back-off is not over: a head that has failed by chance so often waits for up to 5 minutes. */
  async function longestRest(): Promise<{ ms: number; attempts: number } | undefined> {
    const asked = gateways.find(({ running }) => running)
    if (asked === undefined) return undefined
    const reply = await fetch(`http://127.0.0.1:${asked.adminPort}/api/mailboxes?limit=100`)
    const { items } = z
      .object({ items: z.array(z.object({ retry_at: z.string().nullable(), head_attempts: z.int() })) })
      .parse(await reply.json())
    return items
      .map(({ retry_at, head_attempts: attempts }) => ({ ms: Date.parse(retry_at ?? '') - Date.now(), attempts }))
      .filter(({ ms }) => ms > 0)
      .toSorted((one, other) => other.ms - one.ms)[0]
  }

  async function isReached(): Promise<boolean> {
    const probe = webhook('options', 'mark-0000000', hurtTeams[0] ?? neighbour, responses.url)
    const { heard } = await sendWebhook(port, probe)
    return heard?.body.includes('taken') === true
  }

  /** One request of each surface; returns those that the region has not answered. */
  async function clickAll(): Promise<string[]> {
    const clicks = await Promise.all(interactive.map((surface) => world.send(surface, hurtTeams[0] ?? neighbour)))
    const unanswered = clicks.filter(({ mark, tries }) => tries[0]?.heard?.body.includes(`taken: ${mark}`) !== true)
    return unanswered.map(({ surface, tries }) => `${surface} got ${JSON.stringify(tries[0]?.heard).slice(0, 200)}`)
  }

  async function retry(event: Sent): Promise<void> {
    for (let retries = 0; retries < SLACK_RETRIES; retries++) {
      const heard = await world.sendAgain(event)
      if (heard !== undefined && heard.status < 300) return
      await sleep(AWAY_MS)
    }
  }
}

function regionsYaml([hurt, well]: readonly [string, string], entries: Readonly<Record<string, unknown>>): string {
  // JSON is YAML.
  return JSON.stringify({
    version: 1,
    regions: [
      { name: 'hurt', address: hurt, timeout_ms: 4000, breaker: { open_ms: 500 }, ...entries },
      { name: 'well', address: well, timeout_ms: 4000, breaker: { open_ms: 500 }, ...entries },
    ],
  })
}
