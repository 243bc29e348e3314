/*
 * Whether it matters how large the directory is: commands of workspaces drawn at random from those that are active, with
 * 10 to 1,000,000 integrations in the directory, each beside the smallest. Each round has gateways of its own: two that
 * are the same differ by up to a tenth for as long as they live. Needs wrk and Linux's /proc.
 */
import { systemClock } from '../src/clock.ts'
import { openDirectory } from '../src/directory/store.ts'
import { aligned } from './aligned.ts'
import { furnishWith } from './contenders/gateway.ts'
import { externalId, fill } from './directory-file.ts'
import { machine } from './machine.ts'
import { checkAnswers, CONNECTIONS, FORMS_A_SECOND, measure, naming } from './measure.ts'
import { residentMiB } from './process-account.ts'
import type { Round } from './ratio-results.ts'
import { inTurn, roundsAsked, type Rounds } from './rounds.ts'
import { judgeScale } from './scale-verdict.ts'
import { slackCommand } from './slack-command.ts'
import { openStage, type GatewayEnv, type RunningServer, type ServingGateway, type Stage } from './stage.ts'
import { median, othersHad, ratios, spread } from './statistics.ts'
import { tellFigures, tellTable } from './told.ts'
import { requireWrk } from './wrk.ts'

/** The second beside the first shows what comes of equals: how far apart two gateways are by chance. */
const SIZES = [10, 10, 1000, 100_000, 1_000_000]
const QUICK_SIZES = [10, 10, 1000, 100_000]
/** Of how many workspaces commands come: of few, so that nothing but the directory's size differs, and of many. */
const ACTIVE = [10, 10_000]
/**
 * More than the gateway keeps in memory (CACHE_ENTRIES): what many of these cost is the database's, and not judged. It is
 * the last that a gateway is asked, whose heap is another one afterwards.
 */
const MORE_THAN_CACHED = 200_000

/** Those of `directory-file.ts`. */
const REGIONS = 8
const DISABLED_EACH = 50

/** A directory, and what is asked of gateways that have it. */
interface Place {
  readonly env: GatewayEnv
  readonly integrations: number
  readonly rows: readonly Scaled[]
}

interface Scaled {
  readonly integrations: number
  readonly active: number
  readonly rounds: Round[]
  /** The smallest's, right before or after each of them: a minute later the machine is another one. */
  readonly beside: Round[]
  residentMiB: number
}

interface Entrant {
  readonly gateway: ServingGateway
  readonly scaled: Scaled
}

export async function benchScale(args: readonly string[]): Promise<void> {
  const asked = roundsAsked(args, { rounds: 7, seconds: 3 })
  requireWrk()
  const stage = openStage()
  try {
    const scaled = await run(stage, asked.quick ? QUICK_SIZES : SIZES, asked)
    const twin = scaled[1]!
    tellTable(table(scaled, twin), asked)
    if (asked.quick) tellTable('1,000,000 integrations are left out: only the whole bench has them', asked)
    tellFigures(
      { machine: machine(), ...asked, scaled: scaled.map((each) => ({ ...each, ...judged(each, twin) })) },
      asked,
    )
  } finally {
    await stage.leave()
  }
}

