import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RegionResult } from '../../../src/dispatch/region-result.ts'
import { createSealer } from '../../../src/spool/seal.ts'
import type { SpoolConnection } from '../../../src/spool/sqlite/transaction.ts'
import { answered, failed, refused, timedOut } from '../dispatch/results.ts'
import {
  createWorld as createWorldOver,
  openStore,
  SECRET_URL,
  type Instance,
  type RegionScript,
  type Said,
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
const timing = { startedMs: 0, endedMs: 1 }

const ok = (text: string, afterMs = 0): Said => ({ result: answered('eu', 200, text), afterMs })
const says = (result: RegionResult, afterMs = 0): Said => ({ result, afterMs })
const unreachable: RegionResult = { kind: 'failed', region: 'eu', timing, reason: 'connect_refused', sent: false }
const http503 = (retryAfter: string): RegionResult => ({
  kind: 'failed',
  region: 'eu',
  timing,
  reason: 'http_503',
  sent: true,
  rawHeaders: ['Retry-After', retryAfter],
})
const idempotent = (...said: Said[]): RegionScript => ({ idempotent: true, says: said })
const once = (...said: Said[]): RegionScript => ({ says: said })

/** Owed and followed, as after an empty 200. */
async function follow(world: World, instance = world.start()): Promise<Instance> {
  await instance.late.owe(world.what, undefined, 1000)
  void instance.late.follow(world.what, world.calls(instance))
  await world.run(0)
  return instance
}

/** Owed by an instance that goes away at once; another takes over when the lease has lapsed. */
async function takeOver(world: World, { message }: { message?: string } = {}): Promise<Instance> {
  const first = world.start()
  const known = message === undefined ? undefined : { contentType: 'text/plain', body: Buffer.from(message) }
  await first.late.owe(world.what, known, 1000)
  if (known === undefined) void first.late.follow(world.what, world.calls(first))
  await world.run(0)
  first.crash()
  return await successor(world)
}

async function successor(world: World): Promise<Instance> {
  await world.run(5001)
  const instance = world.start()
  void instance.late.takeOver()
  await world.run(0)
  return instance
}

const texts = (world: World): string[] => world.posted.map(({ text }) => text)
const attemptsAt = (world: World, region: string): number[] =>
  world.asked.filter((asked) => asked.region === region).map(({ attempt }) => attempt)

function expectNothingOwed(world: World, instance: Instance): void {
  expect(world.stored()).toBe(0)
  expect(instance.late.owed()).toBe(0)
  expect(world.clock.pending()).toBe(0)
}

describe('owing an answer', () => {
  it('rejects when it could not be stored, and then nothing is owed', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')) } })
    world.next = () => 'reject'
    const { late } = world.start()
    await expect(late.owe(world.what, undefined, 1000)).rejects.toMatchObject({ code: 'STORE_AWAY' })
    expect(late.owed()).toBe(0)
  })

  it('counts until it has been given', async () => {
    const world = createWorld({ regions: { eu: once(ok('done', 100)) } })
    const { late } = await follow(world)
    expect(late.owed()).toBe(1)
    await world.run(100)
    expect(late.owed()).toBe(0)
  })

  it('stores neither the request nor the address nor the message in the clear', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')) } })
    const { late } = world.start()
    await late.owe(world.what, { contentType: 'text/plain', body: Buffer.from('the message') }, 1000)
    const stored = world.storedBytes()
    expect(stored.length).toBeGreaterThan(100)
    for (const text of [SECRET_URL, 'command=', 'the message']) expect(stored.includes(text)).toBe(false)
  })
})

