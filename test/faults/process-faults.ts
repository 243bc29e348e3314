import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault, Form } from './fault.ts'
import { well, type Behaviour } from './fault-region.ts'
import { acceptedAt } from './ledger.ts'
import type { ResponseBehaviour } from './response-server.ts'
import { interactive } from './surfaces.ts'
import { hurtTeams, teamEverywhere, type Team } from './teams.ts'
import type { World } from './world.ts'

/** So that what is late, and what is owed then, comes about many times in a second. */
const BUDGET_MS = 800
export const shortBudget = { SLACK_BUDGET_MS: String(BUDGET_MS) }
const away = { mayRepeat: true, mayHangUp: true } as const
const ROUNDS = { quick: 3, full: 50 } as const
const everyTeam = [...hurtTeams, teamEverywhere]

/**
 * Goes on sending on every surface for these teams until told to stop. A mailbox's sender repeats an event until it is
 * accepted, and rests for `pauseMs` after each.
 */
export function keepSending(
  world: World,
  { teams = everyTeam, pauseMs = 10 }: { teams?: readonly Team[]; pauseMs?: number } = {},
): { stop: () => Promise<void> } {
  let stopped = false
  const isOver = (): boolean => stopped
  const events = teams.map(async (team) => {
    while (!isOver()) {
      const event = await world.send('event', team)
      for (let retries = 0; acceptedAt(event) === undefined && retries < 1000 && !isOver(); retries++) {
        await sleep(50)
        await world.sendAgain(event)
      }
      await sleep(pauseMs)
    }
  })
  const clicks = interactive.map(async (surface, at) => {
    for (let click = at; !isOver(); click++) {
      const { tries } = await world.send(surface, teams[click % teams.length] as Team)
      const isAway = tries[0]?.heard === undefined
      await sleep(isAway ? 300 : 20 + world.random() * 30)
    }
  })
  return {
    async stop() {
      stopped = true
      await Promise.all([...events, ...clicks])
    },
  }
}

/** Mostly at once, now and then too late for Slack, now and then not at all. */
export function moody(random: () => number): () => Behaviour {
  return () => {
    const mood = random()
    if (mood < 0.75) return { kind: 'answers', afterMs: random() * 20 }
    if (mood < 0.9) return { kind: 'answers', afterMs: BUDGET_MS + random() * 900 }
    return mood < 0.95 ? { kind: 'resets' } : { kind: 'status', status: 503 }
  }
}

/** What the gateway says of messages that it may have posted when it was killed, and therefore does not post again. */
export function noteUnknownPosts({ fleet, ledger }: World): void {
  for (const line of fleet.flatMap(({ log }) => log)) {
    if (!line.includes('"result":"post_unknown"')) continue
    const { delivery } = JSON.parse(line) as { delivery?: string }
    if (delivery !== undefined) ledger.unknownPosts.add(delivery)
  }
}

/** Like regions, whoever takes late answers has moods: refused ones may come again, those that hang may have been seen. */
export function moodyResponses(random: () => number): () => ResponseBehaviour {
  return () => {
    const mood = random()
    if (mood < 0.8) return { kind: 'takes' }
    return mood < 0.9 ? { kind: 'status', status: 503 } : { kind: 'hangs' }
  }
}

async function killedAtRandom(world: World, rounds: number): Promise<void> {
  const { gateway, random, regions } = world
  world.responses.behave(moodyResponses(random))
  const load = keepSending(world)
  let owed = 0
  for (let round = 0; round < rounds; round++) {
    const isDown = random() < 0.3
    if (isDown) await regions.hurt.refuse()
    else regions.hurt.behave(moody(random))
    await sleep(100 + random() * 2000)
    owed += answersOwed(world)
    await gateway.kill()
    if (isDown) await regions.hurt.heal()
    await gateway.start()
  }
  regions.hurt.behave(well)
  await sleep(300)
  await load.stop()
  await Promise.all([regions.hurt.heal(), world.responses.heal()])
  await world.retryRefused()
  await leasesLapse(world, rounds)
  world.ledger.notes.push(`killed ${rounds} times, with ${owed} answers owed in all`)
}

/** Clicks that have got an empty answer, and no message yet. */
function answersOwed({ ledger }: World): number {
  const told = new Set(ledger.messages.map(({ mark }) => mark))
  return [...ledger.sent.values()].filter(
    ({ mark, surface, tries }) =>
      surface !== 'event' && tries[0]?.heard?.status === 200 && tries[0].heard.body === '' && !told.has(mark),
  ).length
}