async function run(stage: Stage, sizes: readonly number[], asked: Rounds): Promise<Scaled[]> {
  const region = (await stage.startServer('upstream.ts')).url
  const places: Place[] = []
  for (const integrations of sizes) {
    const actives = new Set(ACTIVE.map((each) => Math.min(each, integrations)))
    if (integrations > MORE_THAN_CACHED) actives.add(MORE_THAN_CACHED)
    const rows = [...actives].map((active) => ({
      integrations,
      active,
      rounds: [],
      beside: [],
      residentMiB: Number.NaN,
    }))
    places.push({ env: await furnishFor(stage, { region, integrations }), integrations, rows })
  }

  let formsMade = 0
  const flood = (gateway: RunningServer, seconds: number, teamOf: (at: number) => string): Promise<Round> => {
    const forms = Array.from({ length: FORMS_A_SECOND * seconds }, (_, at) =>
      slackCommand((formsMade += 1), { team: teamOf(at) }),
    )
    return measure(gateway, { forms, connections: CONNECTIONS, seconds, regions: [region] })
  }
  const open = async ({ env, integrations, rows }: Place): Promise<Entrant[]> => {
    const gateway = await stage.serve(env)
    const form = slackCommand((formsMade += 1), { team: externalId(1) })
    await checkAnswers(gateway.url, { regions: [region], form, verifies: true })
    const teams = activeTeams(integrations, rows[0]!.active)
    await flood(gateway, asked.warmUpSeconds, (at) => teams[at % teams.length]!)
    return rows.map((scaled) => ({ gateway, scaled }))
  }
  const play = async ({ gateway, scaled }: Entrant): Promise<Round> => {
    const teams = activeTeams(scaled.integrations, scaled.active)
    // What it remembers has grown old while the others had their turns: each is asked again, or the rest of them would be
    // read within what is measured. More than it remembers are not all asked: they are read whatever was asked before.
    let done = 0
    do {
      const from = done
      done += (await flood(gateway, asked.seconds, (at) => teams[(from + at) % teams.length]!)).requests
    } while (isJudged(scaled) && done < teams.length)
    const result = await flood(gateway, asked.seconds, () => teams[Math.floor(Math.random() * teams.length)]!)
    scaled.rounds.push(result)
    scaled.residentMiB = residentMiB(gateway.pid)
    return result
  }

  for (let round = 0; round < asked.rounds; round += 1) {
    const entrants: Entrant[] = []
    for (const place of places) {
      entrants.push(...(await naming(`The gateway of ${place.integrations} integrations`, open(place))))
    }
    const [smallest, ...others] = entrants as [Entrant, ...Entrant[]]
    const inOrder = inTurn(others, round).toSorted(
      (one, other) => Number(isJudged(other.scaled)) - Number(isJudged(one.scaled)),
    )
    for (const other of inOrder) {
      for (const one of inTurn([smallest, other], round)) {
        const result = await naming(`The gateway of ${one.scaled.integrations} integrations`, play(one))
        if (one === smallest) other.scaled.beside.push(result)
      }
    }
    for (const gateway of new Set(entrants.map((entrant) => entrant.gateway))) await gateway.stop()
  }
  return places.flatMap(({ rows }) => rows)
}

async function furnishFor(
  stage: Stage,
  { region, integrations }: { region: string; integrations: number },
): Promise<GatewayEnv> {
  const regions = Array.from({ length: REGIONS }, (_, at) => ({ name: `region-${at}`, address: region }))
  const empty = { integrations: [], organizations: [], organization_integrations: [] }
  const env = await furnishWith(stage, regions, empty)
  const path = String(env['DATABASE_URL']).slice('sqlite:'.length)
  const store = await openDirectory({ kind: 'sqlite', path }, { clock: systemClock })
  await fill(store, integrations)
  await store.close()
  return env
}

/** So many of them, from all over the directory. */
function activeTeams(integrations: number, active: number): string[] {
  return Array.from({ length: active }, (_, at) => {
    const id = 1 + Math.floor((at * integrations) / active)
    return externalId(id % DISABLED_EACH === 0 ? id - 1 : id)
  })
}

function isJudged({ active }: Scaled): boolean {
  return active < MORE_THAN_CACHED
}

function cpuOf(rounds: readonly Round[]): number[] {
  return rounds.map(({ cpuMicros }) => cpuMicros)
}

/** The smallest has nothing beside itself; `twin` is another one of its size. */
function judged(scaled: Scaled, twin: Scaled) {
  const multiples = multiplesOf(scaled)
  const isTold = multiples.length > 0 && scaled !== twin && isJudged(scaled)
  return {
    cpuMicros: median(cpuOf(scaled.rounds)),
    ratios: multiples,
    ...(isTold && { judged: judgeScale(multiples, multiplesOf(twin)) }),
  }
}

function multiplesOf({ rounds, beside }: Scaled): number[] {
  return beside.length === 0 ? [] : ratios(cpuOf(rounds), cpuOf(beside))
}

function table(scaled: readonly Scaled[], twin: Scaled): string {
  const least = `÷ ${scaled[0]!.integrations}`
  const head = ['integrations', 'active', 'CPU µs/request', least, 'at most', '', 'requests/s', 'MiB']
  const rows = scaled.map((each) => {
    const { ratios: multiples, judged: judgement } = judged(each, twin)
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
