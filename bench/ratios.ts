/*
 * What a webhook costs the gateway beside what people would use instead: on the way to its one region, and to the first
 * answer of three. Each contender is a process of its own and they take turns, so that whatever else the machine does
 * falls on all of them; CPU time is the operating system's account of them. Needs wrk and Linux's /proc.
 */
import { ONE_REGION, THREE_REGIONS, type Contender } from './contenders/contenders.ts'
import { machine } from './machine.ts'
import { checkAnswers, CONNECTIONS, FORMS_A_SECOND, measure } from './measure.ts'
import { publish, readPublished } from './published.ts'
import { GATEWAY, summarized, type Field, type RatioResults, type Round } from './ratio-results.ts'
import { ratioTable } from './ratio-table.ts'
import { inTurn, roundsAsked, UsageError, type Rounds } from './rounds.ts'
import { slackAction, slackCommand, type SlackForm } from './slack-command.ts'
import { openStage, type RunningServer, type Stage } from './stage.ts'
import { tellFigures, tellTable } from './told.ts'
import { requireWrk } from './wrk.ts'

/** At the least. */
const PUBLISHED = { rounds: 7, seconds: 3 }

const RACES: readonly Race[] = [
  { title: 'one region', regions: 1, contenders: ONE_REGION, form: slackCommand },
  // A command concerns one region only: of what users wait for, clicks are what is most often asked of all.
  { title: 'three regions, first answer', regions: 3, contenders: THREE_REGIONS, form: slackAction },
]

interface Race {
  readonly title: string
  readonly regions: number
  readonly contenders: readonly Contender[]
  /** What is sent; different for every number. */
  readonly form: (number: number) => SlackForm
}

interface Entrant {
  readonly contender: Contender
  readonly server: RunningServer
  readonly rounds: Round[]
}

export async function benchRatios(args: readonly string[]): Promise<void> {
  const asked = roundsAsked(
    args,
    { rounds: 7, seconds: 3 },
    { plot: { type: 'boolean' }, only: { type: 'string' }, regions: { type: 'string' }, profile: { type: 'string' } },
  )
  const races = RACES.filter(({ regions }) => asked.regions === undefined || String(regions) === asked.regions)
    .map((race) => ({ ...race, contenders: race.contenders.filter(named(asked.only)) }))
    .filter(({ contenders }) => contenders.length > 0)
  const isNobody = (beginning: string): boolean =>
    !races.some(({ contenders }) => contenders.some(({ name }) => name.startsWith(beginning)))
  if (races.length === 0 || asked.only?.split(',').some(isNobody)) {
    throw new UsageError(`Nobody is to be asked: --regions is 1 or 3, --only of ${everyName()}`)
  }
  if (asked.plot) requirePublishable(asked)
  requireWrk()
  if (asked.plot) requireEverybody()

  const fields: Field[] = []
  for (const race of races) {
    const nodeArgs = asked.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${asked.profile}`]
    const stage = openStage({ heapAccount: true, nodeArgs })
    try {
      const field = await run(stage, race, asked)
      fields.push(field)
      tellTable(`${ratioTable(field)}\n`, asked)
    } finally {
      await stage.leave()
    }
  }
  const { rounds, seconds } = asked
  const results: RatioResults = { machine: machine(), rounds, seconds, connections: CONNECTIONS, fields }
  tellFigures(summarized(results), asked)
  if (!asked.plot) return
  if (fields.some(({ absent }) => absent.length > 0)) throw new Error('Not published: not everybody could be timed.')
  publish({ ratios: results })
}

/** Throws for what would not be published: before it is measured, which takes minutes. */
export function requirePublishable(asked: Rounds & { only?: string; regions?: string; profile?: string }): void {
  const { quick, rounds, seconds, only, regions, profile } = asked
  const isPart = [only, regions, profile].some((each) => each !== undefined)
  if (!quick && !isPart && rounds >= PUBLISHED.rounds && seconds >= PUBLISHED.seconds) return
  const every = `at least ${PUBLISHED.rounds} rounds of ${PUBLISHED.seconds} s of every contender, none of them profiled`
  throw new UsageError(`What is published is ${every}: no --plot with --quick, --only, --regions or --profile.`)
}

function requireEverybody(): void {
  const missing = RACES.flatMap(({ contenders }) => contenders.flatMap((contender) => contender.missing() ?? []))
  if (missing.length > 0) throw new Error(`What is published has every contender in it: install ${missing.join(', ')}.`)
  readPublished()
}

async function run(stage: Stage, race: Race, { rounds, seconds, warmUpSeconds }: Rounds): Promise<Field> {
  const { title, form, contenders } = race
  const regions = await Promise.all(
    Array.from({ length: race.regions }, async () => (await stage.startServer('upstream.ts')).url),
  )
  let formsMade = 0
  const newForms = (count: number): SlackForm[] => Array.from({ length: count }, () => form((formsMade += 1)))

  const absent: Field['absent'] = []
  /** Whoever fails is left out; but without the gateway there is nothing to tell. */
  const leaveOut = ({ name, what }: Contender, error: Error): void => {
    if (name === GATEWAY) throw new Error(`${what}: ${error.message}`, { cause: error })
    absent.push({ what, why: error.message })
  }
  const enter = async (contender: Contender): Promise<Entrant> => {
    const { verifies, inChunks = false } = contender
    const server = await contender.start(stage, regions)
    await checkAnswers(server.url, { regions, form: newForms(1)[0]!, verifies, inChunks })
    return { contender, server, rounds: [] }
  }
  const entrants = new Set<Entrant>()
  for (const contender of contenders) {
    const needs = contender.missing()
    if (needs !== undefined) absent.push({ what: contender.what, why: `${needs} is not installed` })
    else {
      await enter(contender).then(
        (entrant) => entrants.add(entrant),
        (error: Error) => leaveOut(contender, error),
      )
    }
  }
  /** All of them once, with the same webhooks, which none of them knows yet. */
  const ask = async (round: number, forSeconds: number): Promise<void> => {
    const load = {
      forms: newForms(FORMS_A_SECOND * forSeconds),
      connections: CONNECTIONS,
      seconds: forSeconds,
      regions,
    }
    for (const entrant of inTurn([...entrants], round)) {
      await measure(entrant.server, load).then(
        (measured) => entrant.rounds.push(measured),
        (error: Error) => {
          leaveOut(entrant.contender, error)
          entrants.delete(entrant)
        },
      )
    }
  }
  await ask(0, warmUpSeconds)
  for (const entrant of entrants) entrant.rounds.length = 0
  for (let round = 0; round < rounds; round += 1) await ask(round, seconds)
  for (const { server } of entrants) await server.stop?.()

  const timed = [...entrants].map(({ contender: { name, what, limit }, rounds: measured }) => ({
    name,
    what,
    ...(limit !== undefined && { limit }),
    rounds: measured,
  }))
  return { title, contenders: timed, absent }
}

/** `bare` names bare-request and bare-dispatch. */
function named(only: string | undefined): (contender: Contender) => boolean {
  const beginnings = only?.split(',') ?? ['']
  return ({ name }) => beginnings.some((beginning) => name.startsWith(beginning))
}

function everyName(): string {
  return [...new Set(RACES.flatMap(({ contenders }) => contenders.map(({ name }) => name)))].join(', ')
}
