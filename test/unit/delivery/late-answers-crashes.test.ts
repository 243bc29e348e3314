import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PostResult } from '../../../src/delivery/post-answer.ts'
import { isSuccess, type RegionResult } from '../../../src/dispatch/region-result.ts'
import type { SpoolConnection } from '../../../src/spool/sqlite/transaction.ts'
import { answered, failed, refused, timedOut } from '../dispatch/results.ts'
import {
  createWorld as createWorldOver,
  openStore,
  type Instance,
  type Said,
  type Step,
  type World,
  type WorldOptions,
} from './late-answers-world.ts'

let connection: SpoolConnection
beforeAll(async () => {
  connection = await openStore()
})
afterAll(() => connection.database.close())
const createWorld = (options: WorldOptions): World => createWorldOver(connection, options)

const MINUTE = 60_000

const unreachable: RegionResult = {
  kind: 'failed',
  region: 'eu',
  timing: { startedMs: 0, endedMs: 1 },
  reason: 'connect_refused',
  sent: false,
}
const again: PostResult = { kind: 'again', reason: 'http_500' }
const posted: PostResult = { kind: 'posted', status: 200 }

/** An instance as the gateway runs one: it takes over at its start, and every minute from then on. */
function startInstance(world: World): Instance {
  const instance = world.start()
  const takeOver = (): void => {
    void instance.late.takeOver()
    if (world.clock.monotonic() < 30 * MINUTE) world.clock.after(MINUTE, takeOver)
  }
  takeOver()
  return instance
}

/** Owes and follows as the journey of a webhook does: without a committed promise there is nothing to follow. */
async function oweAndFollow(world: World, { late }: Instance, calls: ReturnType<World['calls']>): Promise<void> {
  try {
    await late.owe(world.what, undefined, 1000)
  } catch {
    return
  }
  await late.follow(world.what, calls)
}

/** What must hold however an owed answer went. */
function expectSafe(world: World, { regions }: WorldOptions): void {
  expect(world.heard().length, 'messages heard').toBeLessThanOrEqual(1)
  for (const [name, { idempotent }] of Object.entries(regions)) {
    if (idempotent === true) continue
    const executions = world.executions.filter(({ region }) => region === name)
    expect(executions.length, `executions at ${name}`).toBeLessThanOrEqual(1)
  }
}

describe('a crash at any step', { timeout: 60_000 }, () => {
  const scenarios: Readonly<Record<string, WorldOptions>> = {
    'of a region that answers late': {
      regions: { eu: { says: [{ result: answered('eu', 200, 'done'), afterMs: 4000 }] } },
    },
    'of a region that cannot be reached at first': {
      regions: {
        eu: { says: [{ result: unreachable }, { result: unreachable }, { result: answered('eu', 200, 'done') }] },
      },
    },
    'of a region that may be asked twice and fails at first': {
      regions: { eu: { idempotent: true, says: [{ result: failed('eu') }, { result: answered('eu', 200, 'done') }] } },
    },
    'of several regions': {
      regions: {
        eu: { says: [{ result: failed('eu'), afterMs: 100 }] },
        us: { idempotent: true, says: [{ result: timedOut('us') }, { result: answered('us', 200, 'done') }] },
      },
    },
    'of posts that are not heard at first': {
      regions: { eu: { says: [{ result: answered('eu', 200, 'done') }] } },
      posts: [again, again, posted],
    },
  }

  it.each(Object.entries(scenarios))('%s tells nobody twice and does nothing twice', async (_, options) => {
    const whole = createWorld(options)
    const only = startInstance(whole)
    void oweAndFollow(whole, only, whole.calls(only))
    await whole.run(40 * MINUTE)
    expect(whole.heard()).toEqual(['done'])
    const steps = whole.events.filter((name) => name !== 'takeOver').length
    expect(steps).toBeGreaterThanOrEqual(4)

    for (let at = 0; at < steps; at++) {
      for (const crash of ['crash_before', 'crash_after'] as const) {
        const world = createWorld(options)
        let step = 0
        let crashedAt = ''
        world.next = (name) => {
          if (name === 'takeOver' || step++ !== at) return 'go'
          crashedAt = name
          return crash
        }
        const first = startInstance(world)
        void oweAndFollow(world, first, world.calls(first))
        await world.run(30_000)
        const wasOwed = world.events.includes('owe')
        startInstance(world)
        await world.run(40 * MINUTE)

        expectSafe(world, options)
        expect(world.stored(), `${crash} ${crashedAt}`).toBe(0)
        // Only between the record of a post and its end is it not known whether it was heard.
        const inDoubt = ['posting', 'post', 'unposted'].includes(crashedAt)
        const least = wasOwed && !inDoubt ? 1 : 0
        expect(world.heard().length, `${crash} ${crashedAt}`).toBeGreaterThanOrEqual(least)
      }
    }
  })
})

