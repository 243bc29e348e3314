import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRedisCounts } from '../../../src/fleet/redis-counts.ts'
import { openTestRedis } from '../../support/fleet.ts'
import { startRedis, testsRedis, type RedisServer } from '../../support/redis-server.ts'
import { countsConformance } from './counts.ts'

describe.skipIf(!testsRedis())('with Redis', () => {
  let server: RedisServer
  beforeAll(async () => void (server = await startRedis()))
  afterAll(() => server.close())

  async function open() {
    await server.run('FLUSHALL')
    const [here, there] = await Promise.all([openTestRedis(server.url), openTestRedis(server.url)])
    return {
      here: createRedisCounts(here.redis),
      there: createRedisCounts(there.redis),
      close: async () => void (await Promise.all([here.redis.close(), there.redis.close()])),
    }
  }

  countsConformance('by Redis for all', open)

  describe('what is counted in Redis', () => {
    /** Redis has a clock of its own, so what came a while ago is written there as it would stand. */
    const came = async (ago: number, count: number) => {
      const [second] = (await server.run('TIME')) as [string]
      await server.run('HSET', 'silo:rate:slack:1', String(Number(second) - ago), String(count))
    }

    it('has left the window after a minute, and is taken out', async () => {
      const { here, close } = await open()
      await came(61, 5)
      expect(await here.take('slack:1', 5)).toBe(0)
      expect(await server.run('HLEN', 'silo:rate:slack:1')).toBe(1)
      await close()
    })

    it('leaves the window second by second: one waits for as many of the oldest as it takes', async () => {
      const { here, close } = await open()
      await came(50, 2)
      await came(30, 2)
      await came(20, 2)
      const waitMs = await here.take('slack:1', 3)
      expect(Math.round(waitMs / 10_000)).toBe(3)
      expect(waitMs).toBeLessThanOrEqual(30_000)
      await close()
    })

    it('is forgotten when nothing comes for a minute', async () => {
      const { here, close } = await open()
      await here.take('slack:1', 3)
      const lifeMs = Number(await server.run('PTTL', 'silo:rate:slack:1'))
      expect(Math.ceil(lifeMs / 1000)).toBe(60)
      await close()
    })
  })
})
