/*
 * What a webhook costs the gateway beside what people would use instead: on the way to its one region, and to the first
 * answer of three. Each contender is a process of its own and they take turns, so that whatever else the machine does
 * falls on all of them; CPU time is the operating system's account of them. Needs wrk and Linux's /proc.
 */
import { parseArgs } from 'node:util'
import { ONE_REGION, THREE_REGIONS, type Contender } from './contenders/contenders.ts'
import { machine } from './machine.ts'
import { checkAnswers, measure } from './measure.ts'
import { publish } from './published.ts'
import { GATEWAY, type Field, type RatioResults, type Round } from './ratio-results.ts'
import { ratioTable } from './ratio-table.ts'
import { slackAction, slackCommand, type SlackForm } from './slack-command.ts'
import { openStage, type Stage } from './stage.ts'
import { requireWrk } from './wrk.ts'

const CONNECTIONS = 32
/** Until what runs all the time has been compiled. */
const WARM_UP_SECONDS = 2
/** The gateway knows those that come again, so each is sent once: more of them than it could take. */
const FORMS_A_SECOND = 16_000
/** For everybody else, who does not. */
const FORMS_AGAIN = 2000

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

interface Pace {
  readonly rounds: number
  readonly seconds: number
  readonly warmUpSeconds: number
}

export async function benchRatios(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      plot: { type: 'boolean', default: false },
      only: { type: 'string' },
      regions: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      profile: { type: 'string' },
    },
  })
  if (values.plot && (values.only !== undefined || values.regions !== undefined)) {
    throw new Error('What is published has every contender in it: --plot goes with neither --only nor --regions.')
  }
  requireWrk()
  const pace = {
    rounds: Number(values.rounds ?? (values.quick ? 2 : 7)),
    seconds: Number(values.seconds ?? (values.quick ? 1 : 3)),
    warmUpSeconds: values.quick ? 1 : WARM_UP_SECONDS,
  }
  const races = RACES.filter(({ regions }) => values.regions === undefined || String(regions) === values.regions)
    .map((race) => ({ ...race, contenders: race.contenders.filter(named(values.only)) }))
    .filter(({ contenders }) => contenders.length > 0)
  if (races.length === 0) throw new Error(`There is none of that name; there are ${everyName()}.`)

  const fields: Field[] = []
  for (const race of races) {
    const nodeArgs = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`]
    const stage = openStage({ heapAccount: true, nodeArgs })
    try {
      const field = await run(stage, race, pace)
      fields.push(field)
      if (!values.json) console.log(`${ratioTable(field)}\n`)
    } finally {
      await stage.leave()
    }
  }
  const { rounds, seconds } = pace
  const results: RatioResults = { machine: machine(), rounds, seconds, connections: CONNECTIONS, fields }
  if (values.json) console.log(JSON.stringify(results, undefined, 2))
  if (values.plot) publish({ ratios: results })
}

async function run(stage: Stage, race: Race, { rounds, seconds, warmUpSeconds }: Pace): Promise<Field> {
  const { title, form, contenders } = race
  const regions = await Promise.all(
    Array.from({ length: race.regions }, async () => (await stage.startServer('upstream.ts')).url),
  )
  let formsMade = 0
  const newForms = (count: number): SlackForm[] => Array.from({ length: count }, () => form((formsMade += 1)))

  const present = contenders.filter((contender) => contender.missing() === undefined)
  const entrants = []
  for (const contender of present) {
    const server = await contender.start(stage, regions)
    const { what, verifies } = contender
    await checkAnswers(server.url, { regions, form: newForms(1)[0]!, verifies }).catch((error: Error) => {
      throw new Error(`${what} is not timed: ${error.message}`, { cause: error })
    })
    const ask = async (forSeconds: number): Promise<Round> => {
      const forms = newForms(contender.name === GATEWAY ? FORMS_A_SECOND * forSeconds : FORMS_AGAIN)
      const round = await measure(server, { forms, connections: CONNECTIONS, seconds: forSeconds })
      if (contender.name !== GATEWAY || round.requests <= forms.length) return round
      throw new Error(`The gateway took more than ${FORMS_A_SECOND} a second, and some of them again from memory`)
    }
    entrants.push({ contender, server, ask, rounds: [] as Round[] })
  }
  for (const { ask } of entrants) await ask(warmUpSeconds)
  for (let round = 0; round < rounds; round += 1) {
    for (const entrant of entrants) entrant.rounds.push(await entrant.ask(seconds))
  }
  for (const { server } of entrants) await server.stop?.()

  return {
    title,
    contenders: entrants.map(({ contender: { name, what, limit }, rounds }) => ({
      name,
      what,
      ...(limit !== undefined && { limit }),
      rounds,
    })),
    missing: contenders.flatMap((contender) => {
      const needs = contender.missing()
      return needs === undefined ? [] : [{ what: contender.what, needs }]
    }),
  }
}

/** `bare` names bare-request and bare-dispatch. */
function named(only: string | undefined): (contender: Contender) => boolean {
  const beginnings = only?.split(',') ?? ['']
  return ({ name }) => beginnings.some((beginning) => name.startsWith(beginning))
}

function everyName(): string {
  return [...new Set(RACES.flatMap(({ contenders }) => contenders.map(({ name }) => name)))].join(', ')
}
