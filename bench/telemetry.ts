/*
 * What it costs to keep account of a webhook: metrics; metrics and its delivery record, as shipped; and a line in the
 * log for each webhook and attempt besides. A gateway's own parts are told the journey of commands, in turns, with no
 * request around them: what they cost, their threads included, is all that is measured.
 */
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RegionResult } from '../src/dispatch/region-result.ts'
import { createGateway, type Gateway, type OpenDoor } from '../src/gateway.ts'
import type { ReceivedWebhook } from '../src/provider.ts'
import { resolve } from '../src/resolve/resolve.ts'
import { createLog, silentLog } from '../src/telemetry/log.ts'
import { measureAttempt } from '../src/telemetry/measure-attempt.ts'
import { traceWebhook, type TraceParts } from '../src/telemetry/trace.ts'
import { aligned } from './aligned.ts'
import { machine } from './machine.ts'
import { watchOthers } from './process-account.ts'
import { inTurn, roundsAsked, type Rounds } from './rounds.ts'
import { ANSWER, COMMANDS_PATH, slackCommand, TEAM } from './slack-command.ts'
import { SECRET } from './slack-event.ts'
import { median, othersHad, spread, verdict } from './statistics.ts'
import { tellFigures, tellTable } from './told.ts'

/** What keeping account may cost, in µs of CPU a webhook. */
const TARGETS = { recorded: 15, logged: 30 }
const WARM_UP_WEBHOOKS = 20_000
const WEBHOOKS = 40_000
/** Fewer than the recorder lets wait: then they are written before there are more. */
const AT_A_TIME = 4000
/** Fewer than fill a block of records, which then is written at once, and not afterwards. */
const UNWRITTEN = 100
/** Between turns of the event loop. */
const TURN = 100
/** Different ones, so that nothing is known from the one before. */
const COMMANDS = 1000

type Kind = 'counted' | 'recorded' | 'logged'

interface Account {
  /** Of CPU a webhook: while it is under way, and with all that is done of it afterwards, in every thread. */
  readonly onTheWay: number
  readonly inAll: number
  readonly othersShare: number
}

export async function benchTelemetry(args: readonly string[]): Promise<void> {
  const asked = roundsAsked(args, { rounds: 7 })
  const folder = mkdtempSync(join(tmpdir(), 'silo-gateway-bench-'))
  const lines = createWriteStream(join(folder, 'log.ndjson'))
  const gateway = await openGateway(folder)
  try {
    const accounts = await run(gateway, { write: (line) => void lines.write(line) }, asked)
    const results = { machine: machine(), webhooks: webhooksTold(asked), targets: TARGETS, accounts }
    tellTable(table(accounts), asked)
    tellFigures(results, asked)
  } finally {
    await gateway.close()
    await new Promise((closed) => lines.end(closed))
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One region, one workspace with one organization there. */
async function openGateway(folder: string): Promise<Gateway> {
  const regionsFile = join(folder, 'regions.yaml')
  writeFileSync(regionsFile, 'version: 1\nregions:\n  - { name: r0, address: "http://127.0.0.1:9" }\n')
  const directoryFile = join(folder, 'directory.json')
  const directory = {
    integrations: [{ id: 1, provider: 'slack', external_id: TEAM, name: 'Bench', status: 'active' }],
    organizations: [{ id: 10, slug: 'bench', name: 'Bench', region: 'r0', status: 'active' }],
    organization_integrations: [{ integration_id: 1, organization_id: 10, status: 'active' }],
  }
  writeFileSync(directoryFile, JSON.stringify(directory))
  const DATABASE_URL = `sqlite:${join(folder, 'gateway.db')}`
  const env = { SLACK_SIGNING_SECRETS: SECRET, REGIONS_FILE: regionsFile, LOG_SAMPLE: '0.01', DATABASE_URL }
  const gateway = await createGateway({ env, log: silentLog })
  await gateway.store.importFile(directoryFile, { author: 'bench' })
  return gateway
}

/** A round, twice for each kind. */
function webhooksTold({ quick }: Rounds): number {
  return quick ? WEBHOOKS / 4 : WEBHOOKS
}

async function run(gateway: Gateway, lines: { write(line: string): void }, asked: Rounds) {
  const webhooks = webhooksTold(asked)
  const open = gateway.doorAt(COMMANDS_PATH)
  if (open === undefined) throw new Error('There is no door for commands')
  const journeys = await prepare(gateway, open)
  const log = createLog('info', lines)
  const kinds: Record<Kind, TraceParts> = {
    counted: { ...open.traceParts, record: undefined, logSample: 0 },
    recorded: { ...open.traceParts, log },
    logged: { ...open.traceParts, log, logSample: 1 },
  }
  const accounts: Record<Kind, Account[]> = { counted: [], recorded: [], logged: [] }
  const entries = Object.entries(kinds) as [Kind, TraceParts][]
  for (const [, parts] of entries) await tell(WARM_UP_WEBHOOKS, { gateway, open, journeys, parts }, AT_A_TIME)
  for (let round = 0; round < asked.rounds; round += 1) {
    for (const [kind, parts] of inTurn(entries, round)) {
      const othersSoFar = watchOthers([process.pid])
      const { telling: onTheWay } = await tell(webhooks, { gateway, open, journeys, parts }, UNWRITTEN)
      const { inAll } = await tell(webhooks, { gateway, open, journeys, parts }, AT_A_TIME)
      accounts[kind].push({ onTheWay, inAll, othersShare: othersSoFar() })
    }
  }
  return accounts
}

type Journey = (trace: ReturnType<typeof traceWebhook>, delivery: string, key: string) => Promise<void>

/** What a trace is told of each command, with what all but the telling has come to. */
async function prepare({ clock }: Gateway, { provider, door, rooms, traceParts }: OpenDoor): Promise<Journey[]> {
  return await Promise.all(
    Array.from({ length: COMMANDS }, async (_, number): Promise<Journey> => {
      const { headers, body } = slackCommand(number)
      const sent = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]))
      const webhook: ReceivedWebhook = {
        method: 'POST',
        target: COMMANDS_PATH,
        headers: sent,
        rawHeaders: headers.flat(),
        delivery: '',
        requestId: '',
        body: Buffer.from(body),
        receivedAt: clock.now(),
        startedAt: 0,
        deadline: 2500,
        peer: { forwardedFor: '127.0.0.1', proto: 'https', host: 'hooks.example.com', user: undefined },
      }
      const admission = await provider.admit(door, webhook)
      const identified = await provider.identify(admission, webhook)
      if (identified.kind !== 'request') throw new Error(`A command was answered by ${identified.rule}`)
      const resolution = await resolve(identified.request, rooms.directory, rooms.topology)
      if (resolution.kind !== 'routed') throw new Error(`The workspace of the commands is ${resolution.kind}`)
      const [first] = resolution.route.regions
      const reply = {
        status: 200,
        rawHeaders: ['content-type', 'application/json'],
        body: Buffer.from(ANSWER),
      }
      const timing = { startedMs: 0.4, slotMs: 0.4, sentMs: 0.6, firstByteMs: 1.1, endedMs: 1.2 }
      const results: readonly RegionResult[] = [{ region: 'r0', kind: 'answered', reply, timing, breaker: 'closed' }]
      return async (trace, delivery, key) => {
        trace.received({ ...webhook, delivery, requestId: delivery }, admission)
        trace.identified(identified)
        trace.once(key)
        trace.resolved(resolution)
        trace.planned({ kind: 'first', wins: 'reply', regions: [first] })
        measureAttempt('r0', 0.6, { kind: 'answered', reply }, traceParts)
        trace.dispatched(Promise.resolve(results))
        await trace.answered(200, { kind: 'passed_on', region: 'r0' })
      }
    }),
  )
}

