/*
 * What it costs to know where a workspace's customers live: from memory, and from the database when it is asked for the
 * first time; what an import takes; and how often a fleet that is warm asks at all.
 */
import { availableParallelism, totalmem } from 'node:os'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Client } from 'pg'
import { systemClock, type Clock } from '../src/clock.ts'
import { cacheDirectory, type DirectoryCache, type Reading } from '../src/directory/cache.ts'
import type { InstallationKey } from '../src/directory/directory.ts'
import { openDirectory, type DirectoryStore } from '../src/directory/store.ts'
import { createCounters } from '../src/telemetry/counters.ts'
import { createLog } from '../src/telemetry/log.ts'
import { createManualClock } from '../test/support/manual-clock.ts'
import { startPostgres, testsPostgres } from '../test/support/postgres-server.ts'
import { externalId, fill } from './directory-file.ts'
import { machine } from './machine.ts'
import { percentilesOf } from './pace.ts'
import { positiveInteger } from './rounds.ts'
import { openStage } from './stage.ts'
import { median, spread } from './statistics.ts'

const IN_FLIGHT = 16
const CACHED_LOOK_UPS = 200_000
const WARM_KEYS = 1000
const WARM_FLEET = 3
const WARM_MINUTES = 30

export async function benchDirectory(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      rows: { type: 'string' },
      rounds: { type: 'string' },
    },
  })
  const integrations = positiveInteger('--rows', values.rows) ?? (values.quick ? 100_000 : 10_000_000)
  const rounds = positiveInteger('--rounds', values.rounds) ?? (values.quick ? 3 : 7)
  const results: Result[] = []
  const add = (result: Result): void => {
    results.push(result)
    if (!values.json) console.log(`${result.what.padEnd(58)} ${result.figure}`)
  }
  await inMemory(add, rounds)
  await warmFleet(add)
  await onSqlite(add, { integrations: Math.min(integrations, 1_000_000), rounds })
  if (testsPostgres()) await onPostgres(add, { integrations, rounds })
  if (values.json) console.log(JSON.stringify({ machine: machine(), results }, undefined, 2))
}

interface Result {
  readonly what: string
  readonly figure: string
  readonly values: Readonly<Record<string, number>>
}

type Add = (result: Result) => void

async function inMemory(add: Add, rounds: number): Promise<void> {
  const store = await openDirectory({ kind: 'sqlite', path: ':memory:' }, { clock: systemClock })
  await fill(store, WARM_KEYS)
  const { directory } = cached(store, systemClock)
  for (let key = 1; key <= WARM_KEYS; key++) await directory.find(keyOf(key))
  const p50: number[] = []
  const p99: number[] = []
  for (let round = 0; round < rounds; round++) {
    const times = new Float64Array(CACHED_LOOK_UPS)
    for (let at = 0; at < CACHED_LOOK_UPS; at++) {
      const key = keyOf(1 + (at % WARM_KEYS))
      const begun = performance.now()
      await directory.find(key)
      times[at] = (performance.now() - begun) * 1000
    }
    const taken = percentilesOf(times)
    p50.push(taken.p50)
    p99.push(taken.p99)
  }
  await store.close()
  add({
    what: 'resolved from memory',
    figure: `p50 ${spread(p50, 2)} µs   p99 ${spread(p99, 2)} µs`,
    values: { p50_us: median(p50), p99_us: median(p99) },
  })
}

/** Each key is wanted again and again, by every gateway, for half an hour of their clock. */
async function warmFleet(add: Add): Promise<void> {
  const clock = createManualClock()
  const store = await openDirectory({ kind: 'sqlite', path: ':memory:' }, { clock: systemClock })
  await fill(store, WARM_KEYS)
  let asked = 0
  const counting: Pick<DirectoryStore, 'find' | 'ping'> = {
    ping: () => store.ping(),
    find: (key) => {
      asked += 1
      return store.find(key)
    },
  }
  const fleet = Array.from({ length: WARM_FLEET }, (_, self) =>
    cached(counting, clock, (reading) => {
      for (const [other, { directory }] of fleet.entries()) if (other !== self) directory.readElsewhere(reading)
    }),
  )
  const everybody = async (): Promise<void> => {
    for (const { directory } of fleet) {
      for (let key = 1; key <= WARM_KEYS; key++) await directory.find(keyOf(key))
      // What is read behind is there, and told, before a webhook of the same workspace comes to the next gateway.
      await nextTurn()
    }
  }
  await everybody()
  asked = 0
  for (let second = 0; second < WARM_MINUTES * 60; second++) {
    clock.advance(1000)
    await everybody()
  }
  await store.close()
  // Of which CACHE_FRESH_MS is half.
  const perFreshMs = asked / WARM_KEYS / WARM_MINUTES / 2
  add({
    what: `asked of the database by a fleet of ${WARM_FLEET}, per key and CACHE_FRESH_MS`,
    figure: perFreshMs.toFixed(3),
    values: { per_key_and_fresh_ttl_of_3: perFreshMs },
  })
}

