/*
 * Whether the gateway could go on for ever: commands and clicks to three regions at a constant rate, while its memory
 * and its event loop are looked at each second. Judged at the end. Needs Linux's /proc, taskset and two cores.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { aligned } from './aligned.ts'
import { furnishGateway } from './contenders/gateway.ts'
import { machine } from './machine.ts'
import { asked, checkAnswers } from './measure.ts'
import type { OpenLoad, OpenLoopReport } from './open-loop.ts'
import { fellBehind } from './pace.ts'
import { CORES, pin, requireTwoCores } from './pin.ts'
import { familyCpuMs, residentMiB, watchOthers } from './process-account.ts'
import { positiveInteger } from './rounds.ts'
import { ANSWER, slackAction } from './slack-command.ts'
import {
  askedTooOften,
  delaysWithin,
  judgeSoak,
  nearest,
  REFERENCE_SECONDS,
  SETTLE_SECONDS,
  SOAK_TARGETS,
  type SoakVerdict,
  type TimedDelay,
} from './soak-verdict.ts'
import { openStage, type Stage } from './stage.ts'
import { othersHad } from './statistics.ts'
import { tellFigures, tellTable } from './told.ts'

const REGIONS = 3
/** Of what is sent: the others are clicks, which go to all regions. */
const COMMANDS = 0.75
// A signature is good for five minutes: each is made when it is due.
const LOAD = { answer: ANSWER, connections: 256, ahead: 0 } as const

/** What the preloaded module writes. */
const loopDelaySchema = z.object({ at: z.number(), longestMs: z.number(), onCoreMs: z.number(), inLineMs: z.number() })
/** What it does to be ready belongs to its start: the second in which it does is over by then. */
const STARTED_MS = 1000
/** Within it the delays of the second in which the load ended are written. */
const LAST_DELAY_MS = 1100

interface Second {
  /** In ms since the epoch, at its end. */
  readonly at: number
  readonly rssMiB: number
  readonly cpuShare: number
  /** Of the machine, by none of ours: an event loop also waits for a core. */
  readonly othersShare: number
}

interface Length {
  readonly minutes: number
  readonly perSecond: number
}

interface Soak {
  readonly seconds: readonly Second[]
  /** Of the event loop, one for each second too, by the gateway's own clock. */
  readonly delays: readonly TimedDelay[]
  readonly commands: OpenLoopReport
  readonly clicks: OpenLoopReport
  /** How much more often each region was asked than was sent to it. */
  readonly tooOften: readonly number[]
}

export async function benchSoak(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      minutes: { type: 'string' },
      rate: { type: 'string' },
    },
  })
  const length = {
    minutes: positiveInteger('--minutes', values.minutes) ?? (values.quick ? 1 : 10),
    perSecond: positiveInteger('--rate', values.rate) ?? 2000,
  }
  requireTwoCores()
  const stage = openStage()
  try {
    const soak = await run(stage, length)
    const { commands, clicks, seconds, delays, tooOften } = soak
    const errors =
      [commands, clicks].reduce((sum, { due, accepted }) => sum + due - accepted, 0) +
      tooOften.reduce((sum, times) => sum + Math.abs(times), 0)
    const verdict = judgeSoak({ rssMiB: seconds.map(({ rssMiB }) => rssMiB), delays, errors })
    tellTable(summary(length, verdict, soak), values)
    tellFigures({ machine: machine(), ...length, targets: SOAK_TARGETS, verdict, ...soak }, values)
    if (Object.values(verdict).some((each) => each.verdict === 'FAILS')) process.exitCode = 1
  } finally {
    await stage.leave()
  }
}