/** `atATime`: so many are told before the recorder writes them, and no other thread has anything to do meanwhile. */
async function tell(
  webhooks: number,
  { gateway, open, journeys, parts }: { gateway: Gateway; open: OpenDoor; journeys: Journey[]; parts: TraceParts },
  atATime: number,
): Promise<{ telling: number; inAll: number }> {
  const { provider, door } = open
  const { clock, ids, counters } = gateway
  // Identity is needed, and is no part of keeping account.
  const named = Array.from({ length: webhooks }, () => [ids.delivery(clock.now()), ids.nonce()] as const)
  const peer = { forwardedFor: '127.0.0.1', proto: 'https', host: 'hooks.example.com', user: undefined }
  const head = { method: 'POST', target: COMMANDS_PATH, rawHeaders: [] }
  const begun = process.cpuUsage()
  let telling = 0
  for (let first = 0; first < webhooks; first += atATime) {
    const begunSome = process.cpuUsage()
    for (const [number, [delivery, key]] of named.slice(first, first + atATime).entries()) {
      const startedAt = clock.monotonic()
      const arrival = { delivery, requestId: delivery, provider, door, head, peer, receivedAt: clock.now() }
      const trace = traceWebhook({ ...arrival, startedAt, deadline: startedAt + 2500 }, parts)
      await journeys[number % journeys.length]!(trace, delivery, key)
      if (number % TURN === TURN - 1 && number < atATime - 1) await nextTurn()
    }
    telling += microsSince(begunSome)
    // Reading what is not there waits until all has been written.
    await gateway.deliveries.read('')
  }
  const inAll = microsSince(begun)
  const dropped = [...counters.read()].find(([name]) => name.startsWith('records_dropped_total'))
  if (dropped !== undefined) throw new Error(`Not every webhook was recorded: ${dropped.join(' ')}`)
  return { telling: telling / webhooks, inAll: inAll / webhooks }
}

function microsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return user + system
}

function table(accounts: Record<Kind, readonly Account[]>): string {
  const all = Object.values(accounts).flat()
  const row = (what: string, kind: Kind, atMost?: number): string[] => {
    const onTheWay = accounts[kind].map((account) => account.onTheWay)
    const inAll = accounts[kind].map((account) => account.inAll)
    const holds = atMost === undefined ? '' : verdict(median(onTheWay), atMost)
    return [what, spread(onTheWay, 1), atMost === undefined ? '' : String(atMost), holds, spread(inAll, 1)]
  }
  const rows = [
    ['CPU µs of a webhook', 'on its way', 'at most', '', 'in all, afterwards and other threads too'],
    row('metrics', 'counted'),
    row('metrics and record, one in a hundred logged', 'recorded', TARGETS.recorded),
    row('metrics and record, each logged', 'logged', TARGETS.logged),
  ]
  return `${aligned(rows)}\n${othersHad(all)}`
}