describe('following the calls of a webhook', () => {
  it('posts what the first region says at once, while others go on', async () => {
    const world = createWorld({ regions: { eu: once(ok('done', 6000)), us: once(ok('too late', 7000)) } })
    const instance = await follow(world)
    await world.run(5999)
    expect(texts(world)).toEqual([])
    await world.run(1)
    expect(texts(world)).toEqual(['done'])
    await world.run(1000)
    expect(texts(world)).toEqual(['done'])
    expect(world.counted()).toEqual({ posted: 1 })
    expectNothingOwed(world, instance)
  })

  it('resolves when the answer is given and every call is over', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')), us: once(ok('', 9000)) } })
    const instance = world.start()
    await instance.late.owe(world.what, undefined, 1000)
    let over = false
    void instance.late.follow(world.what, world.calls(instance)).then(() => (over = true))
    await world.run(8999)
    expect({ over, owed: instance.late.owed(), posted: texts(world) }).toEqual({
      over: false,
      owed: 0,
      posted: ['done'],
    })
    await world.run(1)
    expect(over).toBe(true)
  })

  it('waits for the others when one has done it without a word', async () => {
    const world = createWorld({ regions: { eu: once(ok('')), us: once(ok('done', 2000)) } })
    await follow(world)
    expect(texts(world)).toEqual([])
    await world.run(2000)
    expect(texts(world)).toEqual(['done'])
  })

  it('hears nobody after the first that says something, though nothing can be made of it', async () => {
    const world = createWorld({ regions: { eu: once(ok('unspeakable')), us: once(ok('done', 2000)) } })
    await follow(world)
    await world.run(2000)
    expect(texts(world)).toEqual([])
  })

  it.each([
    ['an empty 2xx', ok('')],
    ['a 2xx of which the provider makes nothing', ok('unspeakable')],
  ])('posts nothing after %s, and asks nobody again', async (_, said) => {
    const world = createWorld({ regions: { eu: once(said), us: idempotent(says(failed('us'), 100)) } })
    const instance = await follow(world)
    await world.run(100)
    expect(texts(world)).toEqual([])
    expect(attemptsAt(world, 'us')).toEqual([1])
    expect(world.counted()).toEqual({ nothing_to_say: 1 })
    expectNothingOwed(world, instance)
  })

  it.each([400, 401, 404, 429])('takes a %i of an idempotent region for its last word', async (status) => {
    const world = createWorld({ regions: { eu: idempotent(says(answered('eu', status, 'no'))) } })
    const instance = await follow(world)
    expect(texts(world)).toEqual(['sorry: failed'])
    expect(attemptsAt(world, 'eu')).toEqual([1])
    expect(world.counted()).toEqual({ failed_told: 1 })
    expectNothingOwed(world, instance)
  })

  it.each([
    ['failed with an error', failed('eu'), 'failed'],
    [
      'was reset after it had been sent the request',
      { ...unreachable, reason: 'connection_reset', sent: true } as const,
      'unknown',
    ],
    ['did not answer in time', timedOut('eu'), 'unknown'],
  ])('never asks a region again that %s', async (_, result, why) => {
    const world = createWorld({ regions: { eu: once(says(result)) } })
    const instance = await follow(world)
    expect(attemptsAt(world, 'eu')).toEqual([1])
    expect(texts(world)).toEqual([`sorry: ${why}`])
    expectNothingOwed(world, instance)
  })

  it.each([
    ['could not be connected to', unreachable],
    ['was not asked', refused('eu', 'queue_full')],
    ['had no slot in time', { kind: 'timed_out', region: 'eu', timing, sent: false } as const],
  ])('asks a region again that %s, with attempt numbers that go up', async (_, result) => {
    const world = createWorld({ regions: { eu: once(says(result), says(result), says(result), ok('done')) } })
    const instance = await follow(world)
    expect(texts(world)).toEqual([])
    await world.run(MINUTE)
    expect(attemptsAt(world, 'eu')).toEqual([1, 2, 3, 4])
    expect(texts(world)).toEqual(['done'])
    expectNothingOwed(world, instance)
  })

  it.each(['region_down', 'region_draining', 'unknown_region'] as const)(
    'waits for no region that is sent nothing (%s): the user is told at once that it failed',
    async (reason) => {
      const regions = { eu: idempotent(says(refused('eu', reason)), ok('done')), us: once(says(failed('us'), 3000)) }
      const world = createWorld({ regions })
      const instance = await follow(world)
      await world.run(3000)
      expect(texts(world)).toEqual(['sorry: failed'])
      expect(attemptsAt(world, 'eu')).toEqual([1])
      expectNothingOwed(world, instance)
    },
  )

  it('does not know what a region has done that was asked before nothing was sent there any more', async () => {
    const world = createWorld({ regions: { eu: idempotent({ result: 'never' }, says(refused('eu', 'region_down'))) } })
    const instance = await takeOver(world)
    expect(texts(world)).toEqual(['sorry: unknown'])
    expectNothingOwed(world, instance)
  })

  it('gives such a region up, and says so, 60 s after the webhook came', async () => {
    const world = createWorld({ regions: { eu: once(says(unreachable)) } })
    await world.run(2500)
    const instance = await follow(world)
    await world.run(MINUTE - 2501)
    expect(texts(world)).toEqual([])
    await world.run(1)
    expect(world.asked.at(-1)?.at).toBe(MINUTE)
    expect(texts(world)).toEqual(['sorry: failed'])
    expectNothingOwed(world, instance)
  })

  it.each([true, false])('never asks again what cannot be written as HTTP (idempotent: %s)', async (isIdempotent) => {
    const unwritable = says({ ...unreachable, reason: 'invalid_request' })
    const world = createWorld({ regions: { eu: { idempotent: isIdempotent, says: [unwritable] } } })
    const instance = await follow(world)
    expect(texts(world)).toEqual(['sorry: failed'])
    expectNothingOwed(world, instance)
  })

  it('never asks it once more when a later attempt was sent', async () => {
    const world = createWorld({ regions: { eu: once(says(unreachable), says(timedOut('eu'), 10_000), ok('done')) } })
    await follow(world)
    await world.run(2 * MINUTE)
    expect(attemptsAt(world, 'eu')).toEqual([1, 2])
    expect(texts(world)).toEqual(['sorry: unknown'])
  })

  it.each([
    ['an error', failed('eu'), 'failed'],
    ['a timeout', timedOut('eu'), 'unknown'],
    ['a connection that broke', { ...unreachable, reason: 'connection_reset', sent: true } as const, 'unknown'],
    ['no connection', unreachable, 'failed'],
  ])('asks an idempotent region for 25 min after %s', async (_, result, why) => {
    const world = createWorld({ regions: { eu: idempotent(says(result)) } })
    const instance = await follow(world)
    await world.run(25 * MINUTE - 1)
    expect(texts(world)).toEqual([])
    await world.run(1)
    expect(world.asked.at(-1)?.at).toBe(25 * MINUTE)
    expect(attemptsAt(world, 'eu')).toEqual(world.asked.map((_asked, at) => at + 1))
    expect(texts(world)).toEqual([`sorry: ${why}`])
    expectNothingOwed(world, instance)
  })

  it('does not take a refusal later on for the end of what was sent in vain before', async () => {
    const world = createWorld({ regions: { eu: idempotent(says(timedOut('eu')), says(answered('eu', 401, 'no'))) } })
    const instance = await follow(world)
    await world.run(MINUTE)
    expect(attemptsAt(world, 'eu')).toEqual([1, 2])
    expect(texts(world)).toEqual(['sorry: unknown'])
    expectNothingOwed(world, instance)
  })

  it('does not call a failure what an idempotent region may have done at the very last attempt', async () => {
    const later = Array.from({ length: 5 }, () => says(http503('300')))
    const world = createWorld({ regions: { eu: idempotent(...later, says(timedOut('eu'), 10_000)) } })
    const instance = await follow(world)
    await world.run(26 * MINUTE)
    expect(world.asked.at(-1)?.at).toBe(25 * MINUTE)
    expect(texts(world)).toEqual(['sorry: unknown'])
    expectNothingOwed(world, instance)
  })

  it.each([idempotent, once])('asks nobody any more when it wakes after the last moment for it', async (script) => {
    const world = createWorld({ regions: { eu: script(says(unreachable), ok('done')) } })
    const instance = await follow(world)
    await world.suspend(26 * MINUTE)
    expect(attemptsAt(world, 'eu')).toEqual([1])
    expect(texts(world)).toEqual(['sorry: failed'])
    expectNothingOwed(world, instance)
  })

  it('asks no sooner than a region wants to be asked', async () => {
    const world = createWorld({ regions: { eu: idempotent(says(http503('200')), ok('done')) } })
    await follow(world)
    await world.run(199_999)
    expect(attemptsAt(world, 'eu')).toEqual([1])
    await world.run(1)
    expect(texts(world)).toEqual(['done'])
  })

  it('does not wait for a region that wants to be asked when nobody listens any more', async () => {
    const world = createWorld({ regions: { eu: idempotent(says(http503('1501')), ok('done')) } })
    await follow(world)
    expect(texts(world)).toEqual(['sorry: failed'])
  })

  it('asks nobody again once a region has answered', async () => {
    const world = createWorld({
      regions: { eu: idempotent(says(failed('eu'))), us: once(says(unreachable), ok('done')) },
    })
    const instance = await follow(world)
    await world.run(25 * MINUTE)
    expect(texts(world)).toEqual(['done'])
    expect(world.asked.every(({ at }) => at <= 1000)).toBe(true)
    expectNothingOwed(world, instance)
  })

  it('says that the outcome is not known when a call of our own goes wrong', async () => {
    const world = createWorld({ regions: { eu: once({ result: 'fault' }) } })
    const instance = await follow(world)
    expect(texts(world)).toEqual(['sorry: unknown'])
    expect(world.lines).toContainEqual(expect.objectContaining({ level: 'error' }))
    expectNothingOwed(world, instance)
  })

  it('says so too when a region cannot even be asked again', async () => {
    const world = createWorld({ regions: { eu: once(says(unreachable)) } })
    world.config.unsignable = true
    const instance = await follow(world)
    await world.run(MINUTE)
    expect(texts(world)).toEqual(['sorry: unknown'])
    expectNothingOwed(world, instance)
  })

  it.each([3_600_000, -3_600_000])('is unmoved by a wall clock that jumps by %i ms', async (jump) => {
    const world = createWorld({ regions: { eu: idempotent(says(failed('eu'))) } })
    await world.run(2400)
    await follow(world)
    world.stepWallClock(jump)
    await world.run(25 * MINUTE - 2401)
    expect(texts(world)).toEqual([])
    await world.run(1)
    expect(texts(world)).toEqual(['sorry: failed'])
  })

  it.each([3_600_000, -3_600_000])('asks again after a jump by %i ms before it was owed', async (jump) => {
    const world = createWorld({ regions: { eu: idempotent(says(failed('eu')), ok('done')) } })
    world.stepWallClock(jump)
    await follow(world)
    await world.run(1000)
    expect(texts(world)).toEqual(['done'])
  })
})