/** What an instance owed when it was killed is taken over when its lease has lapsed; whoever waits sees all of that. */
async function leasesLapse(world: World, rounds: number): Promise<void> {
  await sleep(rounds >= ROUNDS.full ? 6000 : 0)
  await world.settled(20_000)
  noteUnknownPosts(world)
}

/** Under load, told to stop: everything that is under way has to come to its end, and a new process goes on. */
async function stopped(world: World, form: Form, { twice }: { twice: boolean }): Promise<void> {
  const { gateway, random, regions, ledger } = world
  regions.hurt.behave(twice ? moody(random) : () => ({ kind: 'answers', afterMs: random() * 1800 }))
  const load = keepSending(world)
  await sleep(2500)
  if (twice) regions.hurt.behave({ kind: 'hangs_before_headers' })
  if (twice) await sleep(200)
  const begun = performance.now()
  gateway.signal('SIGTERM')
  if (twice) await sleep(50)
  if (twice) gateway.signal('SIGTERM')
  const { code, signal } = await gateway.ended()
  const tookMs = Math.round(performance.now() - begun)
  const [expected, atMost] = twice ? [143, 1000] : [0, DRAIN_TIMEOUT_MS + 500]
  if (code !== expected) ledger.complaints.push(`ended with ${code ?? signal} instead of ${expected}`)
  if (tookMs > atMost) ledger.complaints.push(`took ${tookMs} ms to end`)
  if (!twice) complainOfUnanswered(world, begun)
  regions.hurt.behave(well)
  await gateway.start()
  await load.stop()
  await regions.hurt.heal()
  await world.retryRefused()
  await leasesLapse(world, twice ? ROUNDS[form] : 0)
}

/** What was sent so long before the signal that it must have been accepted by then has to be answered. */
function complainOfUnanswered({ ledger }: World, toldAt: number): void {
  const tries = [...ledger.sent.values()].flatMap(({ tries }) => tries)
  const broken = tries.filter(
    ({ startedAt, endedAt, heard }) => heard === undefined && startedAt < toldAt - ACCEPTED_MS && endedAt > toldAt,
  )
  if (broken.length > 0) ledger.complaints.push(`${broken.length} requests in flight were not answered`)
}

/** How long a connection may stand in the system's queue: what is closed there never reached the gateway. */
const ACCEPTED_MS = 500
const DRAIN_TIMEOUT_MS = 10_000

/**
 * Stands still for longer than its lease while it empties mailboxes and owes answers, and another one takes all of that
 * over; then it goes on, and has to notice.
 */
async function suspended(world: World): Promise<void> {
  const { gateway, regions, ledger } = world
  const successor = await world.another()
  await regions.hurt.refuse()
  await world.wave()
  await regions.hurt.heal()
  await world.recovered()
  regions.hurt.behave({ kind: 'answers', afterMs: 3700 })
  await Promise.all(hurtTeams.map((team) => world.send('command', team)))
  regions.hurt.behave({ kind: 'status', status: 503 })
  await world.wave({ perSurface: 0, perMailbox: 5 })
  // One at a time, so that each mailbox is in the middle of it.
  regions.hurt.behave({ kind: 'answers', afterMs: 300 })
  await sleep(500)
  gateway.signal('SIGSTOP')
  const before = ledger.executions.length
  await successor.start()
  const giveUpAt = performance.now() + 15_000
  while (ledger.executions.length === before && performance.now() < giveUpAt) await sleep(20)
  if (ledger.executions.length === before) ledger.complaints.push('nobody took over what a suspended gateway had')
  gateway.signal('SIGCONT')
  await world.wave()
  await world.settled(30_000)
  noteUnknownPosts(world)
  await regions.hurt.heal()
}

export const processFaults: readonly Fault[] = [
  {
    name: 'gateway SIGKILLed',
    excuses: away,
    world: { env: shortBudget },
    run: (world, form) => killedAtRandom(world, ROUNDS[form]),
  },
  {
    name: 'gateway SIGKILLed, idempotent',
    excuses: { ...away, idempotent: true },
    fullOnly: true,
    world: { env: shortBudget, entries: { idempotent: true } },
    run: (world, form) => killedAtRandom(world, Math.ceil(ROUNDS[form] / 5)),
  },
  {
    name: 'gateway suspended',
    // What was on its way when it stopped.
    excuses: { mayRepeat: true },
    fullOnly: true,
    run: suspended,
  },
  {
    name: 'SIGTERM under load',
    excuses: { mayHangUp: true },
    run: (world, form) => stopped(world, form, { twice: false }),
  },
  {
    name: 'second SIGTERM',
    excuses: away,
    world: { env: shortBudget },
    run: (world, form) => stopped(world, form, { twice: true }),
  },
]
