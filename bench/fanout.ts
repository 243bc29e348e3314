/*
 * What each further region costs: clicks that are sent to 1, 2, 3, 8 and 32 regions, as fast as the gateway takes them
 * (CPU, beside that of the bare one), and at a constant rate while all regions but one are slow (whether the answer is
 * there when the fastest region's is). Gateways, bare ones and that region by itself take turns. Needs wrk and Linux's
 * /proc.
 */
import { aligned } from './aligned.ts'
import { startGateway } from './contenders/gateway.ts'
import { answersOf, judgeAnswers, wasLate, type Answers, type AnswersJudged } from './fanout-verdict.ts'
import { machine } from './machine.ts'
import { checkAnswers, CONNECTIONS, FORMS_A_SECOND, measure, naming } from './measure.ts'
import type { OpenLoad, OpenLoopReport } from './open-loop.ts'
import type { Round } from './ratio-results.ts'
import { inTurn, roundsAsked, type Rounds } from './rounds.ts'
import { ANSWER, slackAction, type SlackForm } from './slack-command.ts'
import { SECRET } from './slack-event.ts'
import { openStage, type RunningServer, type Stage } from './stage.ts'
import { judge, median, othersHad, spread, type Judged } from './statistics.ts'
import { tellFigures, tellTable } from './told.ts'
import { requireWrk } from './wrk.ts'

/** The first is what the others are compared with. */
const REGIONS = [1, 2, 3, 8, 32]
const TARGETS = { addedMicros: 35, regionsOfAddedMicros: 8 }

/** All regions together; of a thousand calls at once, a gateway that is not warm yet ends some after wrk's 2 s. */
const CALLS_AT_ONCE = 256
/** With eight regions fewer clicks come in a second, and some of what they go through was compiled after 25 s. */
const WARM_UP_TIMES = 3
/** How much later than the fastest region the others answer: waiting for one of them would show. */
const SLOW_MS = 20
/**
 * Clicks a second for the latencies, and fewer to so many regions that this would keep one process busy. Far fewer would
 * tell how long a machine takes to wake up that has gone to sleep in between.
 */
const CALM = { perSecond: 500, attemptsPerSecond: 4000 }

interface FanoutRound extends Round, Answers {
  /** Of the bare one that asks as many regions. */
  readonly bareMicros: number
}

interface Fanout {
  readonly regions: number
  readonly rounds: FanoutRound[]
}

export async function benchFanout(args: readonly string[]): Promise<void> {
  const asked = roundsAsked(args, { rounds: 7, seconds: 3 })
  requireWrk()
  const stage = openStage()
  try {
    const fanouts = await run(stage, asked)
    const judged = fanouts.map((fanout) => judgedOf(fanout, fanouts[0]!))
    tellTable(table(judged), asked)
    tellFigures({ machine: machine(), ...asked, fanouts: judged }, asked)
  } finally {
    await stage.leave()
  }
}