describe('asking again once somebody else may have taken over', () => {
  it('is not done, and whoever has taken over is the only one to speak', async () => {
    const world = createWorld({ regions: { eu: once(says(unreachable)) }, random: () => 1 })
    const slept = await follow(world)
    await world.run(8000)
    slept.lapse()
    await world.start().late.takeOver()
    await world.run(MINUTE)
    expect(world.asked.map(({ at }) => at)).toEqual([0, 1000, 3000, 7000])
    expect(world.counted()).toEqual({ unknown_told: 1, taken_over: 1 })
    expect(texts(world)).toEqual(['sorry: unknown'])
    expectNothingOwed(world, slept)
  })

  it.each([idempotent, once])('is not done, and it is told by this one where nobody has', async (script) => {
    const world = createWorld({ regions: { eu: script(says(unreachable)) }, random: () => 1 })
    const instance = await follow(world)
    await world.run(8000)
    instance.lapse()
    await world.run(MINUTE)
    expect(world.asked.map(({ at }) => at)).toEqual([0, 1000, 3000, 7000])
    expect(texts(world)).toEqual(['sorry: failed'])
    expectNothingOwed(world, instance)
  })

  it('is not done by what waited for its turn meanwhile', async () => {
    const world = createWorld({ regions: { eu: once(says(unreachable), { ...ok('done'), queuedMs: 10_000 }) } })
    const instance = await follow(world)
    await world.run(8000)
    instance.lapse()
    await world.run(MINUTE)
    expect(world.executions).toEqual([])
    expect(texts(world)).toEqual(['sorry: failed'])
    expectNothingOwed(world, instance)
  })
})

