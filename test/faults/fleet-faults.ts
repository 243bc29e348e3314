import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { Fault, Form } from './fault.ts'
import { well } from './fault-region.ts'
import { keepSending, moody, moodyResponses, noteUnknownPosts, shortBudget } from './process-faults.ts'
import { deduplicated, sendIdentical } from './slack-faults.ts'
import type { Surface } from './surfaces.ts'
import { teamEverywhere } from './teams.ts'
import type { World } from './world.ts'

/** What each of a fleet may owe to one that is gone: it is told by another, once its lease has lapsed. */
const away = { mayRepeat: true, mayHangUp: true, othersKnowWithinMs: 2000 } as const
const THREE = 3

/** Under load from everywhere, with regions and whoever takes late answers in all moods. */
async function underLoad(world: World, whatGoesWrong: () => Promise<void>): Promise<void> {
  const { random, regions, responses } = world
  responses.behave(moodyResponses(random))
  regions.hurt.behave(moody(random))
  const load = keepSending(world)
  await sleep(1000)
  await whatGoesWrong()
  regions.hurt.behave(well)
  await sleep(500)
  await load.stop()
  await Promise.all([regions.hurt.heal(), responses.heal()])
  await world.retryRefused()
  await sleep(6000)
  await world.settled(20_000)
  noteUnknownPosts(world)
}

async function killedInTurn(world: World, form: Form): Promise<void> {
  const { fleet, random } = world
  const rounds = form === 'quick' ? 2 : 20
  await underLoad(world, async () => {
    for (let round = 0; round < rounds; round++) {
      const victim = fleet[Math.floor(random() * fleet.length)]
      await victim?.kill()
      await sleep(random() * 3000)
      await victim?.start()
      await sleep(random() * 500)
    }
  })
  world.ledger.notes.push(`one of ${fleet.length} killed, ${rounds} times`)
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
      await sleep(1000)
    }
  })
}

const fleetFault = (fault: Omit<Fault, 'world' | 'excuses' | 'alone'>): Fault => ({
  ...fault,
  excuses: away,
  world: { env: shortBudget, fleet: THREE },
})

export const fleetFaults: readonly Fault[] = [
  fleetFault({ name: 'fleet: one SIGKILLed', run: killedInTurn }),
  fleetFault({ name: 'fleet: upgraded one by one', run: (world) => upgraded(world) }),
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
    run: (world) =>
      underLoad(world, async () => {
        await world.servers?.postgres.stop('SIGINT')
        await sleep(2000)
        await world.servers?.postgres.start()
        await sleep(2000)
      }),
  }),
  fleetFault({
    name: 'fleet: PostgreSQL killed',
    fullOnly: true,
    run: (world) =>
      underLoad(world, async () => {
        await world.servers?.postgres.stop('SIGQUIT')
        await world.servers?.postgres.start()
        await sleep(2000)
      }),
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
