/*
 * How long an answer takes at a constant arrival rate, whatever became of those before: the gateway beside the least
 * that does its job. In each round it is found how much both can do, and they are judged at a share of it, for the
 * machine is another one a minute later; then both climb to 95 % of what the gateway can, in turns. Needs wrk, taskset,
 * two cores and Linux's /proc.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { aligned } from './aligned.ts'
import { startGateway } from './contenders/gateway.ts'
import {
  greatestLagMs,
  latencyResults,
  notAnswered,
  type Climb,
  type Climbs,
  type Judged,
  type Round,
  type Step,
  type Trial,
} from './latency-results.ts'
import { machine } from './machine.ts'
import { judgeLoad, MOST_P99_RATIO, type LoadVerdict } from './load-verdict.ts'
import { checkAnswers, CONNECTIONS, measure, naming } from './measure.ts'
import type { OpenLoad, OpenLoopReport } from './open-loop.ts'
import { fellBehind } from './pace.ts'
import { familyCpuMs, watchOthers } from './process-account.ts'
import { CORES, pin, requireTwoCores } from './pin.ts'
import { publish, readPublished } from './published.ts'
import { inTurn, roundsAsked, UsageError, type Rounds } from './rounds.ts'
import { highestRate, keptUp } from './saturation.ts'
import { ANSWER, slackCommand, type SlackForm } from './slack-command.ts'
import { SECRET } from './slack-event.ts'
import { openStage, type RunningServer, type Stage } from './stage.ts'
import { median, othersHad, spread } from './statistics.ts'
import { tellFigures, tellTable } from './told.ts'
import { requireWrk } from './wrk.ts'

/** Of what the gateway keeps up with. */
const SHARES = [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95]
const JUDGED_SHARE = 0.7
/** In each round: the p99 of a few seconds is that of the longest stall in them, and by far not the same each time. */
const JUDGED_TIMES = 3

/** At each rate that is tried. */
const TRIED_SECONDS = 2
const LOAD = {
  form: 'command',
  answer: ANSWER,
  // More than are ever on their way while a server keeps up; when it does not, the rest wait and it counts.
  connections: 256,
  ahead: Number.MAX_SAFE_INTEGER,
  settleSeconds: 1,
} as const
/** The gateway knows those that come again: more of them than it, or even the bare one, could take. */
const NEW_FORMS_A_SECOND = 30_000
/** Until what is left over from a step is done: its records, a collection. It belongs to what the step cost. */
const CALM_MS = 300

/** At the least. */
const PUBLISHED = { rounds: 3, seconds: 4 }

/** The highest constant rate that a server keeps up with. */
interface Most {
  readonly perSecond: number
  /** The load generator was late at the lowest rate that it does not keep up with: it may do more. */
  readonly wasBehind: boolean
}

export async function benchLoad(args: readonly string[]): Promise<void> {
  const asked = roundsAsked(args, { rounds: 5, seconds: 5, quickRounds: 1 }, { plot: { type: 'boolean' } })
  if (asked.plot) requirePublishable(asked)
  requireWrk()
  requireTwoCores()
  const stage = openStage()
  try {
    const results = await run(stage, asked)
    const judged = judge(results)
    tellTable(`${table(results)}\n\n${summary(judged)}`, asked)
    tellFigures({ machine: machine(), ...asked, ...results, judged }, asked)
    if (!asked.plot) return
    const { rounds, seconds } = asked
    publish({ latency: latencyResults(results, judged, { machine: machine(), rounds, seconds }) })
  } finally {
    await stage.leave()
  }
}

/** Throws for what would not be published: before it is measured, which takes minutes. */
export function requirePublishable({ quick, rounds, seconds }: Rounds): void {
  if (quick || rounds < PUBLISHED.rounds || seconds < PUBLISHED.seconds) {
    const least = `at least ${PUBLISHED.rounds} rounds of ${PUBLISHED.seconds} s`
    throw new UsageError(`What is published is ${least}: no --plot with --quick, or with less.`)
  }
  readPublished()
}

const NAMES = ['gateway', 'bare'] as const
type Name = (typeof NAMES)[number]

interface Scene {
  /** As fast as it answers, most often faster than at any constant rate. Resolves with how many that were in a second. */
  readonly flood: (name: Name, seconds: number) => Promise<number>
  /** At a constant rate. */
  readonly ask: (name: Name, perSecond: number, seconds: number) => Promise<Round>
}

