import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { Fault, Form } from './fault.ts'
import { well } from './fault-region.ts'
import type { GatewayProcess } from './gateway-process.ts'
import { acceptedAt, type Execution } from './ledger.ts'
import { keepSending, moody, moodyResponses, noteUnknownPosts, shortBudget } from './process-faults.ts'
import { deduplicated, sendIdentical } from './slack-faults.ts'
import type { Surface } from './surfaces.ts'
import { hurtTeams, movingTeams, organizationsOf, teamEverywhere, type Team } from './teams.ts'
import type { World } from './world.ts'

/** What each of a fleet may owe to one that is gone: it is told by another, once its lease has lapsed. */
const away = { mayRepeat: true, mayHangUp: true, othersKnowWithinMs: 2000 } as const
const THREE = 3
/** Three gateways and their servers do not share a small machine with more than this. */
const PAUSE_MS = 40

/** What a gateway that was killed has left is taken over by then, and what is done twice has been done. */
const LEASE_LAPSED_MS = 6000

/**
 * Under load from everywhere, with regions and whoever takes late answers in all moods. `waitMs`: how long something may
 * still come of it that nobody waits for.
 */
async function underLoad(world: World, whatGoesWrong: () => Promise<void>, { waitMs = 1000 } = {}): Promise<void> {
  const { random, regions, responses } = world
  responses.behave(moodyResponses(random))
  regions.hurt.behave(moody(random))
  const load = keepSending(world, { pauseMs: PAUSE_MS })
  await sleep(1000)
  await whatGoesWrong()
  regions.hurt.behave(well)
  await sleep(500)
  await load.stop()
  await Promise.all([regions.hurt.heal(), responses.heal()])
  await world.retryRefused()
  await sleep(waitMs)
  await world.settled(20_000)
  noteUnknownPosts(world)
}

/** The 5 s of the contract, and what it takes until it is seen. */
const TAKEN_OVER_WITHIN_MS = 5500

/**
 * Kills one that is in the middle of a mailbox and owes an answer, and takes the time until another goes on with both.
 * The others stand still until it has claimed the mailbox, so that it is certain whose it is.
 */
async function takenOver(world: World, form: Form): Promise<void> {
  const { fleet, regions, ledger } = world
  const [victim, ...others] = fleet
  const [team] = hurtTeams
  if (victim === undefined || team === undefined) return
  const { port } = victim
  const waitFor = async (what: () => boolean): Promise<number> => {
    const giveUpAt = performance.now() + 3 * TAKEN_OVER_WITHIN_MS
    while (!what() && performance.now() < giveUpAt) await sleep(10)
    return performance.now()
  }
  for (const other of others) other.signal('SIGSTOP')
  regions.hurt.behave({ kind: 'status', status: 503 })
  const event = await world.send('event', team, { port })
  regions.hurt.behave({ kind: 'answers', afterMs: 3500 })
  for (let next = 0; next < 3; next++) await world.send('event', team, { port })
  const tries = () => ledger.executions.filter(({ mark, deferred }) => mark === event.mark && deferred).length
  await waitFor(() => tries() > 0)
  for (const other of others) other.signal('SIGCONT')
  const command = await world.send('command', team, { port })
  const begun = tries()
  const killedAt = performance.now()
  await victim.kill()
  regions.hurt.behave(well)
  const took = await Promise.all([
    waitFor(() => tries() > begun),
    waitFor(() => ledger.messages.some(({ mark }) => mark === command.mark)),
  ])
  const [mailboxMs = 0, answerMs = 0] = took.map((at) => Math.round(at - killedAt))
  ledger.notes.push(`another took over the killed one's mailbox after ${mailboxMs} ms, its answer after ${answerMs} ms`)
  // The quick form runs wherever there is a machine, however busy.
  if (form === 'full' && Math.max(mailboxMs, answerMs) > TAKEN_OVER_WITHIN_MS)
    ledger.complaints.push(`what a killed gateway had was not taken over within ${TAKEN_OVER_WITHIN_MS} ms`)
  await victim.start()
}

async function killedInTurn(world: World, form: Form): Promise<void> {
  const { fleet, random } = world
  await takenOver(world, form)
  const rounds = form === 'quick' ? 1 : 20
  const killed = async (): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      const victim = fleet[Math.floor(random() * fleet.length)]
      await victim?.kill()
      await sleep(random() * 3000)
      await victim?.start()
      await sleep(random() * 500)
    }
  }
  await underLoad(world, killed, { waitMs: LEASE_LAPSED_MS })
  world.ledger.notes.push(`and then, under load, one of ${fleet.length} killed ${rounds} times`)
}

/** One after the other is told to stop and comes back as the next release, which migrates beside the others. */
async function upgraded(world: World): Promise<void> {
  const { fleet, ledger } = world
  const nextRelease = pathToFileURL(join(import.meta.dirname, 'next-release.ts')).href
  await underLoad(world, async () => {
    for (const gateway of fleet) {
      gateway.signal('SIGTERM')
      const { code } = await gateway.ended()
      if (code !== 0) ledger.complaints.push(`a gateway ended with ${code} instead of 0`)
      await gateway.start([nextRelease])
      await sleep(500)
    }
  })
}

