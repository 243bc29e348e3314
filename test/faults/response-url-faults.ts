import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from './fault.ts'
import { hurtTeams } from './teams.ts'
import type { World } from './world.ts'

const surfaces = ['command', 'action, response_url'] as const

/** Answers that are late and answers that are failures, with nobody there to take them at first. */
async function throughout(world: World, begin: () => Promise<void> | void): Promise<void> {
  await begin()
  const { hurt } = world.regions
  const send = async (): Promise<void> => {
    const all = surfaces.flatMap((surface) => hurtTeams.map((team) => world.send(surface, team)))
    await Promise.all(all)
  }
  hurt.behave({ kind: 'answers', afterMs: 3000 })
  await send()
  hurt.behave({ kind: 'status', status: 500 })
  await send()
  // The late answers have come by now, and been tried to be posted.
  await sleep(1500)
  await Promise.all([world.responses.heal(), hurt.heal()])
}

export const responseUrlFaults: readonly Fault[] = [
  { name: 'response_url refuses', run: (world) => throughout(world, world.responses.refuse) },
  {
    name: 'response_url answers 500',
    run: (world) => throughout(world, () => world.responses.behave({ kind: 'status', status: 500 })),
  },
  {
    name: 'response_url answers 429',
    run: (world) =>
      throughout(world, () => world.responses.behave({ kind: 'status', status: 429, headers: { 'Retry-After': '1' } })),
  },
  // Whether anybody has seen the message is not known: it must not be posted again.
  { name: 'response_url hangs', run: (world) => throughout(world, () => world.responses.behave({ kind: 'hangs' })) },
]