describe('any schedule', { timeout: 60_000 }, () => {
  const ms = fc.constantFrom(0, 1, 900, 3000, 9000)
  const said: fc.Arbitrary<Said> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        result: fc.constantFrom<RegionResult[]>(
          answered('eu', 200, 'done'),
          answered('eu', 200, ''),
          answered('eu', 200, 'unspeakable'),
          answered('eu', 404, 'no'),
          failed('eu'),
          refused('eu', 'circuit_open'),
          timedOut('eu'),
          unreachable,
        ),
        afterMs: ms,
      }),
    },
    { weight: 1, arbitrary: fc.constant<Said>({ result: 'fault', afterMs: 5 }) },
  )
  const region = fc.record({ idempotent: fc.boolean(), says: fc.array(said, { minLength: 1, maxLength: 4 }) })
  const post = fc.constantFrom<PostResult[]>(
    posted,
    again,
    { kind: 'again', reason: 'http_429', retryAfterMs: 20_000 },
    { kind: 'unknown', reason: 'timeout' },
    { kind: 'refused', status: 404 },
  )
  // Never 0 for ever, with which no time would pass between two tries.
  const random = fc.double({ min: 0.05, max: 1, noNaN: true })
  const regions = fc
    .array(region, { minLength: 1, maxLength: 3 })
    .map((list) => Object.fromEntries(list.map((script, at) => [`r${at}`, script])))

  it('with crashes, a store that comes and goes and instances that are slow is heard at most once, and ends', async () => {
    const reached = { heard: 0, crashed: 0, takenOver: 0, twoInstances: 0, inDoubt: 0 }
    const step = fc.oneof(
      { weight: 12, arbitrary: fc.constant<Step>('go') },
      { weight: 1, arbitrary: fc.constantFrom<Step[]>('crash_before', 'crash_after') },
      { weight: 2, arbitrary: fc.constant<Step>('reject') },
    )
    await fc.assert(
      fc.asyncProperty(
        regions,
        fc.array(post, { maxLength: 4 }),
        fc.array(step, { maxLength: 25 }),
        fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 3 }),
        fc.constantFrom(0, 4000, 6000),
        random,
        async (regions, posts, steps, starts, postMs, drawn) => {
          const options = { regions, posts: [...posts, posted], postMs, random: () => drawn }
          const world = createWorld(options)
          let crashes = 0
          let next = 0
          world.next = (name) => {
            const step = steps[next++] ?? 'go'
            if (step.startsWith('crash')) crashes++
            // A region or a poster never rejects.
            return step === 'reject' && /^(?:ask|post$)/.test(name) ? 'go' : step
          }
          const first = startInstance(world)
          void oweAndFollow(world, first, world.calls(first))
          for (const wait of starts) {
            await world.run(wait)
            startInstance(world)
          }
          // The last one, which nothing happens to any more.
          await world.run(60_000)
          next = steps.length
          startInstance(world)
          await world.run(45 * MINUTE)

          expectSafe(world, options)
          expect(world.stored()).toBe(0)
          reached.heard += world.heard().length
          reached.crashed += Math.min(1, crashes)
          const counted = world.counted()
          reached.takenOver += counted['taken_over'] ?? 0
          reached.inDoubt += counted['post_unknown'] ?? 0
          reached.twoInstances += new Set(world.asked.map(({ attempt }) => attempt)).size > 1 ? 1 : 0
        },
      ),
      { numRuns: 200 },
    )
    // It has been where it could go wrong.
    expect(Math.min(...Object.values(reached)), JSON.stringify(reached)).toBeGreaterThan(0)
  })

  it('without a crash, and with a provider that listens, ends in exactly one message, or in a 2xx that has nothing to say', async () => {
    await fc.assert(
      fc.asyncProperty(regions, random, async (regions, drawn) => {
        const options = { regions, random: () => drawn }
        const world = createWorld(options)
        const instance = world.start()
        void oweAndFollow(world, instance, world.calls(instance))
        await world.run(40 * MINUTE)

        expectSafe(world, options)
        expect(world.stored()).toBe(0)
        expect(world.clock.pending()).toBe(0)
        const successes = world.asked.flatMap(({ region, attempt, at }) => {
          const { says } = regions[region] ?? { says: [] }
          const said = says[Math.min(attempt - 1, says.length - 1)]
          if (said === undefined || typeof said.result !== 'object' || !isSuccess(said.result)) return []
          return [{ text: said.result.reply.body.toString(), heardAt: at + (said.afterMs ?? 0) }]
        })
        const spoken = successes.filter(({ text }) => text !== '')
        const firstAt = Math.min(...spoken.map(({ heardAt }) => heardAt))
        // Of several at one moment any may be the first.
        const firsts = spoken.filter(({ heardAt }) => heardAt === firstAt).map(({ text }) => (text === 'done' ? 1 : 0))
        const expected = successes.length === 0 ? [1] : spoken.length === 0 ? [0] : firsts
        expect(expected).toContain(world.heard().length)
        expect(world.heard().some((text) => text.startsWith('sorry'))).toBe(successes.length === 0)
      }),
      { numRuns: 200 },
    )
  })
})