describe('posting an answer', () => {
  it('is recorded before it is done, and the end of it after', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')) } })
    await follow(world)
    expect(world.events).toEqual(['owe', 'ask eu 1', 'posting', 'post', 'paid'])
  })

  it('is given up when somebody else has taken the answer over', async () => {
    const world = createWorld({ regions: { eu: once(ok('done', 6000)) } })
    const first = await follow(world)
    await successor(world)
    expect(texts(world)).toEqual(['sorry: unknown'])
    await world.run(1000)
    expect(texts(world)).toEqual(['sorry: unknown'])
    expect(world.counted()).toEqual({ unknown_told: 1, taken_over: 1 })
    expect(world.events.at(-1)).toBe('posting')
    expectNothingOwed(world, first)
  })

  it('waits for a store that is away', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')) } })
    let away = true
    world.next = (name) => (name === 'posting' && away ? 'reject' : 'go')
    const instance = await follow(world)
    await world.run(MINUTE)
    expect(texts(world)).toEqual([])
    away = false
    await world.run(MINUTE)
    expect(texts(world)).toEqual(['done'])
    expectNothingOwed(world, instance)
  })

  it('is tried again when it was not heard, no sooner than asked for', async () => {
    const posts = [
      { kind: 'again', reason: 'http_429', retryAfterMs: 400_000 },
      { kind: 'again', reason: 'http_500' },
      { kind: 'posted', status: 200 },
    ] as const
    const world = createWorld({ regions: { eu: once(ok('done')) }, posts })
    const instance = await follow(world)
    await world.run(399_999)
    expect(texts(world)).toEqual(['done'])
    await world.run(1)
    expect(texts(world)).toEqual(['done', 'done'])
    await world.run(1000)
    expect(world.heard()).toEqual(['done'])
    expect(world.events.slice(2)).toEqual([
      'posting',
      'post',
      'unposted',
      'posting',
      'post',
      'unposted',
      'posting',
      'post',
      'paid',
    ])
    expect(world.counted()).toEqual({ posted: 1 })
    expectNothingOwed(world, instance)
  })

  it('goes on when the store does not take down that it was not heard', async () => {
    const posts = [
      { kind: 'again', reason: 'http_500' },
      { kind: 'posted', status: 200 },
    ] as const
    const world = createWorld({ regions: { eu: once(ok('done')) }, posts })
    world.next = (name) => (name === 'unposted' ? 'reject' : 'go')
    const instance = await follow(world)
    await world.run(MINUTE)
    expect(world.heard()).toEqual(['done'])
    expectNothingOwed(world, instance)
  })

  it('is not tried again when it wakes after the last moment for it', async () => {
    const posts = [
      { kind: 'again', reason: 'http_500' },
      { kind: 'posted', status: 200 },
    ] as const
    const world = createWorld({ regions: { eu: once(ok('done')) }, posts })
    const instance = await follow(world)
    await world.suspend(26 * MINUTE)
    expect(world.posted).toHaveLength(1)
    expect(world.counted()).toEqual({ post_gave_up: 1 })
    expectNothingOwed(world, instance)
  })

  it('is given up and recorded 25 min after the webhook came', async () => {
    const world = createWorld({
      regions: { eu: once(ok('done')) },
      posts: [{ kind: 'again', reason: 'http_500' }],
    })
    const instance = await follow(world)
    await world.run(25 * MINUTE - 1)
    expect(world.counted()).toEqual({})
    await world.run(1)
    expect(world.posted.at(-1)?.at).toBe(25 * MINUTE)
    expect(world.counted()).toEqual({ post_gave_up: 1 })
    expect(world.lines.at(-1)).toMatchObject({ level: 'warn', fields: { delivery: '01LATE', reason: 'http_500' } })
    expectNothingOwed(world, instance)
  })

  it.each([
    ['may have been heard', { kind: 'unknown', reason: 'timeout' }, 'post_unknown', 'timeout'],
    ['was refused', { kind: 'refused', status: 404 }, 'post_refused', 'http_404'],
    ['has nowhere to go', { kind: 'refused', status: undefined }, 'post_refused', 'invalid_url'],
  ] as const)('is not repeated when it %s', async (_, post, counted, reason) => {
    const world = createWorld({ regions: { eu: once(ok('done')) }, posts: [post] })
    const instance = await follow(world)
    await world.run(25 * MINUTE)
    expect(world.posted).toHaveLength(1)
    expect(world.counted()).toEqual({ [counted]: 1 })
    expect(world.lines.at(-1)).toMatchObject({ level: 'warn', fields: { delivery: '01LATE', reason } })
    expectNothingOwed(world, instance)
  })

  it('does not happen where it may not be posted any more', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')) }, posts: [{ kind: 'again', reason: 'http_500' }] })
    const instance = await follow(world)
    world.config.allowed = false
    await world.run(25 * MINUTE)
    expect(world.posted).toHaveLength(1)
    expect(world.counted()).toEqual({ not_allowed: 1 })
    expectNothingOwed(world, instance)
  })

  it('tells what was known when it was owed', async () => {
    const world = createWorld({ regions: { eu: once(ok('never asked')) } })
    const instance = world.start()
    const message = { contentType: 'text/plain', body: Buffer.from('known') }
    await instance.late.owe(world.what, message, 1000)
    await instance.late.tell(world.what, message)
    expect(texts(world)).toEqual(['known'])
    expect(world.asked).toEqual([])
    expectNothingOwed(world, instance)
  })

  it('names the address in no log line, whatever goes wrong', async () => {
    let lines = ''
    for (const rejected of ['posting', 'unposted', 'paid', 'takeOver']) {
      const world = createWorld({ regions: { eu: once(ok('done')) }, posts: [{ kind: 'unknown', reason: 'timeout' }] })
      world.next = (name) => (name === rejected ? 'reject' : 'go')
      const { late } = await takeOver(world, { message: 'known' })
      await world.run(25 * MINUTE)
      void late.stop()
      await world.run(1)
      lines += JSON.stringify(world.lines)
    }
    expect(lines).toContain('STORE_AWAY')
    expect(lines).not.toContain('bearer-secret')
  })
})

