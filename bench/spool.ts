/*
 * What waiting costs: events written to disk before Slack's 200 while their region is away, a backlog delivered once
 * it is back, and the memory that a million waiting events take. The built gateway runs as a process with its settings
 * as shipped, what waits is encrypted, and Slack and the region are processes of their own beside it, on the same
 * cores. Needs Linux's /proc.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { RegionOrder, RegionReport } from './counting-region.ts'
import { machine } from './machine.ts'
import type { OpenLoad, OpenLoopReport } from './open-loop.ts'
import { cpuMs, residentMiB, watchOthers } from './process-account.ts'
import { positiveInteger, UsageError } from './rounds.ts'
import { EVENTS_PATH, eventBody, MAILBOXES, SECRET, slackHeaders, teamOf } from './slack-event.ts'
import {
  databaseIn,
  furnish,
  openStage,
  type GatewayEnv,
  type Helper,
  type ServingGateway,
  type Stage,
} from './stage.ts'
import { spread } from './statistics.ts'
import { countIn, fill, integrationOf } from './waiting-events.ts'

/** What is made ahead is enough for the rates that are judged. */
const EVENTS = { form: 'event', connections: 256, ahead: 50_000 } as const
const SPOOL_KEYS = `bench:${Buffer.alloc(32, 7).toString('base64')}`

const TARGETS = { spooledPerSecond: 4000, p99Ms: 50, drainedPerSecond: 3000, growthMiB: 100 }
/** The highest rate is found to within so many events a second. */
const RATE_STEP = 250
/** Until what runs all the time has been compiled. */
const WARM_UP = { perSecond: 2000, seconds: 10 }
/** What is served while memory is looked at. */
const TRAFFIC = { perSecond: 500, seconds: 15 }
const SAMPLE_MS = 200
/** At which a store is filled through the front door. */
const ARRIVING_PER_SECOND = 3000
/** Longer than a breaker stays open. */
const PATIENCE_MS = 30_000

const OTHERS = '  of the machine used by others, %'

const PARTS = ['spool', 'drain', 'memory', 'front-door']

interface Sizes {
  readonly rounds: number
  readonly seconds: number
  readonly drained: number
  readonly waiting: number
}

interface Actors {
  readonly stage: Stage
  readonly slack: Helper<OpenLoad, OpenLoopReport>
  readonly region: Helper<RegionOrder, RegionReport>
  readonly regionPort: number
  readonly sizes: Sizes
}

/** `perSecond`: at which they were sent. */
type Trial = OpenLoopReport & { readonly cpuMicros: number } & AmongOthers

/** What share of the machine had other things to do meanwhile. */
interface AmongOthers {
  readonly others: number
}

interface Spooled {
  readonly stored: number
  readonly atTarget: Trial
  readonly highest: Trial
}

interface Drained extends AmongOthers {
  readonly perSecond: number
  readonly seconds: number
  /** Until the region was found to be back. */
  readonly firstMs: number
  readonly cpuMicros: number
  readonly bySecond: readonly number[]
}

interface Remembered {
  readonly startedInMs: number
  readonly idleMiB: number
  readonly waitingMiB: number
  /** The most, while a part was delivered. */
  readonly drainingMiB: number
}

/** All of them having come as events do, instead of having been put into the store. */
interface Arrived {
  readonly idleMiB: number
  /** The most, from the first to the last. */
  readonly arrivingMiB: number
}

export async function benchSpool(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      // Of spool, drain, memory and front-door; the first three where it is not said.
      only: { type: 'string', multiple: true },
      // A folder for CPU profiles of the gateway's threads.
      profile: { type: 'string' },
    },
  })
  if (!existsSync('/proc/self/stat')) {
    console.error('There is no /proc, from which CPU time and memory are read: this bench runs on Linux')
    process.exitCode = 1
    return
  }
  const sizes: Sizes = {
    rounds: positiveInteger('--rounds', values.rounds) ?? (values.quick ? 1 : 3),
    seconds: positiveInteger('--seconds', values.seconds) ?? (values.quick ? 2 : 6),
    drained: values.quick ? 20_000 : 100_000,
    waiting: values.quick ? 100_000 : 1_000_000,
  }
  const parts = values.only ?? ['spool', 'drain', 'memory']
  const unknown = parts.find((part) => !PARTS.includes(part))
  if (unknown !== undefined) throw new UsageError(`--only is one of ${PARTS.join(', ')}, not ${unknown}`)

  const stage = openStage(
    values.profile === undefined ? {} : { nodeArgs: ['--cpu-prof', `--cpu-prof-dir=${values.profile}`] },
  )
  try {
    const region = stage.employ<RegionOrder, RegionReport>('counting-region.ts')
    const { port: regionPort } = await region.ask({ kind: 'come' })
    const actors = { stage, slack: stage.employ<OpenLoad, OpenLoopReport>('open-loop.ts'), region, regionPort, sizes }
    await checkAnswers(actors)
    const spooled: Spooled[] = []
    const drained: Drained[] = []
    for (let round = 0; round < sizes.rounds; round += 1) {
      if (parts.includes('spool')) spooled.push(told(await spool(actors)))
      if (parts.includes('drain')) drained.push(told(await drain(actors)))
    }
    const remembered = parts.includes('memory') ? await remember(actors) : []
    const arrived = parts.includes('front-door') ? [told(await arrive(actors))] : []
    const measured = { machine: machine(), sizes, targets: TARGETS, spooled, drained, remembered, arrived }
    console.log(values.json ? JSON.stringify(measured, null, 2) : table(measured))
  } finally {
    await stage.leave()
  }
}