async function run(stage: Stage, { rounds, seconds, warmUpSeconds }: Rounds): Promise<Fanout[]> {
  // In one process: 32 would leave the gateway, wrk and the load generator next to nothing of two cores.
  const { urls: atOnce } = await stage.startServer('upstream.ts', '0', String(Math.max(...REGIONS)))
  const fastest = await stage.startServer('upstream.ts')
  const slow = await stage.startServer('upstream.ts', String(SLOW_MS))
  const slack = stage.employ<OpenLoad, OpenLoopReport>('open-loop.ts')
  const load = { form: 'action', answer: ANSWER, connections: CONNECTIONS, ahead: 0 } as const
  const ask = async (url: string, perSecond: number, forSeconds: number): Promise<OpenLoopReport> => {
    const report = await slack.ask({ url, ...load, perSecond, seconds: forSeconds })
    if (report.accepted === report.due) return report
    throw new Error(`Of ${report.due} clicks some were not answered 200: ${JSON.stringify(report.failures)}`)
  }
  let formsMade = 0
  const newForms = (count: number): SlackForm[] => Array.from({ length: count }, () => slackAction((formsMade += 1)))

  const entrants = []
  for (const count of REGIONS) {
    const regions = atOnce.slice(0, count)
    const busy = await startGateway(stage, regions)
    const what = `The gateway of ${count} regions`
    await naming(what, checkAnswers(busy.url, { regions, form: newForms(1)[0]!, verifies: true }))
    const unequal = [fastest.url, ...regions.slice(1).map(() => slow.url)]
    const calm = await startGateway(stage, unequal)
    await naming(what, checkAnswers(calm.url, { regions: unequal, form: newForms(1)[0]!, verifies: true }))
    const bare = await stage.startServer('contenders/bare-request-all.ts', SECRET, ...regions)
    const bareOne = `The bare one of ${count} regions`
    await naming(bareOne, checkAnswers(bare.url, { regions, form: newForms(1)[0]!, verifies: true }))
    const connections = Math.min(CONNECTIONS, CALLS_AT_ONCE / count)
    const flood = (server: RunningServer, forSeconds: number): Promise<Round> => {
      const forms = newForms(FORMS_A_SECOND * forSeconds)
      return naming(
        server === bare ? bareOne : what,
        measure(server, { forms, connections, seconds: forSeconds, regions }),
      )
    }
    const askAt = (url: string, forSeconds: number): Promise<OpenLoopReport> =>
      ask(url, Math.min(CALM.perSecond, CALM.attemptsPerSecond / count), forSeconds)
    entrants.push({ regions: count, busy, bare, calm: calm.url, askAt, flood, rounds: [] as FanoutRound[] })
  }
  for (const { flood, busy, bare, calm, askAt } of entrants) {
    for (let time = 0; time < WARM_UP_TIMES; time += 1) {
      await flood(busy, warmUpSeconds)
      await flood(bare, warmUpSeconds)
    }
    await askAt(calm, warmUpSeconds)
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const { busy, bare, calm, askAt, flood, rounds: results } of inTurn(entrants, round)) {
      const flooded = await flood(busy, seconds)
      const { cpuMicros: bareMicros } = await flood(bare, seconds)
      const region = await askAt(fastest.url, seconds)
      const gateway = await askAt(calm, seconds)
      results.push({ ...flooded, bareMicros, ...answersOf({ region, gateway }) })
    }
  }
  return entrants.map(({ regions, rounds: results }) => ({ regions, rounds: results }))
}

interface JudgedFanout extends Fanout, AnswersJudged {
  readonly cpuMicros: number
  /** In each round, what a region more than one has added to the CPU per request, and to that of the bare one. */
  readonly addedMicros: readonly number[]
  readonly bareAddedMicros: readonly number[]
  readonly added?: Judged
}

function judgedOf({ regions, rounds }: Fanout, base: Fanout): JudgedFanout {
  const added = (cpuOf: (round: FanoutRound) => number): number[] =>
    regions === base.regions
      ? []
      : rounds.map((round, at) => (cpuOf(round) - cpuOf(base.rounds[at]!)) / (regions - base.regions))
  const addedMicros = added(({ cpuMicros }) => cpuMicros)
  return {
    regions,
    rounds,
    cpuMicros: median(rounds.map(({ cpuMicros }) => cpuMicros)),
    addedMicros,
    bareAddedMicros: added(({ bareMicros }) => bareMicros),
    ...(regions === TARGETS.regionsOfAddedMicros && { added: judge(addedMicros, TARGETS.addedMicros) }),
    ...judgeAnswers(rounds),
  }
}

function table(fanouts: readonly JudgedFanout[]): string {
  const after = ['ms after the fastest', 'at most', '']
  const head = [
    'regions',
    'CPU µs/request',
    'µs/region more',
    'at most',
    '',
    'bare µs/region more',
    'requests/s',
    ...after,
  ]
  const rows = fanouts.map((fanout) => [
    String(fanout.regions),
    spread(
      fanout.rounds.map(({ cpuMicros }) => cpuMicros),
      1,
    ),
    fanout.addedMicros.length === 0 ? '' : spread(fanout.addedMicros, 1),
    fanout.added === undefined ? '' : String(fanout.added.atMost),
    fanout.added?.verdict ?? '',
    fanout.bareAddedMicros.length === 0 ? '' : spread(fanout.bareAddedMicros, 1),
    median(fanout.rounds.map(({ perSecond }) => perSecond)).toFixed(0),
    spread(fanout.afterMs, 2),
    String(fanout.after.atMost),
    fanout.after.verdict,
  ])
  const late = fanouts.flatMap(({ rounds }) => rounds).filter(wasLate).length
  const doubt = `In ${late} rounds the load generator was late itself with half of them: latencies may be its own.`
  const others = othersHad(fanouts.flatMap(({ rounds }) => rounds))
  return [aligned([head, ...rows]), others, ...(late > 0 ? [doubt] : [])].join('\n')
}