describe('a fault of our own', () => {
  it('ends in the message that the outcome is not known, as long as nothing has been said', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')), us: once(ok('done too', 3000)) } })
    world.config.faults = ['lateMessage']
    const instance = await follow(world)
    await world.run(3000)
    expect(texts(world)).toEqual(['sorry: unknown'])
    expect(world.counted()).toEqual({ unknown_told: 1 })
    expect(world.lines).toContainEqual(expect.objectContaining({ level: 'error' }))
    expectNothingOwed(world, instance)
  })

  it('ends so as well for what was taken over', async () => {
    const world = createWorld({ regions: { eu: idempotent({ result: 'never' }, ok('done')) } })
    world.config.faults = ['lateMessage']
    const instance = await takeOver(world)
    expect(texts(world)).toEqual(['sorry: unknown'])
    expectNothingOwed(world, instance)
  })

  it('while it is being posted is recorded, and nothing more is said', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')) } })
    world.config.faults = ['post']
    const instance = await follow(world)
    world.config.faults = []
    await world.run(25 * MINUTE)
    expect(texts(world)).toEqual([])
    expect(world.counted()).toEqual({ internal_error: 1 })
    expectNothingOwed(world, instance)
  })

  it('that does not even let that be said is recorded', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')) } })
    world.config.faults = ['lateMessage', 'apology']
    const instance = await follow(world)
    expect(texts(world)).toEqual([])
    expect(world.counted()).toEqual({ internal_error: 1 })
    expect(JSON.stringify(world.lines)).not.toContain('bearer-secret')
    expectNothingOwed(world, instance)
  })

  it('of another region after the answer was posted changes nothing', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')), us: once(ok('done too', 3000)) } })
    const instance = await follow(world)
    world.config.faults = ['lateMessage']
    await world.run(3000)
    expect(texts(world)).toEqual(['done'])
    expect(world.counted()).toEqual({ posted: 1 })
    expectNothingOwed(world, instance)
  })
})

describe('forgiving an answer that was given in time', () => {
  it('removes it, and nobody is told anything', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')) } })
    const instance = world.start()
    await instance.late.owe(world.what, undefined, 1000)
    await instance.late.forgive(world.what)
    expectNothingOwed(world, instance)
    await successor(world)
    expect(world.posted).toEqual([])
  })

  it('does so when it is still being stored', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')) } })
    const instance = world.start()
    const owing = instance.late.owe(world.what, undefined, 1000)
    await Promise.all([instance.late.forgive(world.what), owing])
    expectNothingOwed(world, instance)
    expect(world.events).toEqual(['owe', 'paid'])
  })

  it('has nothing to do where it could not be stored', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')) } })
    world.next = (name) => (name === 'owe' ? 'reject' : 'go')
    const instance = world.start()
    const owing = instance.late.owe(world.what, undefined, 1000)
    await Promise.all([instance.late.forgive(world.what), expect(owing).rejects.toMatchObject({ code: 'STORE_AWAY' })])
    expect(world.events).toEqual(['owe rejected'])
    expectNothingOwed(world, instance)
  })

  it('waits for a store that is away, and is not told by this instance meanwhile', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')) } })
    let away = true
    world.next = (name) => (name === 'paid' && away ? 'reject' : 'go')
    const instance = world.start()
    await instance.late.owe(world.what, undefined, 1000)
    void instance.late.forgive(world.what)
    await world.run(5001)
    void instance.late.takeOver()
    await world.run(MINUTE)
    expect(world.stored()).toBe(1)
    away = false
    await world.run(5000)
    expect(world.posted).toEqual([])
    expectNothingOwed(world, instance)
  })

  it('is tried a last time when told to stop', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')) } })
    let away = true
    world.next = (name) => (name === 'paid' && away ? 'reject' : 'go')
    const instance = world.start()
    await instance.late.owe(world.what, undefined, 1000)
    void instance.late.forgive(world.what)
    await world.run(0)
    away = false
    await instance.late.stop()
    expectNothingOwed(world, instance)
  })
})

