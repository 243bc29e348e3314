/*
 * What Slack sees, second by second, while a fleet's PostgreSQL and then its Redis are away: three gateways as they are
 * built, behind a balancer, under a constant load of events and commands of workspaces that they know, and of some that
 * they have not met yet. Counts at the end whether anything accepted was lost.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Agent, request } from 'undici'
import { startBalancer } from '../test/faults/balancer.ts'
import { startPostgres } from '../test/support/postgres-server.ts'
import { startRedis } from '../test/support/redis-server.ts'
import { machine } from './machine.ts'
import { percentilesOf } from './pace.ts'
import { positiveInteger } from './rounds.ts'
import { ANSWER } from './slack-command.ts'
import { eventBody, EVENTS_PATH, SECRET, slackHeaders, teamOf } from './slack-event.ts'
import { furnish, openStage } from './stage.ts'

const GATEWAYS = 3
const KNOWN = 50
const DIRECTORY = 5000
/** Of each, and one more of a workspace that nobody has asked for yet. */
const PER_SECOND = 100
const AWAY_S = 8
const WELL_S = 7

interface Second {
  sent: number
  readonly statuses: Map<string, number>
  readonly latencies: number[]
  delivered: number
  deferred: number
  note: string
}

export async function benchOutage(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { away: { type: 'string' }, json: { type: 'boolean', default: false } },
  })
  const awayMs = 1000 * (positiveInteger('--away', values.away) ?? AWAY_S)
  const stage = openStage()
  const postgres = await startPostgres({ durable: true })
  const redis = await startRedis()
  const seconds: Second[] = []
  const begun = performance.now()
  const now = (): Second => {
    const at = Math.floor((performance.now() - begun) / 1000)
    while (seconds.length <= at) {
      seconds.push({ sent: 0, statuses: new Map(), latencies: [], delivered: 0, deferred: 0, note: '' })
    }
    return seconds[at]!
  }
  const accepted = new Set<string>()
  const taken = new Map<string, number>()
  const region = createServer((req, res) => {
    let body = ''
    req.setEncoding('latin1').on('data', (chunk: string) => (body += chunk))
    req.on('end', () => {
      const id = /"event_id":"([^"]+)"/.exec(body)?.[1]
      if (id !== undefined) {
        taken.set(id, (taken.get(id) ?? 0) + 1)
        now().delivered += 1
        if (Number(req.headers['silo-deadline']) > 2500) now().deferred += 1
      }
      res.writeHead(200, { 'Content-Type': 'application/json' }).end(id === undefined ? ANSWER : '')
    })
  }).listen(0, '127.0.0.1')
  await once(region, 'listening')
  try {
    const database = await postgres.createDatabase()
    const env = await furnish(stage.folder, {
      regions: `version: 1\nregions:\n  - { name: us, address: 'http://127.0.0.1:${(region.address() as AddressInfo).port}' }\n`,
      directory: directoryOf(DIRECTORY),
      env: {
        SLACK_SIGNING_SECRETS: SECRET,
        SPOOL_KEYS: `bench:${Buffer.alloc(32, 7).toString('base64')}`,
        DATABASE_URL: database,
        REDIS_URL: redis.url,
        // So that an outage of seconds shows what one of minutes does.
        CACHE_FRESH_MS: '1000',
        CACHE_HARD_MS: '2000',
        LOG_LEVEL: 'warn',
      },
    })
    const gateways = await Promise.all(
      Array.from({ length: GATEWAYS }, () => stage.serve({ ...env, LOG_LEVEL: 'info' })),
    )
    const balancer = await startBalancer(() => gateways.map(({ url }) => Number(new URL(url).port)))
    const agent = new Agent({ connections: 100, pipelining: 1 })
    const send = async (kind: string, path: string, body: string, type: string, event?: string): Promise<void> => {
      const second = now()
      second.sent += 1
      const sentAt = performance.now()
      const headers = { ...Object.fromEntries(slackHeaders(body)), 'Content-Type': type }
      const status = await request(`http://127.0.0.1:${balancer.port}${path}`, {
        dispatcher: agent,
        method: 'POST',
        headers,
        body,
      })
        .then(async (res) => {
          await res.body.dump()
          return String(res.statusCode)
        })
        .catch((error: NodeJS.ErrnoException) => error.code ?? 'failed')
      second.latencies.push(performance.now() - sentAt)
      const key = `${kind} ${status}`
      second.statuses.set(key, (second.statuses.get(key) ?? 0) + 1)
      if (event !== undefined && status === '200') accepted.add(event)
    }
    let sequence = 0
    const load = setInterval(() => {
      sequence += 1
      const body = eventBody(sequence % KNOWN, sequence)
      void send('event', EVENTS_PATH, body, 'application/json', `Ev${sequence % KNOWN}-${sequence}`)
      const command = new URLSearchParams({ team_id: teamOf(sequence % KNOWN), command: '/x', text: String(sequence) })
      void send('command', '/extensions/slack/commands/', command.toString(), 'application/x-www-form-urlencoded')
      if (sequence % 10 > 0) return
      const stranger = KNOWN + sequence / 10
      const body2 = eventBody(stranger, 0)
      void send('stranger', EVENTS_PATH, body2, 'application/json', `Ev${stranger}-0`)
    }, 1000 / PER_SECOND)
    await pause(WELL_S * 1000)
    now().note = 'PostgreSQL stops'
    await postgres.stop('SIGINT')
    await pause(awayMs)
    now().note = 'PostgreSQL starts'
    await postgres.start()
    await pause(WELL_S * 1000)
    now().note = 'Redis stops'
    await redis.stop('SIGKILL')
    await pause(awayMs)
    now().note = 'Redis starts'
    await redis.start()
    await pause(WELL_S * 1000)
    clearInterval(load)
    const giveUpAt = performance.now() + 30_000
    const lost = (): string[] => [...accepted].filter((event) => !taken.has(event))
    while (lost().length > 0 && performance.now() < giveUpAt) await pause(100)
    const twice = [...accepted].filter((event) => (taken.get(event) ?? 0) > 1).length
    const events = { accepted: accepted.size, lost: lost().length, twice }
    const told = values.json ? console.error : console.log
    told(table(seconds))
    told(`\n${events.accepted} events accepted, ${events.lost} lost, ${twice} delivered more than once`)
    const measured = { machine: machine(), events, seconds: seconds.map(figuresOf) }
    if (values.json) console.log(JSON.stringify(measured, undefined, 2))
    if (events.lost > 0) process.exitCode = 1
    await agent.close()
    await balancer.close()
    for (const gateway of gateways) await gateway.stop()
  } finally {
    await stage.leave()
    region.close().closeAllConnections()
    await Promise.all([postgres.close(), redis.close()])
  }
}