interface Size {
  readonly integrations: number
  readonly rounds: number
}

async function onSqlite(add: Add, { integrations, rounds }: Size): Promise<void> {
  const stage = openStage()
  try {
    const store = await openDirectory({ kind: 'sqlite', path: `${stage.folder}/directory.db` }, { clock: systemClock })
    await fill(store, integrations)
    await coldLookUps(add, store, { integrations, rounds, name: 'SQLite' })
    await store.close()
  } finally {
    await stage.leave()
  }
}

async function onPostgres(add: Add, { integrations, rounds }: Size): Promise<void> {
  // A quarter of the memory, as its manual advises (https://www.postgresql.org/docs/15/runtime-config-resource.html).
  const sharedBuffers = `${Math.floor(totalmem() / 4 / 1024 ** 2)}MB`
  const server = await startPostgres({ durable: true, sharedBuffers })
  try {
    const url = await server.createDatabase()
    // As many connections as the database has use for on so many cores; the others that are in flight wait here.
    const poolMax = 2 * availableParallelism()
    const database = { kind: 'postgres', url, poolMax, statementTimeoutMs: 10_000 } as const
    const store = await openDirectory(database, { clock: systemClock })
    await generate(url, integrations)
    await coldLookUps(add, store, { integrations, rounds, name: 'PostgreSQL' })
    await store.close()
  } finally {
    await server.close()
  }
}

/** Keys that nobody has asked for before, so many at a time. */
async function coldLookUps(
  add: Add,
  store: DirectoryStore,
  { integrations, rounds, name }: Size & { name: string },
): Promise<void> {
  const lookUps = 20_000
  const p50: number[] = []
  const p99: number[] = []
  const perSecond: number[] = []
  const ask = async (times: Float64Array, from: number): Promise<void> => {
    for (let at = from; at < lookUps; at += IN_FLIGHT) {
      const key = keyOf(1 + Math.floor(Math.random() * integrations))
      const begun = performance.now()
      const { installation } = await store.find(key)
      times[at] = performance.now() - begun
      if (installation === undefined) throw new Error('a workspace is missing')
    }
  }
  // One round more than is counted: connections are made and statements prepared in it.
  for (let round = 0; round <= rounds; round++) {
    const times = new Float64Array(lookUps)
    const begun = performance.now()
    await Promise.all(Array.from({ length: IN_FLIGHT }, (_, from) => ask(times, from)))
    if (round === 0) continue
    const taken = percentilesOf(times)
    p50.push(taken.p50)
    p99.push(taken.p99)
    perSecond.push((lookUps / (performance.now() - begun)) * 1000)
  }
  add({
    what: `resolved cold, ${name}, ${integrations.toLocaleString('en')} integrations, ${IN_FLIGHT} in flight`,
    figure: `p50 ${spread(p50, 2)} ms   p99 ${spread(p99, 2)} ms   ${spread(perSecond, 0)} /s`,
    values: { p50_ms: median(p50), p99_ms: median(p99), per_second: median(perSecond) },
  })
}

function cached(
  store: Pick<DirectoryStore, 'find' | 'ping'>,
  clock: Clock,
  onReading?: (reading: Reading) => void,
): { directory: DirectoryCache } {
  const directory = cacheDirectory(store, {
    entries: 100_000,
    freshMs: 30_000,
    hardMs: 60_000,
    staleMs: 86_400_000,
    clock,
    counters: createCounters(),
    log: createLog('silent'),
    onReading,
  })
  return { directory }
}

/** The same as an import of such a file leaves, made in the server: sending it all there would take most of the time. */
async function generate(url: string, integrations: number): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(
      `insert into organizations (id, slug, name, region, status, epoch)
       select id, 'org-' || id, 'Organization ' || id, 'r' || id % 3, 'active', 0 from generate_series(1, $1::bigint) id`,
      [integrations],
    )
    await client.query(
      `insert into integrations (id, provider, app_id, external_id, name, status)
       select id, 'slack', '', 'T' || lpad(id::text, 9, '0'), 'Workspace ' || id, 'active'
       from generate_series(1, $1::bigint) id`,
      [integrations],
    )
    await client.query(
      `insert into organization_integrations (integration_id, organization_id, status)
       select id, id, 'active' from generate_series(1, $1::bigint) id`,
      [integrations],
    )
    await client.query('vacuum analyze')
    // What was just made is written to its files now, and not beside the look-ups.
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
}

function keyOf(integration: number): InstallationKey {
  return { by: 'external', provider: 'slack', appId: '', externalId: externalId(integration) }
}