describe('taking over what another instance has left', () => {
  it('says once that the outcome is not known, and asks no region that did not ask for it', async () => {
    const world = createWorld({ regions: { eu: once(ok('done', 6000)) } })
    const instance = await takeOver(world)
    await world.run(25 * MINUTE)
    expect(texts(world)).toEqual(['sorry: unknown'])
    expect(attemptsAt(world, 'eu')).toEqual([1])
    expect(world.counted()).toEqual({ unknown_told: 1 })
    expectNothingOwed(world, instance)
  })

  it('asks a region again that honours idempotency keys, and posts what it says', async () => {
    const world = createWorld({ regions: { eu: idempotent({ result: 'never' }, says(failed('eu')), ok('done')) } })
    const instance = await takeOver(world)
    await world.run(MINUTE)
    expect(attemptsAt(world, 'eu')).toEqual([1, 2, 3])
    expect(texts(world)).toEqual(['done'])
    expectNothingOwed(world, instance)
  })

  it('asks all such regions at once', async () => {
    const hangs = { result: 'never' } as const
    const world = createWorld({ regions: { eu: idempotent(hangs), us: idempotent(hangs, ok('done')) } })
    await takeOver(world)
    expect(world.asked.slice(2).map(({ region }) => region)).toEqual(['eu', 'us'])
    expect(texts(world)).toEqual(['done'])
  })

  it.each([
    ['posts nothing when they have done it without a word', ok(''), []],
    ['says that it failed when they say so', says(answered('eu', 404)), ['sorry: failed']],
  ])('%s', async (_, said, told) => {
    const world = createWorld({ regions: { eu: idempotent({ result: 'never' }, said) } })
    const instance = await takeOver(world)
    expect(texts(world)).toEqual(told)
    expectNothingOwed(world, instance)
  })

  it.each([
    ['posts what one of several says that may be asked again', ok('done'), 'done'],
    ['does not know the outcome when that one says nothing', ok(''), 'sorry: unknown'],
    ['does not know the outcome when that one failed', says(answered('eu', 404)), 'sorry: unknown'],
  ])('%s', async (_, said, told) => {
    const hangs = { result: 'never' } as const
    const world = createWorld({ regions: { eu: idempotent(hangs, said), us: once(hangs, ok('never asked')) } })
    const instance = await takeOver(world)
    await world.run(25 * MINUTE)
    expect(texts(world)).toEqual([told])
    expect(attemptsAt(world, 'us')).toEqual([1])
    expectNothingOwed(world, instance)
  })

  it('posts what was ready to be said', async () => {
    const world = createWorld({ regions: { eu: once(ok('never asked')) } })
    const instance = await takeOver(world, { message: 'known' })
    expect(texts(world)).toEqual(['known'])
    expect(world.asked).toEqual([])
    expectNothingOwed(world, instance)
  })

  it('never posts what was being posted', async () => {
    const world = createWorld({ regions: { eu: idempotent(ok('done')) } })
    world.next = (name) => (name === 'posting' ? 'crash_after' : 'go')
    await follow(world)
    world.next = () => 'go'
    const instance = await successor(world)
    await world.run(25 * MINUTE)
    expect(world.posted).toEqual([])
    expect(world.counted()).toEqual({ post_unknown: 1 })
    expect(world.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ delivery: '01LATE' }) }),
    )
    expectNothingOwed(world, instance)
  })

  it.each([
    ['to be said', 'known'],
    ['to be asked', undefined],
  ])('records what is left %s after 25 min as too late', async (_, message) => {
    const world = createWorld({ regions: { eu: idempotent({ result: 'never' }, ok('done')) } })
    const first = world.start()
    const known = message === undefined ? undefined : { contentType: 'text/plain', body: Buffer.from(message) }
    await first.late.owe(world.what, known, 1000)
    first.crash()
    await world.run(25 * MINUTE)
    const instance = await successor(world)
    expect(world.posted).toEqual([])
    expect(world.asked).toEqual([])
    expect(world.counted()).toEqual({ too_late: 1 })
    expectNothingOwed(world, instance)
  })

  it.each([
    ['another key', () => createSealer([{ id: 'k2', key: Buffer.alloc(32, 2) }]), 'unknown_key'],
    ['a changed key', () => createSealer([{ id: 'k1', key: Buffer.alloc(32, 2) }]), 'not_authentic'],
  ])('neither asks nor says what it cannot open with %s', async (_, sealer, reason) => {
    for (const message of ['known', undefined]) {
      const world = createWorld({ regions: { eu: idempotent({ result: 'never' }, ok('done')) } })
      const first = world.start()
      const known = message === undefined ? undefined : { contentType: 'text/plain', body: Buffer.from(message) }
      await first.late.owe(world.what, known, 1000)
      first.crash()
      world.config.sealer = sealer()
      const instance = await successor(world)
      expect([world.posted, world.asked]).toEqual([[], []])
      expect(world.counted()).toEqual({ unreadable: 1 })
      expect(world.lines).toContainEqual(
        expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ reason }) }),
      )
      expectNothingOwed(world, instance)
    }
  })

  it('does not take what was asked for what is to be said', async () => {
    const world = createWorld({ regions: { eu: once(ok('done')) } })
    const first = world.start()
    await first.late.owe(world.what, { contentType: 'text/plain', body: Buffer.from('known') }, 1000)
    first.crash()
    world.swapStored()
    const instance = await successor(world)
    expect(world.posted).toEqual([])
    expect(world.counted()).toEqual({ unreadable: 1 })
    expect(world.lines).toContainEqual(
      expect.objectContaining({ fields: expect.objectContaining({ reason: 'not_authentic' }) }),
    )
    expectNothingOwed(world, instance)
  })

  it.each([
    ['its provider is gone', { provider: false }, 'provider_gone'],
    ['it may not be posted there any more', { allowed: false }, 'not_allowed'],
  ])('neither asks nor says anything when %s', async (_, config, counted) => {
    const world = createWorld({ regions: { eu: idempotent({ result: 'never' }, ok('done')) } })
    const first = world.start()
    await first.late.owe(world.what, undefined, 1000)
    first.crash()
    Object.assign(world.config, config)
    const instance = await successor(world)
    expect([world.posted, world.asked]).toEqual([[], []])
    expect(world.counted()).toEqual({ [counted]: 1 })
    expectNothingOwed(world, instance)
  })

  it('tries again next time when the store is away', async () => {
    const world = createWorld({ regions: { eu: once({ result: 'never' }) } })
    world.next = (name) => (name === 'takeOver' ? 'reject' : 'go')
    const instance = await takeOver(world)
    expect(world.posted).toEqual([])
    world.next = () => 'go'
    await instance.late.takeOver()
    await world.run(0)
    expect(texts(world)).toEqual(['sorry: unknown'])
    expectNothingOwed(world, instance)
  })

  it('resolves without waiting until all is finished', async () => {
    const world = createWorld({ regions: { eu: idempotent({ result: 'never' }) } })
    const first = world.start()
    await first.late.owe(world.what, undefined, 1000)
    first.crash()
    await world.run(5001)
    const { late } = world.start()
    await late.takeOver()
    expect(late.owed()).toBe(1)
  })

  describe('that it had left itself while its lease had lapsed', () => {
    /** Another instance takes over from `instance`, and goes away at the first of its steps called `at`. */
    async function overtaken(world: World, at: string): Promise<void> {
      await world.run(5001)
      world.next = (name) => (name === at ? 'crash_after' : 'go')
      void world.start().late.takeOver()
      await world.run(5001)
      world.next = () => 'go'
    }

    it('goes on as if it had never been away', async () => {
      const world = createWorld({ regions: { eu: once(ok('done', 12_000)) } })
      const instance = await follow(world)
      await overtaken(world, 'takeOver')
      await instance.late.takeOver()
      await world.run(25 * MINUTE)
      expect(texts(world)).toEqual(['done'])
      expect(world.counted()).toEqual({ posted: 1 })
      expectNothingOwed(world, instance)
    })

    it('asks again, too', async () => {
      const world = createWorld({ regions: { eu: idempotent(says(http503('60')), ok('done')) } })
      const instance = await follow(world)
      instance.lapse()
      await overtaken(world, 'takeOver')
      await instance.late.takeOver()
      await world.run(MINUTE)
      expect(texts(world)).toEqual(['done'])
      expectNothingOwed(world, instance)
    })

    it('says nothing more when the other was about to', async () => {
      const world = createWorld({ regions: { eu: once(ok('done', 15_000)) } })
      const instance = await follow(world)
      await overtaken(world, 'post')
      expect(world.heard()).toEqual(['sorry: unknown'])
      world.next = (name) => (name === 'paid' ? 'reject' : 'go')
      await instance.late.takeOver()
      await world.run(MINUTE)
      expect(world.heard()).toEqual(['sorry: unknown'])
      expect(instance.late.owed()).toBe(1)
      world.next = () => 'go'
      await world.run(5000)
      expectNothingOwed(world, instance)
    })

    it('asks nobody again either', async () => {
      const world = createWorld({ regions: { eu: idempotent(says(http503('60')), ok('done')) } })
      const instance = await follow(world)
      await overtaken(world, 'posting')
      await instance.late.takeOver()
      await world.run(0)
      expectNothingOwed(world, instance)
    })

    it('says nothing more when the other was about to while the store was away for this one', async () => {
      const world = createWorld({ regions: { eu: once(ok('done')) }, random: () => 1 })
      world.next = (name) => (name === 'posting' ? 'reject' : 'go')
      const instance = await follow(world)
      // It tries after 1, 3, 7 and 15 s, and then after 31.
      await world.run(16_000)
      await overtaken(world, 'post')
      await instance.late.takeOver()
      await world.run(25 * MINUTE)
      expect(world.heard()).toHaveLength(1)
      expectNothingOwed(world, instance)
    })

    it('says nothing more when the other was about to while this one waited to post again', async () => {
      const posts = [
        { kind: 'again', reason: 'http_429', retryAfterMs: MINUTE },
        { kind: 'posted', status: 200 },
      ] as const
      const world = createWorld({ regions: { eu: once(ok('done')) }, posts })
      const instance = await follow(world)
      await overtaken(world, 'post')
      await instance.late.takeOver()
      await world.run(25 * MINUTE)
      expect(world.heard()).toEqual(['done'])
      expectNothingOwed(world, instance)
    })

    it('goes by its own post where that is still under way', async () => {
      const world = createWorld({ regions: { eu: once(ok('done')) }, postMs: 20_000 })
      const instance = await follow(world)
      await overtaken(world, 'takeOver')
      await instance.late.takeOver()
      await world.run(MINUTE)
      expect(world.heard()).toEqual(['done'])
      expect(world.counted()).toEqual({ posted: 1 })
      expectNothingOwed(world, instance)
    })
  })
})

