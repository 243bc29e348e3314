import type { Fault } from './fault.ts'
import { well, type Behaviour } from './fault-region.ts'
import type { World } from './world.ts'

/** While it lasts twice over, since the second time the gateway knows; and once more while what waited is delivered. */
async function throughout(world: World, begin: () => Promise<void> | void, heal: () => Promise<void>): Promise<void> {
  await world.wave({ perSurface: 1, perMailbox: 1 })
  await begin()
  await world.wave()
  await world.wave()
  await heal()
  await Promise.all([world.wave(), world.recovered()])
}

function behaving(name: string, behaviour: Behaviour, more: Partial<Fault> = {}): Fault {
  return {
    name: `region ${name}`,
    run: (world) => throughout(world, () => world.regions.hurt.behave(behaviour), world.regions.hurt.heal),
    ...more,
  }
}

const unresolvable = 'http://region.invalid:9'

export const regionFaults: readonly Fault[] = [
  { name: 'region refuses', run: (world) => throughout(world, world.regions.hurt.refuse, world.regions.hurt.heal) },
  behaving('resets', { kind: 'resets' }),
  // With 200 requests in flight where there is time for it.
  behaving(
    'hangs before headers',
    { kind: 'hangs_before_headers' },
    { load: (form) => (form === 'full' ? { perSurface: 25, perMailbox: 10 } : { perSurface: 3, perMailbox: 3 }) },
  ),
  behaving('hangs in the body', { kind: 'hangs_in_body' }),
  behaving('sends half a body', { kind: 'half_body' }),
  behaving('answers 500', { kind: 'status', status: 500 }),
  behaving('answers 503', { kind: 'status', status: 503 }),
  behaving('answers 429', { kind: 'status', status: 429, headers: { 'Retry-After': '1' } }),
  behaving('floods 100 MB', { kind: 'floods' }),
  behaving('drips', { kind: 'drips' }),
  {
    name: 'region is slow',
    // Long after Slack's answer, and well within the time a region has.
    run: (world) =>
      throughout(
        world,
        () => world.regions.hurt.behave({ kind: 'answers', afterMs: 3200 }),
        () => Promise.resolve(world.regions.hurt.behave(well)),
      ),
  },
  {
    name: 'region name unknown',
    world: { hurtAddress: unresolvable },
    async run(world) {
      await world.wave()
      await world.wave()
      await world.writeRegions(world.regions.hurt.address)
      world.gateway.signal('SIGHUP')
      await Promise.all([world.wave(), world.recovered()])
    },
  },
]
