/*
 * How long an answer takes at a constant arrival rate, whatever became of those before: the gateway beside the least
 * that does its job. First it is found how much each of them can do at all, then both climb to 95 % of what the gateway
 * can, in turns. Needs wrk, taskset, two cores and Linux's /proc.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { aligned } from './aligned.ts'
import { startGateway } from './contenders/gateway.ts'
import {
  greatestLagMs,
  latencyResults,
  notAnswered,
  type Climbs,
  type Judged,
  type Round,
  type Step,
} from './latency-results.ts'
import { machine } from './machine.ts'
import { judgeLoad, MOST_P99_RATIO, type LoadVerdict } from './load-verdict.ts'
import { checkAnswers, measure, naming } from './measure.ts'
import type { OpenLoad, OpenLoopReport } from './open-loop.ts'
import { fellBehind } from './pace.ts'
import { familyCpuMs, watchOthers } from './process-account.ts'
import { CORES, pin, requireTwoCores } from './pin.ts'
import { publish, readPublished } from './published.ts'
import { inTurn, roundsAsked, UsageError, type Rounds } from './rounds.ts'
import { ANSWER, slackCommand, type SlackForm } from './slack-command.ts'
import { SECRET } from './slack-event.ts'
import { openStage, type RunningServer, type Stage } from './stage.ts'
import { median, othersHad, spread } from './statistics.ts'
import { tellFigures, tellTable } from './told.ts'
import { requireWrk } from './wrk.ts'

/** Of what the gateway can do at all. */
const SHARES = [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95]
const JUDGED_SHARE = 0.7

/** To find out what they can do: each connection sends the next as soon as it has its answer. */
const SATURATING_CONNECTIONS = 32
const LOAD = {
  form: 'command',
  answer: ANSWER,
  // More than are ever on their way while a server keeps up; when it does not, the rest wait and it counts.
  connections: 256,
  ahead: Number.MAX_SAFE_INTEGER,
  settleSeconds: 1,
} as const
/** The gateway knows those that come again: more of them than it, or even the bare one, could take. */
const FORMS_A_SECOND = 30_000
/** Until what is left over from a step is done: its records, a collection. It belongs to what the step cost. */
const CALM_MS = 300

/** At the least. */
const PUBLISHED = { rounds: 3, seconds: 4 }

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

async function run(stage: Stage, { rounds, seconds, warmUpSeconds }: Rounds): Promise<Climbs> {
  const upstream = await stage.startServer('upstream.ts')
  const region = upstream.url
  const servers: Record<'gateway' | 'bare', RunningServer> = {
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

  const saturate = async (name: keyof typeof servers, forSeconds: number): Promise<number> => {
    const load = { forms: newForms(FORMS_A_SECOND * forSeconds), connections: SATURATING_CONNECTIONS }
    const asking = measure(servers[name], { ...load, seconds: forSeconds, regions: [region] })
    return (await naming(name, asking)).perSecond
  }
  const names = ['gateway', 'bare'] as const
  for (const name of names) await saturate(name, warmUpSeconds)
  const saturation = { gateway: [] as number[], bare: [] as number[] }
  for (let round = 0; round < rounds; round += 1) {
    for (const name of inTurn(names, round)) {
      saturation[name].push(await saturate(name, seconds))
    }
  }

  const take = async ({ pid, url }: RunningServer, { perSecond, rounds: results }: Step): Promise<void> => {
    const before = familyCpuMs(pid)
    const othersShare = watchOthers([process.pid])
    const report = await slack.ask({ url, perSecond, seconds, ...LOAD })
    const others = othersShare()
    await pause(CALM_MS)
    const cpuMicros = ((familyCpuMs(pid) - before) * 1000) / report.accepted
    results.push({ ...report, cpuMicros, othersShare: others })
  }
  const stepOf = (what: string, most: readonly number[], share: number): Step => ({
    what: `${what} ${nameOf(share)}`,
    perSecond: Math.round(share * median(most)),
    rounds: [],
  })
  const steps = {
    gateway: SHARES.map((share) => stepOf('silo-gateway,', saturation.gateway, share)),
    bare: SHARES.map((share) => stepOf("bare, the gateway's", saturation.gateway, share)),
  }
  const bareOwn = stepOf('bare, its own', saturation.bare, JUDGED_SHARE)
  for (let round = 0; round < rounds; round += 1) {
    for (const [at, step] of steps.gateway.entries()) {
      const turns: [RunningServer, Step][] = [
        [servers.gateway, step],
        [servers.bare, steps.bare[at]!],
      ]
      if (step === judgedOf(steps.gateway)) turns.push([servers.bare, bareOwn])
      for (const turn of inTurn(turns, round)) await take(...turn)
    }
  }
  return {
    gateway: { what: 'silo-gateway', saturation: saturation.gateway, steps: steps.gateway },
    bare: { what: 'bare node:http + undici request', saturation: saturation.bare, steps: steps.bare },
    bareOwn,
  }
}

function nameOf(share: number): string {
  return `${Math.round(share * 100)} %`
}

function judgedOf(steps: readonly Step[]): Step {
  return steps[SHARES.indexOf(JUDGED_SHARE)]!
}

function judge({ gateway, bare, bareOwn }: Climbs): Judged {
  const own = judgedOf(gateway.steps).rounds
  return {
    share: JUDGED_SHARE,
    atMost: MOST_P99_RATIO,
    ownRates: judgeLoad(own, bareOwn.rounds),
    sameRate: judgeLoad(own, judgedOf(bare.steps).rounds),
  }
}

function summary({ share, atMost, ownRates, sameRate }: Judged): string {
  const row = (what: string, { ratios, verdict }: LoadVerdict): string[] => [`  ${what}`, spread(ratios, 2), verdict]
  return [
    `p99 at ${nameOf(share)} of saturation as a multiple of the bare one's, at most ${atMost}:`,
    aligned([row(`each at ${nameOf(share)} of its own`, ownRates), row("both at the gateway's", sameRate)]),
  ].join('\n')
}

function table({ gateway, bare, bareOwn }: Climbs): string {
  const latencies = ['p50 ms', 'p99 ms', 'p99.9 ms']
  const head = ['', 'sent/s', 'answered/s', ...latencies, 'CPU µs', 'no good answer', 'waited', 'own lag p99 ms']
  const steps = [...gateway.steps, ...bare.steps, bareOwn]
  const rows = steps.map(({ what, perSecond, rounds }) => {
    const of = (figure: (round: Round) => number, digits: number): string => spread(rounds.map(figure), digits)
    const lagMs = greatestLagMs(rounds)
    return [
      what,
      String(perSecond),
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
  const most = [gateway, bare].map(({ what, saturation }) => `${what}: ${spread(saturation, 0)} a second at the most`)
  const others = othersHad(steps.flatMap(({ rounds }) => rounds))
  const lines = [...most, '', aligned([head, ...rows]), others]
  const isBehind = rows.some((row) => row.at(-1)?.endsWith('behind'))
  const doubt = 'behind: the load generator left late itself, so that latencies there may be its own.'
  return [...lines, ...(isBehind ? [doubt] : [])].join('\n')
}