describe('stopping', () => {
  it('waits for the calls that are under way and posts what they say', async () => {
    const world = createWorld({ regions: { eu: once(ok('done', 6000)) } })
    const instance = await follow(world)
    let stopped = false
    void instance.late.stop().then(() => (stopped = true))
    await world.run(5999)
    expect(stopped).toBe(false)
    await world.run(1)
    expect(texts(world)).toEqual(['done'])
    expect(stopped).toBe(true)
    expectNothingOwed(world, instance)
  })

  it('leaves what may be asked again to whoever comes next', async () => {
    const world = createWorld({ regions: { eu: idempotent(says(failed('eu')), ok('done')) } })
    const instance = await follow(world)
    await instance.late.stop()
    expect(attemptsAt(world, 'eu')).toEqual([1])
    expect(instance.late.owed()).toBe(1)
    expect(world.clock.pending()).toBe(0)
    await successor(world)
    expect(texts(world)).toEqual(['done'])
  })

  it('says that it failed where nobody would ask again', async () => {
    const world = createWorld({ regions: { eu: once(says(unreachable), ok('done')) } })
    const instance = await follow(world)
    await instance.late.stop()
    expect(texts(world)).toEqual(['sorry: failed'])
    expectNothingOwed(world, instance)
  })

  it('leaves what was not heard to be said by whoever comes next', async () => {
    const posts = [
      { kind: 'again', reason: 'http_500' },
      { kind: 'posted', status: 200 },
    ] as const
    const world = createWorld({ regions: { eu: once(ok('done')) }, posts })
    const instance = await follow(world)
    await instance.late.stop()
    expect(world.posted).toHaveLength(1)
    await successor(world)
    expect(world.heard()).toEqual(['done'])
    expect(attemptsAt(world, 'eu')).toEqual([1])
    expect(world.stored()).toBe(0)
  })

  it('takes nothing over any more', async () => {
    const world = createWorld({ regions: { eu: once(ok('done', 6000)) } })
    const first = world.start()
    await first.late.owe(world.what, undefined, 1000)
    first.crash()
    await world.run(5001)
    const { late } = world.start()
    await late.stop()
    await late.takeOver()
    expect(late.owed()).toBe(0)
    expect(world.events).toEqual(['owe'])
  })

  it('begins nothing with what was being taken over', async () => {
    const world = createWorld({ regions: { eu: idempotent({ result: 'never' }, ok('done')) } })
    const first = world.start()
    await first.late.owe(world.what, undefined, 1000)
    first.crash()
    await world.run(5001)
    const { late } = world.start()
    const takingOver = late.takeOver()
    await late.stop()
    await takingOver
    await world.run(0)
    expect(late.owed()).toBe(0)
    expect(world.asked).toEqual([])
  })

  it('follows what is owed after it, for as long as that takes', async () => {
    const world = createWorld({ regions: { eu: once(says(unreachable)) } })
    const instance = world.start()
    await instance.late.stop()
    await follow(world, instance)
    expect(texts(world)).toEqual(['sorry: failed'])
    expectNothingOwed(world, instance)
  })
})

