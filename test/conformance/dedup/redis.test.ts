import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { createDedup, type Dedup } from '../../../src/dedup/dedup.ts'
import { createRedisClaims } from '../../../src/fleet/redis-claims.ts'
import { createSealer, type Sealer } from '../../../src/spool/seal.ts'
import { openTestRedis, type TestRedis } from '../../support/fleet.ts'
import { startRedis, testsRedis, type RedisServer } from '../../support/redis-server.ts'
import { answerOf, createWork, dedupConformance, reply, request, type Remember } from './dedup.ts'

const sealerOf = (byte: number): Sealer => createSealer([{ id: `key-${byte}`, key: Buffer.alloc(32, byte) }])

describe.skipIf(!testsRedis())('with Redis', () => {
  let server: RedisServer
  let instances = 0
  beforeAll(async () => void (server = await startRedis()))
  afterAll(() => server.close())

  async function openInstance(sealer = sealerOf(1)): Promise<TestRedis & { dedup: Dedup }> {
    const opened = await openTestRedis(server.url)
    instances += 1
    const fleet = { claims: createRedisClaims(opened.redis), sealer: () => sealer, instance: `instance ${instances}` }
    return { ...opened, dedup: createDedup({ maxEntries: 100, clock: systemClock, counters: opened.counters, fleet }) }
  }

  dedupConformance('two instances that share Redis', async () => {
    await server.run('FLUSHALL')
    const [here, there] = await Promise.all([openInstance(), openInstance()])
    return {
      here: here.dedup,
      there: there.dedup,
      close: async () => void (await Promise.all([here.redis.close(), there.redis.close()])),
    }
  })

  describe('duplicates in a fleet', { timeout: 20_000 }, () => {
    let here: Awaited<ReturnType<typeof openInstance>>
    let there: Awaited<ReturnType<typeof openInstance>>
    beforeEach(async () => {
      await server.run('FLUSHALL')
      ;[here, there] = await Promise.all([openInstance(), openInstance()])
    })
    afterEach(async () => void (await Promise.all([here.redis.close(), there.redis.close()])))

    const deal = ({ dedup }: { dedup: Dedup }, key: string, remember: Remember, body = 'done') =>
      dedup.once(request(key, remember), async () => ({ reply: reply(body), remember: true }))
    const kindOf = async (instance: { dedup: Dedup }, key: string, remember: Remember = 'answer') =>
      (await deal(instance, key, remember)).kind
    const keysOf = async () => (await server.run('KEYS', 'silo:dedup:*')) as string[]
    const lifeOf = async (key: string) => Number(await server.run('PTTL', `silo:dedup:${key}`))
    /** Until Redis has heard what came of it. */
    const toldOf = async (key: string) =>
      await expect.poll(async () => String(await server.run('GET', `silo:dedup:${key}`))).toMatch(/^d/)

    it('one whose first does not end by the deadline is undecided: not carried out twice, and no lie', async () => {
      const work = createWork()
      const first = here.dedup.once(request('a', 'answer'), work.do)
      await work.begun
      const second = createWork()
      expect(await there.dedup.once(request('a', 'answer', 120), second.do)).toEqual({ kind: 'undecided' })
      expect(second.runs).toBe(0)
      expect(there.counters.read().get('dedup_total{kind="undecided"}')).toBe(1)
      work.end({ reply: reply('done'), remember: true })
      await first
    })

    it('one whose first fails meanwhile is carried out by whoever waits', async () => {
      const work = createWork()
      const first = here.dedup.once(request('a', 'answer'), work.do)
      await work.begun
      const second = deal(there, 'a', 'answer', 'by the other')
      work.fail(new Error('no region'))
      await expect(first).rejects.toThrow('no region')
      expect(answerOf(await second)).toEqual(reply('by the other'))
    })

    it('one whose first was claimed by an instance that died is carried out when the claim lapses', async () => {
      await createRedisClaims(here.redis).claim('a', 'the dead', 100)
      expect(await kindOf(there, 'a')).toBe('first')
    })

    it('a claim stands for the budget and a second; a status for 25 hours; an answer for ten minutes', async () => {
      const work = createWork()
      const first = here.dedup.once(request('a', 'answer'), work.do)
      await work.begun
      const claim = await lifeOf('a')
      expect(claim).toBeGreaterThan(2500)
      expect(claim).toBeLessThanOrEqual(3501)
      work.end({ reply: reply('done'), remember: true })
      await Promise.all([first, deal(here, 'b', 'status')])
      await Promise.all(['a', 'b'].map(toldOf))
      expect(Math.ceil((await lifeOf('a')) / 60_000)).toBe(10)
      expect(Math.ceil((await lifeOf('b')) / 3_600_000)).toBe(25)
    })

    it('a claim that has lapsed takes nobody else’s away', async () => {
      const claims = createRedisClaims(here.redis)
      await claims.claim('a', 'another', 10_000)
      await claims.release('a', 'the first')
      expect(await claims.claim('a', 'a third', 10_000)).toEqual({ kind: 'running' })
    })

    it('an outcome counts for more than a claim, and the first outcome for more than a later one', async () => {
      const claims = createRedisClaims(here.redis)
      await claims.claim('a', 'another', 10_000)
      await claims.settle('a', Buffer.from('first'), 10_000)
      await claims.settle('a', Buffer.from('second'), 10_000)
      await claims.release('a', 'another')
      expect(await claims.claim('a', 'a third', 10_000)).toEqual({ kind: 'done', outcome: Buffer.from('first') })
    })

    it('what another instance has dealt with is remembered here, should Redis go away', async () => {
      await deal(here, 'a', 'answer')
      await deal(here, 'b', 'status')
      await Promise.all([kindOf(there, 'a'), kindOf(there, 'b', 'status')])
      await server.run('FLUSHALL')
      expect(await kindOf(there, 'a')).toBe('stored')
      expect(await kindOf(there, 'b', 'status')).toBe('stored')
    })

    it('an answer lies in Redis sealed, and opens for its own request only', async () => {
      await deal(here, 'a', 'answer', 'of a customer')
      await toldOf('a')
      expect(String(await server.run('GET', 'silo:dedup:a'))).not.toContain('of a customer')
      await server.run('COPY', 'silo:dedup:a', 'silo:dedup:b')
      expect(await kindOf(there, 'b')).toBe('first')
    })

    it('an answer that does not open is none: the request is carried out', async () => {
      const elsewhere = await openInstance(sealerOf(2))
      await deal(here, 'a', 'answer')
      await deal(here, 'b', 'status')
      await Promise.all(['a', 'b'].map(toldOf))
      expect(await kindOf(elsewhere, 'a')).toBe('first')
      expect(await kindOf(elsewhere, 'b', 'status')).toBe('stored')
      await elsewhere.redis.close()
      await server.run('SET', 'silo:dedup:c', 'dno such thing')
      await server.run('SET', 'silo:dedup:d', 'dno such thing')
      expect(await kindOf(there, 'c')).toBe('first')
      expect(await kindOf(there, 'd', 'status')).toBe('first')
    })

    it('leaves nothing behind of what failed', async () => {
      await expect(here.dedup.once(request('a', 'answer'), () => Promise.reject(new Error('no')))).rejects.toThrow('no')
      await expect.poll(keysOf).toEqual([])
    })

    const trouble: Record<string, { begin: () => void | Promise<unknown>; end: () => void | Promise<unknown> }> = {
      'goes away': { begin: () => server.stop('SIGKILL'), end: () => server.start() },
      hangs: { begin: () => server.pause(), end: () => server.resume() },
      'is out of memory': {
        begin: () => server.run('CONFIG', 'SET', 'maxmemory', '1'),
        end: () => server.run('CONFIG', 'SET', 'maxmemory', '0'),
      },
    }
    it.each(Object.keys(trouble))('while Redis %s each process is on its own, and then it heals', async (which) => {
      await trouble[which]?.begin()
      expect(await kindOf(here, 'a')).toBe('first')
      expect(await kindOf(here, 'a')).toBe('stored')
      expect(await kindOf(there, 'a')).toBe('first')
      await expect(here.dedup.once(request('b', 'answer'), () => Promise.reject(new Error('no')))).rejects.toThrow('no')
      expect(await kindOf(here, 'b')).toBe('first')
      await Promise.all([here, there].map(({ said }) => said('Redis cannot be used')))
      expect(here.counters.read().get('redis_failures_total')).toBeGreaterThan(0)

      await trouble[which]?.end()
      await Promise.all([here, there].map(({ said }) => said('Redis works again')))
      expect(await kindOf(here, 'c')).toBe('first')
      expect(await kindOf(there, 'c')).toBe('stored')
    })

    it('a Redis that goes away while a duplicate waits: it is carried out, for nothing is refused', async () => {
      const work = createWork()
      const first = here.dedup.once(request('a', 'answer'), work.do)
      await work.begun
      const second = deal(there, 'a', 'answer', 'by the other')
      await server.stop('SIGKILL')
      expect(answerOf(await second)).toEqual(reply('by the other'))
      work.end({ reply: reply('done'), remember: true })
      expect(answerOf(await first)).toEqual(reply('done'))
      await server.start()
      await there.said('Redis works again')
    })
  })
})
