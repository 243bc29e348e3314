/*
 * What the length of a webhook costs: slash commands of 1 KiB to 1 MiB, the gateway beside the least that does its job,
 * in turns. Needs wrk and Linux's /proc.
 */
import { aligned } from './aligned.ts'
import { startGateway } from './contenders/gateway.ts'
import { machine } from './machine.ts'
import { roundsAsked, type Rounds } from './rounds.ts'
import { checkAnswers, measure } from './measure.ts'
import type { Round } from './ratio-results.ts'
import { slackCommand, type SlackForm } from './slack-command.ts'
import { SECRET } from './slack-event.ts'
import { openStage, type RunningServer, type Stage } from './stage.ts'
import { median, othersHad, ratios, spread } from './statistics.ts'
import { requireWrk } from './wrk.ts'

const KIB = 1024
const SIZES = [1, 4, 16, 64, 256, 1024].map((kib) => kib * KIB)

/** Enough to keep a server busy; of more, long commands would only wait for one another. */
const CONNECTIONS = 8
/** The gateway knows those that come again: more of them than it could take, but making long ones takes time. */
const MOST_FORMS_A_SECOND = 16_000
const MOST_BYTES_A_SECOND = 600 * KIB * KIB
/** For the bare one, which does not know those that come again. */
const FORMS_AGAIN = 50

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
    console.log(asked.json ? JSON.stringify({ machine: machine(), ...asked, sizes }, undefined, 2) : table(sizes))
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
  const flood = async (server: RunningServer, bytes: number, count: number): Promise<Round> => {
    const round = await measure(server, { forms: newForms(count, bytes), connections: CONNECTIONS, seconds })
    if (round.errors === 0) return round
    throw new Error(`${round.errors} of ${round.requests} commands of ${bytes} bytes went wrong`)
  }
  const floodBoth = async ({ bytes, gateway: results, bare: bareResults }: Sized): Promise<void> => {
    const perSecond = Math.min(MOST_FORMS_A_SECOND, Math.ceil(MOST_BYTES_A_SECOND / bytes))
    const round = await flood(gateway, bytes, perSecond * seconds)
    if (round.requests > perSecond * seconds) {
      throw new Error(`The gateway took more than ${perSecond} a second, and some of them again from memory`)
    }
    results.push(round)
    bareResults.push(await flood(bare, bytes, FORMS_AGAIN))
  }

  const sizes = SIZES.map((bytes): Sized => ({ bytes, gateway: [], bare: [] }))
  for (const { bytes } of sizes) {
    // A forged one is longer by a little: than 1 MiB, and the gateway would not read it.
    const verifies = bytes < Math.max(...SIZES)
    for (const { url } of [gateway, bare]) {
      await checkAnswers(url, { regions: [region], form: newForm(bytes), verifies })
    }
  }
  await floodBoth({ bytes: SIZES[0]!, gateway: [], bare: [] })
  for (let round = 0; round < rounds; round += 1) for (const size of sizes) await floodBoth(size)
  return sizes
}

function table(sizes: readonly Sized[]): string {
  const head = ['KiB', 'gateway CPU µs', 'bare CPU µs', 'ratio', 'gateway MiB/s', 'bare MiB/s', 'p99 ms', 'bare p99 ms']
  const rows = sizes.map(({ bytes, gateway, bare }) => {
    const [cpu, bareCpu] = [gateway, bare].map((rounds) => rounds.map(({ cpuMicros }) => cpuMicros))
    const middle = (rounds: readonly Round[], of: 'perSecond' | 'p99Ms'): number =>
      median(rounds.map((round) => round[of]))
    return [
      String(bytes / KIB),
      spread(cpu!, 0),
      spread(bareCpu!, 0),
      spread(ratios(cpu!, bareCpu!), 2),
      ...[gateway, bare].map((rounds) => ((middle(rounds, 'perSecond') * bytes) / KIB ** 2).toFixed(1)),
      ...[gateway, bare].map((rounds) => middle(rounds, 'p99Ms').toFixed(2)),
    ]
  })
  return `${aligned([head, ...rows])}\n${othersHad(sizes.flatMap(({ gateway, bare }) => [...gateway, ...bare]))}`
}