/** Before anything is timed: that it is the right thing. */
async function checkAnswers({ stage, region, regionPort }: Actors): Promise<void> {
  const scene = await prepare(stage, { regionPort, regions: ['us'] })
  const gateway = await stage.serve(scene.env)
  const post = async (body: string, signedAs = body): Promise<number> => {
    const headers = slackHeaders(signedAs)
    return (await fetch(`${gateway.url}${EVENTS_PATH}`, { method: 'POST', body, headers })).status
  }
  expect('an event for a region that is there', await post(eventBody(0, 0)), 200)
  expect('what the region has of it', (await region.ask({ kind: 'await', events: 1, patienceMs: 1000 })).delivered, 1)
  expect('an event that was changed after it was signed', await post(eventBody(0, 1), eventBody(0, 2)), 401)
  await region.ask({ kind: 'go' })
  expect('an event for a region that is away', await post(eventBody(0, 1)), 200)
  expect('the same once more', await post(eventBody(0, 1)), 200)
  expect('what is on disk of them', (await countIn(scene.database)).waiting, 1)
  await region.ask({ kind: 'come' })
  const { delivered } = await region.ask({ kind: 'await', events: 1, patienceMs: PATIENCE_MS })
  expect('what has come to the region when it was back', delivered, 1)
  await region.ask({ kind: 'go' })
  await gateway.stop()
  scene.clear()
}

/** Events at constant rates while the region is away, each mailbox having one already. */
async function spool({ stage, slack, regionPort, sizes }: Actors): Promise<Spooled> {
  const scene = await prepare(stage, { regionPort, regions: ['us'] })
  const gateway = await stage.serve(scene.env)
  let stored = 0
  const post = async (perSecond: number, seconds = sizes.seconds): Promise<Trial> => {
    const cpuBefore = cpuMs(gateway.pid)
    const others = watchOthers([process.pid])
    const report = await slack.ask({ url: gateway.url, perSecond, seconds, ...EVENTS })
    const account = { cpuMicros: ((cpuMs(gateway.pid) - cpuBefore) * 1000) / report.due, others: others() }
    stored += report.accepted
    await pause(500)
    return { ...report, ...account, perSecond }
  }
  const holds = ({ latencyMs, due, accepted }: Trial): boolean => latencyMs.p99 < TARGETS.p99Ms && accepted === due

  const warmUp = await post(WARM_UP.perSecond, WARM_UP.seconds)
  const atTarget = await post(TARGETS.spooledPerSecond)
  for (const { failures } of [warmUp, atTarget]) expect('what failed', JSON.stringify(failures), '{}')

  let highest = holds(atTarget) ? atTarget : { ...warmUp, perSecond: 0 }
  let tooHigh = holds(atTarget) ? Number.POSITIVE_INFINITY : TARGETS.spooledPerSecond
  while (tooHigh - highest.perSecond > RATE_STEP) {
    const between = tooHigh === Number.POSITIVE_INFINITY ? highest.perSecond * 1.25 : (highest.perSecond + tooHigh) / 2
    const rate = Math.round(between / RATE_STEP) * RATE_STEP
    const trial = await post(rate)
    if (holds(trial)) highest = trial
    else tooHigh = rate
  }
  expect('the events on disk', (await countIn(scene.database)).waiting, stored)
  await gateway.stop()
  scene.clear()
  return { stored, atTarget, highest }
}