function figuresOf({ latencies, statuses, ...counts }: Second) {
  const { p50, p99 } = percentilesOf(Float64Array.from(latencies))
  return { p50, p99, ...counts, answers: Object.fromEntries(statuses) }
}

function table(seconds: readonly Second[]): string {
  const lines = seconds.map(figuresOf).map(({ p50, p99, delivered, deferred, answers, note }, at) => {
    const counts = Object.entries(answers)
      .toSorted(([one], [other]) => one.localeCompare(other))
      .map(([key, count]) => `${key} ×${count}`)
    const line = [
      String(at).padStart(6),
      ...[p50, p99].map((ms) => ms.toFixed(0).padStart(6)),
      `${delivered} (${deferred})`.padStart(28),
      counts.join(', '),
    ]
    return `${line.join('  ')}${note === '' ? '' : `   ← ${note}`}`
  })
  return ['second  p50 ms  p99 ms  to region (of them deferred)  answers', ...lines].join('\n')
}

function directoryOf(integrations: number): object {
  const ids = Array.from({ length: integrations }, (_, at) => at + 1)
  const active = { status: 'active' }
  return {
    integrations: ids.map((id) => ({
      id,
      provider: 'slack',
      external_id: teamOf(id - 1),
      name: `Bench ${id}`,
      ...active,
    })),
    organizations: ids.map((id) => ({ id, slug: `bench-${id}`, name: `Bench ${id}`, region: 'us', ...active })),
    organization_integrations: ids.map((id) => ({ integration_id: id, organization_id: id, ...active })),
  }
}
