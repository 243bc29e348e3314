/*
 * What the length of a webhook costs: slash commands of 1 KiB to 1 MiB, the gateway beside what does its job and nothing
 * else, in turns. Needs wrk and Linux's /proc.
 */
import { aligned } from './aligned.ts'
import { startGateway } from './contenders/gateway.ts'
import { machine } from './machine.ts'
import { inTurn, roundsAsked, type Rounds } from './rounds.ts'
import { checkAnswers, FORMS_A_SECOND, measure, naming } from './measure.ts'
import type { Round } from './ratio-results.ts'
import { slackCommand, type SlackForm } from './slack-command.ts'
import { SECRET } from './slack-event.ts'
import { openStage, type Stage } from './stage.ts'
import { median, othersHad, ratios, spread } from './statistics.ts'
import { tellFigures, tellTable } from './told.ts'
import { requireWrk } from './wrk.ts'

const KIB = 1024
const SIZES = [1, 4, 16, 64, 256, 1024].map((kib) => kib * KIB)

/** Enough to keep a server busy; of more, long commands would only wait for one another. */
const FEW_CONNECTIONS = 8
/** Making long ones takes time. */
const MOST_BYTES_A_SECOND = 600 * KIB * KIB

interface Sized {
  readonly bytes: number
  readonly gateway: Round[]
  readonly bare: Round[]
}

export async function benchSize(args: readonly string[]): Promise<void> {
  const asked = roundsAsked(args, { rounds: 7, seconds: 2 })
  requireWrk()
  const stage = openStage()
  try {
    const sizes = await run(stage, asked)
    tellTable(table(sizes), asked)
    const summaries = sizes.map((size) => {
      const [gatewayMicros, bareMicros] = [median(cpuOf(size.gateway)), median(cpuOf(size.bare))]
      return { ...size, gatewayMicros, bareMicros, ratio: median(ratiosOf(size)) }
    })
    tellFigures({ machine: machine(), ...asked, sizes: summaries }, asked)
  } finally {
    await stage.leave()
  }
}

async function run(stage: Stage, { rounds, seconds }: Rounds): Promise<Sized[]> {
  const region = (await stage.startServer('upstream.ts')).url
  const gateway = await startGateway(stage, [region])
  const bare = await stage.startServer('contenders/bare-request.ts', SECRET, region)
  let formsMade = 0
  const newForm = (bytes: number): SlackForm => slackCommand((formsMade += 1), { bytes })
  function* newForms(count: number, bytes: number): Generator<SlackForm> {
    for (let made = 0; made < count; made += 1) yield newForm(bytes)
  }
  const floodBoth = async (size: Sized, round: number): Promise<void> => {
    const { bytes } = size
    const perSecond = Math.min(FORMS_A_SECOND, Math.ceil(MOST_BYTES_A_SECOND / bytes))
    const both = [
      { name: 'gateway', server: gateway, results: size.gateway },
      { name: 'bare', server: bare, results: size.bare },
    ]
    for (const { name, server, results } of inTurn(both, round)) {
      const forms = newForms(perSecond * seconds, bytes)
      const load = { forms, connections: FEW_CONNECTIONS, seconds, regions: [region] }
      results.push(await naming(`${name}, ${bytes / KIB} KiB`, measure(server, load)))
    }
  }

  const sizes = SIZES.map((bytes): Sized => ({ bytes, gateway: [], bare: [] }))
  for (const { bytes } of sizes) {
    // A forged one is longer by a little: than 1 MiB, and the gateway would not read it.
    const verifies = bytes < Math.max(...SIZES)
    for (const [name, { url }] of Object.entries({ gateway, bare })) {
      const check = checkAnswers(url, { regions: [region], form: newForm(bytes), verifies })
      await naming(`${name}, ${bytes / KIB} KiB`, check)
    }
  }
  for (const { bytes } of sizes) await floodBoth({ bytes, gateway: [], bare: [] }, 0)
  for (let round = 0; round < rounds; round += 1) for (const size of sizes) await floodBoth(size, round)
  return sizes
}

function ratiosOf({ gateway, bare }: Sized): number[] {
  return ratios(cpuOf(gateway), cpuOf(bare))
}

function cpuOf(rounds: readonly Round[]): number[] {
  return rounds.map(({ cpuMicros }) => cpuMicros)
}

function table(sizes: readonly Sized[]): string {
  const head = ['KiB', 'gateway CPU µs', 'bare CPU µs', 'ratio', 'gateway MiB/s', 'bare MiB/s', 'p99 ms', 'bare p99 ms']
  const rows = sizes.map((size) => {
    const { bytes, gateway, bare } = size
    const middle = (rounds: readonly Round[], of: 'perSecond' | 'p99Ms'): number =>
      median(rounds.map((round) => round[of]))
    return [
      String(bytes / KIB),
      spread(cpuOf(gateway), 0),
      spread(cpuOf(bare), 0),
      spread(ratiosOf(size), 2),
      ...[gateway, bare].map((rounds) => ((middle(rounds, 'perSecond') * bytes) / KIB ** 2).toFixed(1)),
      ...[gateway, bare].map((rounds) => middle(rounds, 'p99Ms').toFixed(2)),
    ]
  })
  return `${aligned([head, ...rows])}\n${othersHad(sizes.flatMap(({ gateway, bare }) => [...gateway, ...bare]))}`
}