async function setUp(stage: Stage): Promise<Scene> {
  const upstream = await stage.startServer('upstream.ts')
  const region = upstream.url
  const servers: Record<Name, RunningServer> = {
    gateway: await startGateway(stage, [region]),
    bare: await stage.startServer('contenders/bare-request.ts', SECRET, region),
  }
  const slack = stage.employ<OpenLoad, OpenLoopReport>('open-loop.ts')
  for (const { pid } of Object.values(servers)) await pin(pid, CORES.server)
  // wrk will be started from here.
  for (const pid of [upstream.pid, slack.pid, process.pid]) await pin(pid, CORES.others)
  let formsMade = 0
  const newForms = (count: number): SlackForm[] => Array.from({ length: count }, () => slackCommand((formsMade += 1)))
  for (const [name, { url }] of Object.entries(servers)) {
    await naming(name, checkAnswers(url, { regions: [region], form: newForms(1)[0]!, verifies: true }))
  }
  return {
    async flood(name, seconds) {
      const load = { forms: newForms(NEW_FORMS_A_SECOND * seconds), connections: CONNECTIONS }
      return (await naming(name, measure(servers[name], { ...load, seconds, regions: [region] }))).perSecond
    },
    async ask(name, sentPerSecond, seconds) {
      const { pid, url } = servers[name]
      const before = familyCpuMs(pid)
      const othersShare = watchOthers([process.pid])
      const report = await slack.ask({ url, perSecond: sentPerSecond, seconds, ...LOAD })
      const others = othersShare()
      await pause(CALM_MS)
      const cpuMicros = ((familyCpuMs(pid) - before) * 1000) / report.accepted
      return { ...report, sentPerSecond, cpuMicros, othersShare: others }
    },
  }
}

async function run(stage: Stage, asked: Rounds): Promise<Climbs> {
  const scene = await setUp(stage)
  for (const name of NAMES) await scene.flood(name, asked.warmUpSeconds)
  const { trial, found } = await tryEach(scene, asked)
  const steps = await climb(scene, median(found.gateway.map(({ perSecond }) => perSecond)), asked)
  const climbOf = (what: string, name: Name): Climb => ({
    what,
    saturation: found[name].map(({ perSecond }) => perSecond),
    saturationBehind: found[name].filter(({ wasBehind }) => wasBehind).length,
    steps: steps[name],
  })
  return {
    gateway: climbOf('silo-gateway', 'gateway'),
    bare: climbOf('bare node:http + undici request', 'bare'),
    trial,
  }
}

/** What each can do and, for the machine is another one a minute later, at once how they fare at a share of that. */
async function tryEach({ flood, ask }: Scene, { rounds, seconds }: Rounds) {
  const mostOf = async (name: Name): Promise<Most> => {
    const behind = new Map<number, boolean>()
    const { highest, tooHigh } = await highestRate(await flood(name, TRIED_SECONDS), async (perSecond) => {
      const round = await ask(name, perSecond, TRIED_SECONDS)
      behind.set(perSecond, fellBehind(round.lagMs.p99))
      return keptUp(round)
    })
    if (highest === 0) throw new Error(`${name}: it keeps up with no constant rate at all`)
    return { perSecond: highest, wasBehind: behind.get(tooHigh) ?? false }
  }
  const trial: Trial = {
    gateway: stepOf('silo-gateway, judged', JUDGED_SHARE),
    bareOwn: stepOf('bare, judged, its own', JUDGED_SHARE),
    bareSame: stepOf("bare, judged, the gateway's", JUDGED_SHARE),
  }
  const found: Record<Name, Most[]> = { gateway: [], bare: [] }
  for (let round = 0; round < rounds; round += 1) {
    for (const name of inTurn(NAMES, round)) found[name].push(await mostOf(name))
    const shareOf = (name: Name): number => Math.round(JUDGED_SHARE * found[name][round]!.perSecond)
    const judged = [
      { name: 'gateway', perSecond: shareOf('gateway'), step: trial.gateway },
      { name: 'bare', perSecond: shareOf('bare'), step: trial.bareOwn },
      { name: 'bare', perSecond: shareOf('gateway'), step: trial.bareSame },
    ] as const
    for (let time = 0; time < JUDGED_TIMES; time += 1) {
      for (const { name, perSecond, step } of inTurn(judged, time)) {
        step.rounds.push(await ask(name, perSecond, seconds))
      }
    }
  }
  return { trial, found }
}

