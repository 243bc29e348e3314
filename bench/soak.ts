/*
 * Whether the gateway could go on for ever: commands and clicks to three regions at a constant rate, while its memory
 * and its event loop are looked at each second. Judged at the end. Needs Linux's /proc.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { furnishGateway } from './contenders/gateway.ts'
import { machine } from './machine.ts'
import { checkAnswers } from './measure.ts'
import type { OpenLoad, OpenLoopReport } from './open-loop.ts'
import { fellBehind } from './pace.ts'
import { familyCpuMs, residentMiB, watchOthers } from './process-account.ts'
import { slackAction } from './slack-command.ts'
import { judgeSoak, SOAK_TARGETS, type SoakVerdict } from './soak-verdict.ts'
import { openStage, type Stage } from './stage.ts'

const REGIONS = 3
/** Of what is sent: the others are clicks, which go to all regions. */
const COMMANDS = 0.75
const CONNECTIONS = 256
const SETTLE_SECONDS = 60

/** What the preloaded module writes: `at` in ms since the epoch, at the end of its second. */
const loopDelaySchema = z.object({ at: z.number(), longestMs: z.number() })

interface Second {
  readonly rssMiB: number
  readonly cpuShare: number
  /** Of the machine, by none of ours: an event loop also waits for a core. */
  readonly othersShare: number
}

interface Soak {
  readonly seconds: readonly Second[]
  /** Of the event loop, one for each second too. */
  readonly delaysMs: readonly number[]
  readonly commands: OpenLoopReport
  readonly clicks: OpenLoopReport
}

export async function benchSoak(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      minutes: { type: 'string' },
      rate: { type: 'string', default: '2000' },
    },
  })
  const minutes = Number(values.minutes ?? (values.quick ? 1 : 10))
  const perSecond = Number(values.rate)
  const settleSeconds = Math.min(SETTLE_SECONDS, minutes * 20)
  const stage = openStage()
  try {
    const soak = await run(stage, { minutes, perSecond, told: !values.json })
    const { commands, clicks, seconds, delaysMs } = soak
    const errors = [commands, clicks].reduce((sum, { due, accepted }) => sum + due - accepted, 0)
    const verdict = judgeSoak({ rssMiB: seconds.map(({ rssMiB }) => rssMiB), delaysMs, errors }, settleSeconds)
    const measured = { machine: machine(), minutes, perSecond, settleSeconds, verdict, ...soak }
    console.log(values.json ? JSON.stringify(measured, undefined, 2) : summary(verdict, soak))
    if (!verdict.holds) process.exitCode = 1
  } finally {
    await stage.leave()
  }
}

async function run(
  stage: Stage,
  { minutes, perSecond, told }: { minutes: number; perSecond: number; told: boolean },
): Promise<Soak> {
  const servers = await Promise.all(Array.from({ length: REGIONS }, () => stage.startServer('upstream.ts')))
  const regions = servers.map(({ url }) => url)
  const delayFile = join(stage.folder, 'loop-delay.ndjson')
  const gateway = await stage.serve({
    ...(await furnishGateway(stage, regions)),
    NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, 'loop-delay.ts')).href}`,
    LOOP_DELAY_FILE: delayFile,
  })
  await checkAnswers(gateway.url, { regions, form: slackAction(0), verifies: true })

  const send = (form: OpenLoad['form'], share: number): Promise<OpenLoopReport> => {
    const load = { url: gateway.url, form, perSecond: perSecond * share, seconds: minutes * 60 }
    // A signature is good for five minutes: each is made when it is due.
    return stage.employ<OpenLoad, OpenLoopReport>('open-loop.ts').ask({ ...load, connections: CONNECTIONS, ahead: 0 })
  }
  const seconds: Second[] = []
  const begunAt = Date.now()
  const sent = Promise.all([send('command', COMMANDS), send('action', 1 - COMMANDS)])
  let cpuMs = familyCpuMs(gateway.pid)
  let othersShare = watchOthers([process.pid])
  const looking = setInterval(() => {
    const usedMs = familyCpuMs(gateway.pid) - cpuMs
    cpuMs += usedMs
    seconds.push({ rssMiB: residentMiB(gateway.pid), cpuShare: usedMs / 1000, othersShare: othersShare() })
    othersShare = watchOthers([process.pid])
    if (told && seconds.length % 30 === 0) console.log(`${seconds.length} s: ${seconds.at(-1)?.rssMiB.toFixed(0)} MiB`)
  }, 1000)
  const [commands, clicks] = await sent.finally(() => clearInterval(looking))
  const delaysMs = readFileSync(delayFile, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => loopDelaySchema.parse(JSON.parse(line)))
    .filter(({ at }) => at > begunAt)
    .map(({ longestMs }) => longestMs)
  await gateway.stop()
  return { seconds, delaysMs, commands, clicks }
}

function summary({ rss, stalls, errors }: SoakVerdict, { seconds, delaysMs, commands, clicks }: Soak): string {
  const longestAt = delaysMs.indexOf(stalls.longestMs)
  const others = 100 * (seconds[longestAt]?.othersShare ?? Number.NaN)
  const wrong = [commands, clicks].flatMap(({ failures }) =>
    Object.entries(failures).map(([how, count]) => `${how} ×${count}`),
  )
  const says = (holds: boolean, what: string): string => `${holds ? 'holds ' : 'FAILS '} ${what}`
  const mib = (value: number): string => `${value.toFixed(0)} MiB`
  const took = ({ latencyMs: { p50, p99, p999, longest }, lagMs, waited }: OpenLoopReport): string =>
    `p50 ${p50.toFixed(2)} p99 ${p99.toFixed(2)} p99.9 ${p999.toFixed(2)} longest ${longest.toFixed(1)} ms;` +
    ` ${waited} waited for a connection; the load generator's own lag p99 ${lagMs.p99.toFixed(2)} ms` +
    (fellBehind(lagMs.p99) ? ', so that it was late itself' : '')
  return [
    says(
      rss.holds,
      `memory: ${mib(rss.referenceMiB)} once it had settled, then at the furthest ${mib(rss.worstMiB)}` +
        ` (${(100 * rss.worst).toFixed(1)} %, at most ± ${100 * SOAK_TARGETS.rssShare} %), ${mib(seconds.at(-1)?.rssMiB ?? Number.NaN)} at the end`,
    ),
    says(
      stalls.holds,
      `event loop: longest delay ${stalls.longestMs.toFixed(1)} ms, ${stalls.count} seconds with more than` +
        ` ${SOAK_TARGETS.stallMs} ms; others had ${others.toFixed(0)} % of the machine in the second of the longest`,
    ),
    says(
      errors.holds,
      `errors: ${errors.count} of ${commands.due + clicks.due}${wrong.length === 0 ? '' : `: ${wrong.join(', ')}`}`,
    ),
    `commands: ${took(commands)}`,
    `clicks:   ${took(clicks)}`,
  ].join('\n')
}
