/*
 * What the gateway costs per webhook on the way to its first region, beside the least that could do the job. Both run
 * as processes of their own and take turns, so that whatever else the machine does falls on both; CPU time is the
 * operating system's account of the process. Needs wrk and Linux's /proc.
 */
import { execFile } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { cpuMs } from './process-account.ts'
import { furnish, openStage, type Stage } from './stage.ts'
import { median, spread } from './statistics.ts'

const run = promisify(execFile)
const SECRET = 'bench-signing-secret'
const CONNECTIONS = 32

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

export async function benchFirstRegion(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { rounds: { type: 'string', default: '7' }, seconds: { type: 'string', default: '3' } },
  })
  const stage = openStage()
  try {
    await compare(stage, { rounds: Number(values.rounds), seconds: Number(values.seconds) })
  } finally {
    await stage.leave()
  }
}

async function compare(stage: Stage, { rounds, seconds }: { rounds: number; seconds: number }): Promise<void> {
  // wrk has no way to be asked that exits with 0; that it could be started at all is the answer.
  const missing = await run('wrk', ['-v']).catch((error: { code?: unknown }) => error.code === 'ENOENT')
  if (missing === true) {
    console.error('wrk is not installed: apt-get install wrk')
    process.exitCode = 1
    return
  }
  const upstream = (await stage.startServer('upstream.ts')).url
  const contenders: Contender[] = [
    { name: 'bare node:http + undici request', ...(await stage.startServer('bare.ts', upstream, SECRET)) },
    { name: 'silo-gateway', ...(await startGateway(stage, upstream)) },
  ]

  for (const contender of contenders) await checkAnswer(contender)
  for (const contender of contenders) await measure(stage, contender, 2)
  const measured = new Map(contenders.map((contender) => [contender, [] as Round[]]))
  for (let round = 0; round < rounds; round += 1) {
    for (const [contender, results] of measured) results.push(await measure(stage, contender, seconds))
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

async function startGateway(stage: Stage, upstream: string): Promise<{ pid: number; url: string }> {
  const env = await furnish(stage.folder, {
    regions: `version: 1\nregions:\n  - { name: us, address: '${upstream}', signing_key: bench }\n`,
    directory: {
      integrations: [{ id: 1, provider: 'slack', external_id: 'T0BENCH', name: 'Bench', status: 'active' }],
      organizations: [{ id: 10, slug: 'bench', name: 'Bench', region: 'us', status: 'active' }],
      organization_integrations: [{ integration_id: 1, organization_id: 10, status: 'active' }],
    },
    env: {
      SLACK_SIGNING_SECRETS: SECRET,
      REGION_SIGNING_KEYS: `bench:${Buffer.alloc(32, 7).toString('base64')}`,
    },
  })
  return await stage.serve(env)
}

/** A slash command of about 400 bytes, signed now: Slack's window is 300 s, longer than a run. */
function signedCommand(number: number): { body: string; timestamp: string; signature: string } {
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
    trigger_id: `1.2.${number}`,
  }
  const body = new URLSearchParams(fields).toString()
  const timestamp = String(Math.floor(Date.now() / 1000))
  const digest = createHmac('sha256', SECRET).update(`v0:${timestamp}:${body}`).digest('hex')
  return { body, timestamp, signature: `v0=${digest}` }
}

async function checkAnswer({ name, url }: Contender): Promise<void> {
  const { body, timestamp, signature } = signedCommand(0)
  const headers = {
    'Content-Type': 'application/x-www-form-urlencoded',
    'X-Slack-Request-Timestamp': timestamp,
    'X-Slack-Signature': signature,
  }
  const good = await fetch(`${url}/extensions/slack/commands/`, { method: 'POST', body, headers })
  const text = await good.text()
  if (good.status !== 200 || text !== '{"text":"done"}') throw new Error(`${name} answered ${good.status} ${text}`)
  const forged = await fetch(`${url}/extensions/slack/commands/`, { method: 'POST', body: `${body}&x=1`, headers })
  if (forged.status !== 401) throw new Error(`${name} let a forged body through: ${forged.status}`)
}

/** A command that comes again is answered from memory, so each is sent once: more than a second can take. */
const COMMANDS_A_SECOND = 20_000

const script = `
local commands = {}
function init(args)
  for line in io.lines(args[1]) do
    local timestamp, signature, body = line:match('(%S+) (%S+) (%S+)')
    commands[#commands + 1] = wrk.format('POST', nil, {
      ['Content-Type'] = 'application/x-www-form-urlencoded',
      ['X-Slack-Request-Timestamp'] = timestamp,
      ['X-Slack-Signature'] = signature,
    }, body)
  end
end
local sent = 0
function request()
  sent = sent + 1
  return commands[sent]
end
`

async function measure(stage: Stage, { pid, url }: Contender, seconds: number): Promise<Round> {
  const [scriptFile, commandsFile] = [join(stage.folder, 'post.lua'), join(stage.folder, 'commands.txt')]
  const commands = Array.from({ length: COMMANDS_A_SECOND * seconds }, (_, number) => signedCommand(number))
  const lines = commands.map(({ timestamp, signature, body }) => `${timestamp} ${signature} ${body}\n`)
  writeFileSync(scriptFile, script)
  writeFileSync(commandsFile, lines.join(''))
  const before = cpuMs(pid)
  const { stdout } = await run('wrk', [
    '-t1',
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    '--latency',
    '-s',
    scriptFile,
    `${url}/extensions/slack/commands/`,
    '--',
    commandsFile,
  ])
  const usedMs = cpuMs(pid) - before
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1])
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    cpuMicros: (usedMs * 1000) / requests,
    p50: /50%\s+(\S+)/.exec(stdout)?.[1] ?? '?',
    p99: /99%\s+(\S+)/.exec(stdout)?.[1] ?? '?',
    errors: Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0),
  }
}
