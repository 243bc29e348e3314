/*
 * What the gateway costs per webhook on the way to its first region, beside the least that could do the job. Both run
 * as processes of their own and take turns, so that whatever else the machine does falls on both; CPU time is the
 * operating system's account of the process. Needs wrk and Linux's /proc.
 *
 *   npm run bench [-- --rounds 7 --seconds 3]
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'

const run = promisify(execFile)
const here = import.meta.dirname
const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, seconds: { type: 'string', default: '3' } },
})
const rounds = Number(values.rounds)
const SECRET = 'bench-signing-secret'
const CONNECTIONS = 32
/** Linux counts CPU time in clock ticks of 10 ms, on every architecture Node runs on. */
const MS_PER_TICK = 10

interface Contender {
  readonly name: string
  readonly pid: number
  readonly url: string
}

interface Round {
  readonly perSecond: number
  readonly cpuMicros: number
  readonly p50: string
  readonly p99: string
  readonly errors: number
}

const children: ChildProcess[] = []
const folder = mkdtempSync(join(tmpdir(), 'silo-gateway-bench-'))
try {
  await main()
} finally {
  for (const child of children) child.kill('SIGTERM')
  rmSync(folder, { recursive: true })
}

async function main(): Promise<void> {
  // wrk has no way to be asked that exits with 0; that it could be started at all is the answer.
  const missing = await run('wrk', ['-v']).catch((error: { code?: unknown }) => error.code === 'ENOENT')
  if (missing === true) {
    console.error('wrk is not installed: apt-get install wrk')
    process.exitCode = 1
    return
  }
  const upstream = `http://127.0.0.1:${await portOf(start('upstream.ts'))}`
  const bareProcess = start('bare.ts', upstream, SECRET)
  const bare = { name: 'bare node:http + undici request', pid: pid(bareProcess), port: await portOf(bareProcess) }
  const gateway = await startGateway(upstream)
  const contenders = [bare, gateway].map(({ port, ...rest }) => ({ ...rest, url: `http://127.0.0.1:${port}` }))

  for (const contender of contenders) await checkAnswer(contender)
  for (const contender of contenders) await measure(contender, 2)
  const measured = new Map(contenders.map((contender) => [contender, [] as Round[]]))
  for (let round = 0; round < rounds; round += 1) {
    for (const [contender, results] of measured) results.push(await measure(contender, Number(values.seconds)))
  }

  const floor = median(measured.get(contenders[0]!)!.map(({ cpuMicros }) => cpuMicros))
  console.log(`first region, ${CONNECTIONS} connections, ${rounds} alternating rounds; median (min to max)\n`)
  for (const [{ name }, results] of measured) {
    const cpu = results.map(({ cpuMicros }) => cpuMicros)
    const rate = results.map(({ perSecond }) => perSecond)
    console.log(
      `${name.padEnd(34)} ${spread(cpu, 1)} µs CPU   ${spread(rate, 0)} req/s   p50 ${results.at(-1)!.p50}  p99 ${results.at(-1)!.p99}` +
        `   errors ${results.reduce((sum, { errors }) => sum + errors, 0)}   ratio ${(median(cpu) / floor).toFixed(2)}`,
    )
  }
}

async function startGateway(upstream: string): Promise<{ name: string; pid: number; port: number }> {
  const key = Buffer.alloc(32, 7).toString('base64')
  const regions = join(folder, 'regions.yaml')
  writeFileSync(regions, `version: 1\nregions:\n  - { name: us, address: '${upstream}', signing_key: bench }\n`)
  const directory = join(folder, 'directory.json')
  writeFileSync(
    directory,
    JSON.stringify({
      integrations: [{ id: 1, provider: 'slack', external_id: 'T0BENCH', name: 'Bench', status: 'active' }],
      organizations: [{ id: 10, slug: 'bench', name: 'Bench', region: 'us', status: 'active' }],
      organization_integrations: [{ integration_id: 1, organization_id: 10, status: 'active' }],
    }),
  )
  const env = {
    PATH: process.env['PATH'],
    SLACK_SIGNING_SECRETS: SECRET,
    REGIONS_FILE: regions,
    REGION_SIGNING_KEYS: `bench:${key}`,
    DATABASE_URL: `sqlite:${join(folder, 'bench.db')}`,
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_PORT: '0',
    LOG_SAMPLE: '0.01',
  }
  const main = join(here, '../dist/main.js')
  await run(process.execPath, [main, 'directory', 'import', directory], { env })
  const child = spawn(process.execPath, [main, 'serve'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const port = await new Promise<number>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const found = /"public":"http:\/\/127\.0\.0\.1:(\d+)"/.exec(chunk.toString())
      if (found !== null) resolve(Number(found[1]))
    })
  })
  return { name: 'silo-gateway', pid: pid(child), port }
}

function start(file: string, ...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [join(here, file), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  return child
}

function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => child.stdout?.once('data', (chunk: Buffer) => resolve(Number(chunk.toString()))))
}

function pid(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('The process did not start')
  return child.pid
}

/** A slash command of about 400 bytes, signed now: Slack's window is 300 s, longer than a run. */
function signedCommand(): { body: string; headers: Record<string, string> } {
  const fields = {
    token: 'XXYYZZ',
    team_id: 'T0BENCH',
    team_domain: 'bench',
    channel_id: 'C0BENCH',
    channel_name: 'general',
    user_id: 'U0BENCH',
    user_name: 'wanda',
    command: '/bench',
    text: 'how long does it take? '.repeat(5),
    response_url: 'https://hooks.slack.com/commands/T0BENCH/1/abc',
    trigger_id: '1.2.3',
  }
  const body = new URLSearchParams(fields).toString()
  const timestamp = String(Math.floor(Date.now() / 1000))
  const digest = createHmac('sha256', SECRET).update(`v0:${timestamp}:${body}`).digest('hex')
  return {
    body,
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      'X-Slack-Request-Timestamp': timestamp,
      'X-Slack-Signature': `v0=${digest}`,
    },
  }
}

async function checkAnswer({ name, url }: Contender): Promise<void> {
  const { body, headers } = signedCommand()
  const good = await fetch(`${url}/extensions/slack/commands/`, { method: 'POST', body, headers })
  const text = await good.text()
  if (good.status !== 200 || text !== '{"text":"done"}') throw new Error(`${name} answered ${good.status} ${text}`)
  const forged = await fetch(`${url}/extensions/slack/commands/`, { method: 'POST', body: `${body}&x=1`, headers })
  if (forged.status !== 401) throw new Error(`${name} let a forged body through: ${forged.status}`)
}

async function measure({ pid, url }: Contender, seconds: number): Promise<Round> {
  const { body, headers } = signedCommand()
  const script = join(folder, 'post.lua')
  const lines = Object.entries(headers).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`)
  writeFileSync(script, ['wrk.method = "POST"', `wrk.body = "${body}"`, ...lines].join('\n'))
  const before = cpuTicks(pid)
  const { stdout } = await run('wrk', [
    '-t1',
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    '--latency',
    '-s',
    script,
    `${url}/extensions/slack/commands/`,
  ])
  const ticks = cpuTicks(pid) - before
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1])
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    cpuMicros: (ticks * MS_PER_TICK * 1000) / requests,
    p50: /50%\s+(\S+)/.exec(stdout)?.[1] ?? '?',
    p99: /99%\s+(\S+)/.exec(stdout)?.[1] ?? '?',
    errors: Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0),
  }
}

/** User and system time: fields 14 and 15 of /proc/PID/stat, behind the command's name, which may hold spaces. */
function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function spread(values: readonly number[], digits: number): string {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  return `${median(values).toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`
}
