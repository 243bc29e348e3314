/*
 * Whether it matters how large the directory is: commands of workspaces drawn at random from those that are active, with
 * 10 to 1,000,000 integrations in the directory, each beside the smallest. Needs wrk and Linux's /proc.
 */
import { systemClock } from '../src/clock.ts'
import { openDirectory } from '../src/directory/store.ts'
import { aligned } from './aligned.ts'
import { furnishWith } from './contenders/gateway.ts'
import { externalId } from './directory-file.ts'
import { fill } from './directory.ts'
import { machine } from './machine.ts'
import { checkAnswers, measure, naming } from './measure.ts'
import { residentMiB } from './process-account.ts'
import type { Round } from './ratio-results.ts'
import { inTurn, roundsAsked, type Rounds } from './rounds.ts'
import { slackCommand, type SlackForm } from './slack-command.ts'
import { openStage, type ServingGateway, type Stage } from './stage.ts'
import { judge, median, othersHad, ratios, spread } from './statistics.ts'
import { tellFigures, tellTable } from './told.ts'
import { requireWrk } from './wrk.ts'

/** The second beside the first shows what comes of equals: how far apart two gateways are by chance. */
const SIZES = [10, 10, 1000, 100_000, 1_000_000]
const QUICK_SIZES = [10, 10, 1000, 100_000]
/** Of how many workspaces commands come: of few, so that nothing but the directory's size differs, and of many. */
const ACTIVE = [10, 10_000]
/** More than the gateway keeps in memory (CACHE_ENTRIES): what many of these cost is the database's, and not judged. */
const MORE_THAN_CACHED = 200_000
const MOST_RATIO = 1.1

const CONNECTIONS = 32
/** The gateway knows those that come again: more of them than it could take. */
const FORMS_A_SECOND = 16_000
/** Those of `directory-file.ts`. */
const REGIONS = 8
const DISABLED_EACH = 50

interface Scaled {
  readonly integrations: number
  readonly active: number
  readonly rounds: Round[]
  /** The smallest's, right before or after each of them: a minute later the machine is another one. */
  readonly beside: Round[]
  residentMiB: number
}

export async function benchScale(args: readonly string[]): Promise<void> {
  const asked = roundsAsked(args, { rounds: 7, seconds: 3 })
  requireWrk()
  const stage = openStage()
  try {
    const scaled = await run(stage, asked.quick ? QUICK_SIZES : SIZES, asked)
    tellTable(table(scaled), asked)
    if (asked.quick) tellTable('1,000,000 integrations are left out: only the whole bench has them', asked)
    tellFigures({ machine: machine(), ...asked, scaled: scaled.map((each) => ({ ...each, ...judged(each) })) }, asked)
  } finally {
    await stage.leave()
  }
}

async function run(
  stage: Stage,
  sizes: readonly number[],
  { rounds, seconds, warmUpSeconds }: Rounds,
): Promise<Scaled[]> {
  const region = (await stage.startServer('upstream.ts')).url
  let formsMade = 0
  const newForms = (count: number, teamOf: (at: number) => string): SlackForm[] =>
    Array.from({ length: count }, (_, at) => slackCommand((formsMade += 1), { team: teamOf(at) }))

  const entrants = []
  for (const integrations of sizes) {
    const gateway = await startWith(stage, { region, integrations })
    const form = newForms(1, () => externalId(1))[0]!
    const what = `The gateway of ${integrations} integrations`
    await naming(what, checkAnswers(gateway.url, { regions: [region], form, verifies: true }))
    const actives = new Set(ACTIVE.map((each) => Math.min(each, integrations)))
    if (integrations > MORE_THAN_CACHED) actives.add(MORE_THAN_CACHED)
    for (const active of actives) {
      const flood = (forSeconds: number, teamOf: (at: number) => string): Promise<Round> => {
        const forms = newForms(FORMS_A_SECOND * forSeconds, teamOf)
        const load = { forms, connections: CONNECTIONS, seconds: forSeconds, regions: [region] }
        return naming(what, measure(gateway, load))
      }
      const scaled: Scaled = { integrations, active, rounds: [], beside: [], residentMiB: Number.NaN }
      const teams = activeTeams(integrations, active)
      const oneByOne = (at: number): string => teams[at % teams.length]!
      const atRandom = (): string => teams[Math.floor(Math.random() * teams.length)]!
      entrants.push({
        gateway,
        scaled,
        warmUp: (forSeconds: number) => flood(forSeconds, oneByOne),
        flood: () => flood(seconds, atRandom),
      })
    }
  }
  for (const { warmUp } of entrants) await warmUp(warmUpSeconds)
  const [smallest, ...others] = entrants
  for (let round = 0; round < rounds; round += 1) {
    for (const other of inTurn(others, round)) {
      for (const { warmUp, flood, scaled, gateway } of inTurn([smallest!, other], round)) {
        // What it remembers has grown old while the others had their turns.
        await warmUp(seconds)
        const result = await flood()
        scaled.rounds.push(result)
        if (scaled === smallest!.scaled) other.scaled.beside.push(result)
        scaled.residentMiB = residentMiB(gateway.pid)
      }
    }
  }
  return entrants.map(({ scaled }) => scaled)
}

async function startWith(
  stage: Stage,
  { region, integrations }: { region: string; integrations: number },
): Promise<ServingGateway> {
  const regions = Array.from({ length: REGIONS }, (_, at) => ({ name: `region-${at}`, address: region }))
  const empty = { integrations: [], organizations: [], organization_integrations: [] }
  const env = await furnishWith(stage, regions, empty)
  const path = String(env['DATABASE_URL']).slice('sqlite:'.length)
  const store = await openDirectory({ kind: 'sqlite', path }, { clock: systemClock })
  await fill(store, integrations)
  await store.close()
  return await stage.serve(env)
}

/** So many of them, from all over the directory. */
function activeTeams(integrations: number, active: number): string[] {
  return Array.from({ length: active }, (_, at) => {
    const id = 1 + Math.floor((at * integrations) / active)
    return externalId(id % DISABLED_EACH === 0 ? id - 1 : id)
  })
}

function cpuOf(rounds: readonly Round[]): number[] {
  return rounds.map(({ cpuMicros }) => cpuMicros)
}

/** Beside the smallest directory, which has nothing beside itself. */
function judged({ rounds, beside, active }: Scaled) {
  const multiples = beside.length === 0 ? [] : ratios(cpuOf(rounds), cpuOf(beside))
  const isJudged = multiples.length > 0 && active < MORE_THAN_CACHED
  return {
    cpuMicros: median(cpuOf(rounds)),
    ratios: multiples,
    ...(isJudged && { judged: judge(multiples, MOST_RATIO) }),
  }
}

function table(scaled: readonly Scaled[]): string {
  const least = `÷ ${scaled[0]!.integrations}`
  const head = ['integrations', 'active', 'CPU µs/request', least, 'at most', '', 'requests/s', 'MiB']
  const rows = scaled.map((each) => {
    const { ratios: multiples, judged: judgement } = judged(each)
    return [
      each.integrations.toLocaleString('en'),
      each.active.toLocaleString('en'),
      spread(cpuOf(each.rounds), 1),
      multiples.length === 0 ? '' : spread(multiples, 2),
      judgement?.atMost.toFixed(2) ?? '',
      judgement?.verdict ?? '',
      median(each.rounds.map(({ perSecond }) => perSecond)).toFixed(0),
      each.residentMiB.toFixed(0),
    ]
  })
  return `${aligned([head, ...rows])}\n${othersHad(scaled.flatMap(({ rounds }) => rounds))}`
}