describe('organizations that have moved away, or are held', () => {
  const unheard: RegionResult = { kind: 'timed_out', region: 'eu', sent: true, timing }

  it.each(['moved', 'held'] as const)('are not asked for again: the user is told that it failed (%s)', async (why) => {
    const world = createWorld({ regions: { eu: idempotent(says(unreachable), ok('done')) } })
    world.config.gone['eu'] = why
    const instance = await follow(world)
    await world.run(MINUTE)
    expect(attemptsAt(world, 'eu')).toEqual([1])
    expect(texts(world)).toEqual(['sorry: failed'])
    expectNothingOwed(world, instance)
  })

  it.each([
    ['the first attempt was sent in vain', follow, says(unheard)],
    ['the first attempt was made by an instance that has gone', takeOver, { result: 'never' } as const],
  ])('may have been served before, where %s: nobody knows', async (_, begin, first) => {
    const world = createWorld({ regions: { eu: idempotent(first, ok('done')) } })
    world.config.gone['eu'] = 'moved'
    const instance = await begin(world)
    await world.run(25 * MINUTE)
    expect(attemptsAt(world, 'eu')).toEqual([1])
    expect(texts(world)).toEqual(['sorry: unknown'])
    expectNothingOwed(world, instance)
  })

  it('are asked for once the directory can say that they are still there', async () => {
    const world = createWorld({ regions: { eu: idempotent(says(unreachable), ok('done')) } })
    world.config.gone['eu'] = 'directory_away'
    await follow(world)
    await world.run(5000)
    expect(attemptsAt(world, 'eu')).toEqual([1])
    delete world.config.gone['eu']
    await world.run(MINUTE)
    expect(texts(world)).toEqual(['done'])
  })
})