/** A backlog, from the moment at which the region is back to the last delivery. */
async function drain({ stage, region, regionPort, sizes }: Actors): Promise<Drained> {
  const scene = await prepare(stage, { regionPort, regions: ['us'] })
  await fill(scene.database, {
    events: sizes.drained,
    mailboxes: MAILBOXES,
    regionOf: () => 'us',
    spoolKeys: SPOOL_KEYS,
  })
  const gateway = await stage.serve(scene.env)
  // Long enough for the breaker to have opened.
  await pause(2000)
  const cpuBefore = cpuMs(gateway.pid)
  const watched = watchOthers([process.pid])
  await region.ask({ kind: 'come' })
  const report = await region.ask({ kind: 'await', events: sizes.drained, patienceMs: PATIENCE_MS })
  const cpuMicros = ((cpuMs(gateway.pid) - cpuBefore) * 1000) / sizes.drained
  const others = watched()
  expect('the events delivered', report.delivered, sizes.drained)
  expect('those out of order', report.outOfOrder, 0)
  expect('those delivered more than once', report.again, 0)
  await gateway.stop()
  expect('what is left on disk', (await countIn(scene.database)).waiting, 0)
  await region.ask({ kind: 'go' })
  scene.clear()
  const { lastMs, firstMs, bySecond } = report
  return { perSecond: (sizes.drained * 1000) / lastMs, seconds: lastMs / 1000, firstMs, cpuMicros, bySecond, others }
}

/** The same traffic with an empty store and with a full one; two regions, for one may not have so much waiting. */
async function remember(actors: Actors): Promise<Remembered[]> {
  const { stage, region, regionPort, sizes } = actors
  const regions = ['us', 'de'] as const
  const full = await prepare(stage, { regionPort, regions })
  const regionOf = (mailbox: number): string => regions[mailbox % 2]!
  await fill(full.database, { events: sizes.waiting, mailboxes: MAILBOXES, regionOf, spoolKeys: SPOOL_KEYS })
  const rounds: Remembered[] = []
  for (let round = 0; round < sizes.rounds; round += 1) {
    const empty = await prepare(stage, { regionPort, regions })
    const idle = await stage.serve(empty.env)
    const idleMiB = await residentWhile(idle, serveTraffic(actors, idle))
    await idle.stop()
    empty.clear()

    const busy = await stage.serve(full.env)
    const waitingMiB = await residentWhile(busy, serveTraffic(actors, busy))
    await region.ask({ kind: 'come' })
    const drainingMiB = await residentWhile(busy, pause(TRAFFIC.seconds * 1000))
    await busy.stop()
    await region.ask({ kind: 'go' })
    rounds.push(told({ startedInMs: busy.startedInMs, idleMiB, waitingMiB, drainingMiB }))
  }
  full.clear()
  return rounds
}

/** Takes minutes, of which each event is one that Slack has sent. */
async function arrive(actors: Actors): Promise<Arrived> {
  const { stage, regionPort, sizes } = actors
  const scene = await prepare(stage, { regionPort, regions: ['us', 'de'] })
  const gateway = await stage.serve(scene.env)
  const idleMiB = await residentWhile(gateway, serveTraffic(actors, gateway))
  const all = serveTraffic(actors, gateway, {
    perSecond: ARRIVING_PER_SECOND,
    seconds: sizes.waiting / ARRIVING_PER_SECOND,
  })
  const arrivingMiB = await residentWhile(gateway, all)
  await gateway.stop()
  const { waiting } = await countIn(scene.database)
  expect('the events on disk', waiting, Math.round(sizes.waiting) + TRAFFIC.perSecond * TRAFFIC.seconds)
  scene.clear()
  return { idleMiB, arrivingMiB }
}

async function serveTraffic(
  { slack }: Actors,
  { url }: ServingGateway,
  { perSecond, seconds } = TRAFFIC,
): Promise<void> {
  const { failures } = await slack.ask({ url, perSecond, seconds, ...EVENTS })
  expect('what failed', JSON.stringify(failures), '{}')
}

/** The most that it holds in the meantime. */
async function residentWhile({ pid }: ServingGateway, work: Promise<void>): Promise<number> {
  let most = residentMiB(pid)
  const sampling = setInterval(() => (most = Math.max(most, residentMiB(pid))), SAMPLE_MS)
  try {
    await work
    return most
  } finally {
    clearInterval(sampling)
  }
}

interface Scene {
  readonly env: GatewayEnv
  readonly database: string
  clear(): void
}

