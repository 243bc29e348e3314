/*
 * Whether it matters how large the directory is: commands of workspaces drawn at random from those that are active, with
 * 10 to 1,000,000 integrations in the directory, in turns. Needs wrk and Linux's /proc.
 */
import { systemClock } from '../src/clock.ts'
import { openDirectory } from '../src/directory/store.ts'
import { aligned } from './aligned.ts'
import { furnishWith } from './contenders/gateway.ts'
import { externalId } from './directory-file.ts'
import { fill } from './directory.ts'
import { machine } from './machine.ts'
import { roundsAsked, type Rounds } from './rounds.ts'
import { checkAnswers, measure } from './measure.ts'
import { residentMiB } from './process-account.ts'
import type { Round } from './ratio-results.ts'
import { slackCommand, type SlackForm } from './slack-command.ts'
import { openStage, type ServingGateway, type Stage } from './stage.ts'
import { median, othersHad, ratios, spread } from './statistics.ts'
import { requireWrk } from './wrk.ts'

const SIZES = [10, 1000, 100_000, 1_000_000]
const QUICK_SIZES = [10, 1000, 100_000]
/** Of how many workspaces commands come: of few, so that nothing but the directory's size differs, and of many. */
const ACTIVE = [10, 10_000]
const MOST_RATIO = 1.1

const CONNECTIONS = 32
/** Until each active workspace has been looked up. */
const WARM_UP_SECONDS = 4
/** The gateway knows those that come again: more of them than it could take. */
const FORMS_A_SECOND = 16_000
/** Those of `directory-file.ts`. */
const REGIONS = 8
const DISABLED_EACH = 50

interface Scaled {
  readonly integrations: number
  readonly active: number
  readonly rounds: Round[]
  residentMiB: number
}

export async function benchScale(args: readonly string[]): Promise<void> {
  const asked = roundsAsked(args, { rounds: 7, seconds: 3 })
  requireWrk()
  const stage = openStage()
  try {
    const scaled = await run(stage, asked.quick ? QUICK_SIZES : SIZES, asked)
    console.log(asked.json ? JSON.stringify({ machine: machine(), ...asked, scaled }, undefined, 2) : table(scaled))
  } finally {
    await stage.leave()
  }
}

async function run(stage: Stage, sizes: readonly number[], { rounds, seconds }: Rounds): Promise<Scaled[]> {
  const region = (await stage.startServer('upstream.ts')).url
  let formsMade = 0
  const newForms = (count: number, teamOf: (at: number) => string): SlackForm[] =>
    Array.from({ length: count }, (_, at) => slackCommand((formsMade += 1), { team: teamOf(at) }))

  const entrants = []
  for (const integrations of sizes) {
    const gateway = await startWith(stage, { region, integrations })
    const form = newForms(1, () => externalId(1))[0]!
    await checkAnswers(gateway.url, { regions: [region], form, verifies: true })
    for (const active of new Set(ACTIVE.map((each) => Math.min(each, integrations)))) {
      const flood = async (forSeconds: number, teamOf: (at: number) => string): Promise<Round> => {
        const forms = newForms(FORMS_A_SECOND * forSeconds, teamOf)
        const round = await measure(gateway, { forms, connections: CONNECTIONS, seconds: forSeconds })
        if (round.errors > 0) {
          throw new Error(`${integrations} integrations: ${round.errors} of ${round.requests} commands went wrong`)
        }
        if (round.requests <= forms.length) return round
        throw new Error(`The gateway took more than ${FORMS_A_SECOND} a second, and some of them again from memory`)
      }
      const scaled: Scaled = { integrations, active, rounds: [], residentMiB: Number.NaN }
      entrants.push({ gateway, scaled, flood, teams: activeTeams(integrations, active) })
    }
  }
  for (const { flood, teams } of entrants) await flood(WARM_UP_SECONDS, (at) => teams[at % teams.length]!)
  for (let round = 0; round < rounds; round += 1) {
    for (const { flood, teams, scaled, gateway } of entrants) {
      scaled.rounds.push(await flood(seconds, () => teams[Math.floor(Math.random() * teams.length)]!))
      scaled.residentMiB = residentMiB(gateway.pid)
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

function table(scaled: readonly Scaled[]): string {
  const cpuOf = ({ rounds }: Scaled): number[] => rounds.map(({ cpuMicros }) => cpuMicros)
  const base = scaled[0]!
  const head = ['integrations', 'active', 'CPU µs/request', `÷ ${base.integrations}`, 'at most', 'requests/s', 'MiB']
  const rows = scaled.map((each) => [
    each.integrations.toLocaleString('en'),
    each.active.toLocaleString('en'),
    spread(cpuOf(each), 1),
    each === base ? '' : spread(ratios(cpuOf(each), cpuOf(base)), 2),
    each === base ? '' : MOST_RATIO.toFixed(2),
    median(each.rounds.map(({ perSecond }) => perSecond)).toFixed(0),
    each.residentMiB.toFixed(0),
  ])
  return `${aligned([head, ...rows])}\n${othersHad(scaled.flatMap(({ rounds }) => rounds))}`
}