/** While it is away no gateway hears of what others have just stored. */
async function databaseAway(world: World, signal: 'SIGINT' | 'SIGQUIT', forMs: number): Promise<void> {
  const from = performance.now()
  await world.servers?.postgres.stop(signal)
  await sleep(forMs)
  await world.servers?.postgres.start()
  world.ledger.silences.push({ from, until: performance.now() })
  await sleep(2000)
}

/** In effect everywhere, and what was on its way has arrived. */
const IN_EFFECT_MS = { direct: 1000, deferred: 200 } as const

/**
 * What waits for a dead region follows its organization, as well as what comes meanwhile: one moves at once, the other
 * is held for a while. Then the dead region is well, and whatever is still sent there is seen to be.
 */
async function moved(world: World): Promise<void> {
  const { fleet, regions, ledger } = world
  const [mover, heldOne] = movingTeams
  const [first, second, third] = fleet
  if (mover === undefined || heldOne === undefined) return
  regions.hurt.behave({ kind: 'status', status: 503 })
  const load = keepSending(world, { teams: movingTeams, pauseMs: PAUSE_MS })
  await sleep(1500)
  const movedAt = await put(world, first, mover, { held: false })
  const heldAt = await put(world, second, heldOne, { held: true })
  await sleep(1500)
  regions.hurt.behave(well)
  await sleep(1500)
  const releaseAt = performance.now()
  await put(world, third, heldOne, { held: false })
  await sleep(1500)
  await load.stop()
  await world.retryRefused()
  await world.settled(20_000)
  complainOfStray(world, mover, 'to the region that it has left', ({ region }) => region === 'hurt', movedAt)
  complainOfStray(world, heldOne, 'to the region that it has left', ({ region }) => region === 'hurt', heldAt)
  complainOfStray(world, heldOne, 'while it was held', ({ reachedAt }) => reachedAt < releaseAt, heldAt)
  ledger.notes.push(
    `${sentBefore(world, mover, movedAt)} events before the move, ${sentBefore(world, heldOne, releaseAt)} before the release`,
  )
}

const sentBefore = ({ ledger }: World, team: Team, at: number): number =>
  [...ledger.sent.values()].filter(
    (sent) => sent.team === team && sent.surface === 'event' && (acceptedAt(sent) ?? at) < at,
  ).length

/** Moves or releases a team's organization through one gateway; resolves to when that was done. */
async function put(
  { ledger }: World,
  at: GatewayProcess | undefined,
  team: Team,
  { held }: { held: boolean },
): Promise<number> {
  const [organization] = organizationsOf(team)
  const from = performance.now()
  const reply = await fetch(`http://127.0.0.1:${at?.adminPort}/api/organizations/${organization?.id}`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ ...organization, region: team.movesTo, held }),
  })
  const text = await reply.text()
  if (reply.status !== 200) ledger.complaints.push(`an organization could not be moved: ${reply.status} ${text}`)
  const until = performance.now()
  ledger.silences.push({ from, until, team })
  return until
}

function complainOfStray(
  { ledger }: World,
  team: Team,
  where: string,
  isStray: (execution: Execution) => boolean,
  since: number,
): void {
  const stray = ledger.executions.filter((execution) => {
    const isIn = execution.reachedAt > since + IN_EFFECT_MS[execution.deferred ? 'deferred' : 'direct']
    return isIn && ledger.sent.get(execution.mark)?.team === team && isStray(execution)
  })
  if (stray.length > 0) ledger.complaints.push(`${stray.length} requests for ${team.id} were sent ${where}`)
}

const fleetFault = (fault: Omit<Fault, 'world' | 'excuses' | 'alone'>): Fault => ({
  ...fault,
  excuses: away,
  world: { env: shortBudget, fleet: THREE },
})

export const fleetFaults: readonly Fault[] = [
  fleetFault({ name: 'fleet: one SIGKILLed', run: killedInTurn }),
  fleetFault({ name: 'fleet: upgraded one by one', run: (world) => upgraded(world) }),
  fleetFault({ name: 'fleet: organization moves', run: (world) => moved(world) }),
  {
    name: 'fleet: identical requests',
    alone: true,
    world: { fleet: THREE },
    async run(world, form) {
      world.regions.hurt.behave({ kind: 'answers', afterMs: 300 })
      const chosen: readonly Surface[] = form === 'quick' ? ['event', 'command'] : deduplicated
      for (const surface of chosen) await sendIdentical(world, surface, teamEverywhere)
    },
  },
  fleetFault({
    name: 'fleet: PostgreSQL restarted',
    run: (world) => underLoad(world, () => databaseAway(world, 'SIGINT', 2000)),
  }),
  fleetFault({
    name: 'fleet: PostgreSQL killed',
    fullOnly: true,
    run: (world) => underLoad(world, () => databaseAway(world, 'SIGQUIT', 0)),
  }),
  fleetFault({
    name: 'fleet: Redis restarted',
    run: (world) =>
      underLoad(world, async () => {
        await world.servers?.redis.stop('SIGKILL')
        await sleep(2000)
        await world.servers?.redis.start()
        await sleep(2000)
      }),
  }),
  fleetFault({
    name: 'fleet: Redis suspended',
    fullOnly: true,
    run: (world) =>
      underLoad(world, async () => {
        const pid = world.servers?.redis.pid() ?? 0
        process.kill(pid, 'SIGSTOP')
        await sleep(4000)
        process.kill(pid, 'SIGCONT')
        await sleep(2000)
      }),
  }),
]