/** A gateway's files, and a customer of one region for each mailbox. */
async function prepare(
  stage: Stage,
  { regionPort, regions }: { regionPort: number; regions: readonly string[] },
): Promise<Scene> {
  const folder = join(stage.folder, String(performance.now()))
  mkdirSync(folder)
  const mailboxes = Array.from({ length: MAILBOXES }, (_, mailbox) => mailbox)
  const address = `http://127.0.0.1:${regionPort}`
  const env = await furnish(folder, {
    regions: `version: 1\nregions:\n${regions.map((name) => `  - { name: ${name}, address: '${address}', signing_key: bench }\n`).join('')}`,
    directory: {
      integrations: mailboxes.map((mailbox) => ({
        id: integrationOf(mailbox),
        provider: 'slack',
        external_id: teamOf(mailbox),
      })),
      organizations: mailboxes.map((mailbox) => ({
        id: integrationOf(mailbox),
        slug: `bench-${mailbox}`,
        region: regions[mailbox % regions.length],
      })),
      organization_integrations: mailboxes.map((mailbox) => ({
        integration_id: integrationOf(mailbox),
        organization_id: integrationOf(mailbox),
      })),
    },
    env: {
      SLACK_SIGNING_SECRETS: SECRET,
      REGION_SIGNING_KEYS: `bench:${Buffer.alloc(32, 8).toString('base64')}`,
      SPOOL_KEYS,
    },
  })
  return { env, database: databaseIn(folder), clear: () => rmSync(folder, { recursive: true }) }
}

function table({
  sizes,
  spooled,
  drained,
  remembered,
  arrived,
}: {
  sizes: Sizes
  spooled: readonly Spooled[]
  drained: readonly Drained[]
  remembered: readonly Remembered[]
  arrived: readonly Arrived[]
}): string {
  const rows: [name: string, figures: string, target: string][] = []
  const of = <Round>(rounds: readonly Round[], figure: (round: Round) => number, digits = 0): string =>
    spread(rounds.map(figure), digits)
  if (spooled.length > 0) {
    const { spooledPerSecond, p99Ms } = TARGETS
    rows.push(
      [`p99 at ${spooledPerSecond}/s, ms`, of(spooled, ({ atTarget }) => atTarget.latencyMs.p99, 1), `under ${p99Ms}`],
      ['  p50, ms', of(spooled, ({ atTarget }) => atTarget.latencyMs.p50, 1), ''],
      ['  longest, ms', of(spooled, ({ atTarget }) => atTarget.latencyMs.longest, 1), ''],
      ['  CPU of the gateway per event, µs', of(spooled, ({ atTarget }) => atTarget.cpuMicros), ''],
      ["  the load generator's own lag p99, ms", of(spooled, ({ atTarget }) => atTarget.lagMs.p99, 1), ''],
      [OTHERS, of(spooled, ({ atTarget }) => 100 * atTarget.others), ''],
      [
        `most per second with p99 under ${p99Ms} ms`,
        of(spooled, ({ highest }) => highest.perSecond),
        `${spooledPerSecond}`,
      ],
      ['  CPU of the gateway per event, µs', of(spooled, ({ highest }) => highest.cpuMicros), ''],
    )
  }
  if (drained.length > 0) {
    rows.push(
      [
        `${sizes.drained} drained, per second`,
        of(drained, ({ perSecond }) => perSecond),
        `${TARGETS.drainedPerSecond}`,
      ],
      ['  all of them in s', of(drained, ({ seconds }) => seconds, 1), ''],
      ['  until the first in ms', of(drained, ({ firstMs }) => firstMs), ''],
      ['  CPU of the gateway per event, µs', of(drained, ({ cpuMicros }) => cpuMicros), ''],
      [OTHERS, of(drained, ({ others }) => 100 * others), ''],
    )
  }
  if (remembered.length > 0) {
    const growth = of(remembered, ({ waitingMiB, idleMiB }) => waitingMiB - idleMiB)
    rows.push(
      [`MiB more with ${sizes.waiting} waiting`, growth, `at most ${TARGETS.growthMiB}`],
      ['  with none', of(remembered, ({ idleMiB }) => idleMiB), ''],
      ['  with all', of(remembered, ({ waitingMiB }) => waitingMiB), ''],
      ['  while some were delivered', of(remembered, ({ drainingMiB }) => drainingMiB), ''],
      ['  ms to start with all', of(remembered, ({ startedInMs }) => startedInMs), ''],
    )
  }
  if (arrived.length > 0) {
    const growth = of(arrived, ({ arrivingMiB, idleMiB }) => arrivingMiB - idleMiB)
    rows.push([`MiB more while ${sizes.waiting} arrived`, growth, ''])
  }
  const head = `${sizes.rounds} rounds; median (least to most); ${MAILBOXES} mailboxes`
  return [head, ...rows.map(([name, figures, target]) => `${name.padEnd(40)} ${figures.padEnd(34)} ${target}`)].join(
    '\n',
  )
}

/** A run takes minutes; whoever waits sees how it goes. */
function told<Round>(round: Round): Round {
  console.error(JSON.stringify(round))
  return round
}

function expect(what: string, is: unknown, wanted: unknown): void {
  if (is !== wanted) throw new Error(`${what}: ${String(is)} instead of ${String(wanted)}`)
}