async function run(stage: Stage, { minutes, perSecond }: Length): Promise<Soak> {
  const servers = await Promise.all(Array.from({ length: REGIONS }, () => stage.startServer('upstream.ts')))
  const regions = servers.map(({ url }) => url)
  const delayFile = join(stage.folder, 'loop-delay.ndjson')
  const gateway = await stage.serve({
    ...(await furnishGateway(stage, regions)),
    NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, 'loop-delay.ts')).href}`,
    LOOP_DELAY_FILE: delayFile,
  })
  const senders = {
    command: stage.employ<OpenLoad, OpenLoopReport>('open-loop.ts'),
    action: stage.employ<OpenLoad, OpenLoopReport>('open-loop.ts'),
  }
  await pin(gateway.pid, CORES.server)
  for (const { pid } of [...servers, ...Object.values(senders), process]) await pin(pid, CORES.others)
  await checkAnswers(gateway.url, { regions, form: slackAction(0), verifies: true })
  await after(STARTED_MS)
  const before = await asked(regions)

  const send = (form: keyof typeof senders, share: number): Promise<OpenLoopReport> => {
    const load = { url: gateway.url, form, perSecond: perSecond * share, seconds: minutes * 60 }
    return senders[form].ask({ ...load, ...LOAD })
  }
  const seconds: Second[] = []
  const begunAt = Date.now()
  const sent = Promise.all([send('command', COMMANDS), send('action', 1 - COMMANDS)])
  let cpuMs = familyCpuMs(gateway.pid)
  let othersShare = watchOthers([process.pid])
  const ended = Promise.withResolvers<never>()
  const look = (): void => {
    const usedMs = familyCpuMs(gateway.pid) - cpuMs
    cpuMs += usedMs
    seconds.push({
      at: Date.now(),
      rssMiB: residentMiB(gateway.pid),
      cpuShare: usedMs / 1000,
      othersShare: othersShare(),
    })
    othersShare = watchOthers([process.pid])
    if (seconds.length % 30 === 0) console.error(`${seconds.length} s: ${seconds.at(-1)?.rssMiB.toFixed(0)} MiB`)
  }
  const looking = setInterval(() => {
    try {
      look()
    } catch (error) {
      // Linux keeps nothing of a process that is gone.
      ended.reject(new Error(`The gateway ended after ${seconds.length} s`, { cause: error }))
    }
  }, 1000)
  const [commands, clicks] = await Promise.race([sent, ended.promise]).finally(() => clearInterval(looking))
  const endedAt = Date.now()
  await after(LAST_DELAY_MS)
  const written = readFileSync(delayFile, 'utf8').trimEnd().split('\n')
  const delays = delaysWithin(
    written.map((line) => loopDelaySchema.parse(JSON.parse(line))),
    { begunAt, endedAt },
  )
  // What went to a region that was not the first to answer is over now too.
  await gateway.stop()
  const times = (await asked(regions)).map((count, region) => count - (before[region] ?? 0))
  const tooOften = askedTooOften(times, { commands: commands.due, clicks: clicks.due })
  return { seconds, delays, commands, clicks, tooOften }
}

function summary({ minutes, perSecond }: Length, { rss, stalls, errors }: SoakVerdict, soak: Soak): string {
  const { seconds, delays, commands, clicks, tooOften } = soak
  const judged = [
    ['', 'measured', 'at most', ''],
    [
      ...(rss.verdict === 'not judged'
        ? ['memory', '']
        : [`memory, furthest from ${rss.referenceMiB.toFixed(0)} MiB`, `${(100 * rss.worst).toFixed(1)} %`]),
      `± ${100 * SOAK_TARGETS.rssShare} %`,
      rss.verdict,
    ],
    ['event loop, longest delay', `${stalls.longestMs.toFixed(1)} ms`, `${SOAK_TARGETS.stallMs} ms`, stalls.verdict],
    [`errors, of ${commands.due + clicks.due}`, String(errors.count), String(SOAK_TARGETS.errors), errors.verdict],
  ]
  const head = ['', 'p50 ms', 'p99 ms', 'p99.9 ms', 'longest ms', 'waited', 'own lag p99 ms']
  const took = (what: string, { latencyMs, lagMs, waited }: OpenLoopReport): string[] => {
    const { p50, p99, p999, longest } = latencyMs
    const lag = `${lagMs.p99.toFixed(2)}${fellBehind(lagMs.p99) ? ' behind' : ''}`
    return [what, ...[p50, p99, p999, longest].map((ms) => ms.toFixed(2)), String(waited), lag]
  }
  const longest = delays.find(({ longestMs }) => longestMs === stalls.longestMs)
  const othersThen = longest && nearest(seconds, longest.at)?.othersShare
  const wrong = [
    ...[commands, clicks].flatMap(({ failures }) => Object.entries(failures).map(([how, count]) => `${how} ×${count}`)),
    ...tooOften.flatMap((more, at) => (more === 0 ? [] : [`region ${at + 1} asked ${more} times more than was sent`])),
  ]
  const needs = SETTLE_SECONDS + REFERENCE_SECONDS
  return [
    `${minutes} min at ${perSecond}/s, ` +
      (rss.verdict === 'not judged'
        ? `which says nothing of memory: that takes more than ${needs} s`
        : `memory judged after ${SETTLE_SECONDS} s`),
    aligned(judged),
    '',
    aligned([head, took('commands', commands), took('clicks', clicks)]),
    '',
    `${stalls.count} seconds with a delay of more than ${SOAK_TARGETS.stallMs} ms; for about` +
      ` ${stalls.onCoreMs.toFixed(0)} ms of the longest the main thread was on a core, for ${stalls.inLineMs.toFixed(0)} in line for` +
      ` one, and else it waited or the host had stopped it, when others had ${(100 * (othersThen ?? Number.NaN)).toFixed(0)} % of the machine`,
    othersHad(seconds),
    ...wrong,
  ].join('\n')
}