/** Both at the same rates, up to nearly all that the gateway can do. */
async function climb({ ask }: Scene, most: number, { rounds, seconds }: Rounds): Promise<Record<Name, Step[]>> {
  const steps = {
    gateway: SHARES.map((share) => stepOf('silo-gateway,', share)),
    bare: SHARES.map((share) => stepOf("bare, the gateway's", share)),
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const [at, share] of SHARES.entries()) {
      for (const name of inTurn(NAMES, round)) {
        steps[name][at]!.rounds.push(await ask(name, Math.round(share * most), seconds))
      }
    }
  }
  return steps
}

function stepOf(what: string, share: number): Step {
  return { what: `${what} ${nameOf(share)}`, rounds: [] }
}

function nameOf(share: number): string {
  return `${Math.round(share * 100)} %`
}

function judge({ trial: { gateway, bareOwn, bareSame } }: Climbs): Judged {
  return {
    share: JUDGED_SHARE,
    atMost: MOST_P99_RATIO,
    ownRates: judgeLoad(gateway.rounds, bareOwn.rounds),
    sameRate: judgeLoad(gateway.rounds, bareSame.rounds),
  }
}

function summary({ share, atMost, ownRates, sameRate }: Judged): string {
  const row = (what: string, { rounds, verdict }: LoadVerdict): string[] => {
    const left = rounds.filter(({ leftOut }) => leftOut === null)
    const reasons = [...new Set(rounds.flatMap(({ leftOut }) => leftOut ?? []))].join(', ')
    const missing = reasons === '' ? '' : `without ${rounds.length - left.length} of ${rounds.length}: ${reasons}`
    const figure =
      left.length === 0
        ? 'n/a'
        : spread(
            left.map(({ ratio }) => ratio),
            2,
          )
    return [`  ${what}`, figure, verdict, missing]
  }
  return [
    `p99 at ${nameOf(share)} of saturation as a multiple of the bare one's, at most ${atMost}:`,
    aligned([row(`each at ${nameOf(share)} of its own`, ownRates), row("both at the gateway's", sameRate)]),
  ].join('\n')
}

function table({ gateway, bare, trial }: Climbs): string {
  const latencies = ['p50 ms', 'p99 ms', 'p99.9 ms']
  const head = ['', 'sent/s', 'answered/s', ...latencies, 'CPU µs', 'no good answer', 'waited', 'own lag p99 ms']
  const steps = [trial.gateway, trial.bareOwn, trial.bareSame, ...gateway.steps, ...bare.steps]
  const rows = steps.map(({ what, rounds }) => {
    const of = (figure: (round: Round) => number, digits: number): string => spread(rounds.map(figure), digits)
    const lagMs = greatestLagMs(rounds)
    return [
      what,
      of(({ sentPerSecond }) => sentPerSecond, 0),
      median(rounds.map((round) => round.perSecond)).toFixed(0),
      of(({ latencyMs }) => latencyMs.p50, 2),
      of(({ latencyMs }) => latencyMs.p99, 2),
      of(({ latencyMs }) => latencyMs.p999, 2),
      median(rounds.map(({ cpuMicros }) => cpuMicros)).toFixed(1),
      String(notAnswered(rounds)),
      String(rounds.reduce((sum, { waited }) => sum + waited, 0)),
      `${lagMs.toFixed(2)}${fellBehind(lagMs) ? ' behind' : ''}`,
    ]
  })
  const most = [gateway, bare].map(({ what, saturation, saturationBehind }) => {
    const doubt = saturationBehind === 0 ? '' : `; in ${saturationBehind} of the rounds the generator's limit, perhaps`
    return `${what} keeps up with ${spread(saturation, 0)} a second${doubt}`
  })
  const others = othersHad(steps.flatMap(({ rounds }) => rounds))
  const lines = [...most, '', aligned([head, ...rows]), others]
  const isBehind = rows.some((row) => row.at(-1)?.endsWith('behind'))
  const doubt = 'behind: the load generator left late itself, so that latencies there may be its own.'
  return [...lines, ...(isBehind ? [doubt] : [])].join('\n')
}
