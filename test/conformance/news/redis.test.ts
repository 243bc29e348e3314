import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { News } from '../../../src/fleet/news.ts'
import { createRedisNews } from '../../../src/fleet/redis-news.ts'
import { openTestRedis, type TestRedis } from '../../support/fleet.ts'
import { startRedis, testsRedis, type RedisServer } from '../../support/redis-server.ts'
import { createListener, newsConformance } from './news.ts'

describe.skipIf(!testsRedis())('with Redis', () => {
  let server: RedisServer
  let instances = 0
  beforeAll(async () => void (server = await startRedis()))
  afterAll(() => server.close())

  async function openInstance(database = 0, signedIn = ''): Promise<TestRedis & { news: News }> {
    const opened = await openTestRedis(`${server.url.replace('//', `//${signedIn}`)}/${database}`)
    instances += 1
    return { ...opened, news: createRedisNews({ ...opened, instance: `instance ${instances}` }) }
  }

  newsConformance('Redis', async () => {
    const [here, there] = await Promise.all([openInstance(), openInstance()])
    return {
      here: here.news,
      there: there.news,
      close: async () => void (await Promise.all([here.redis.close(), there.redis.close()])),
    }
  })

  describe('news that may be lost', { timeout: 20_000 }, () => {
    let here: Awaited<ReturnType<typeof openInstance>>
    let there: Awaited<ReturnType<typeof openInstance>>
    let listener: ReturnType<typeof createListener>
    beforeEach(async () => {
      ;[here, there] = await Promise.all([openInstance(), openInstance()])
      listener = createListener()
      there.news.listen('directory', listener)
      while ((await subscribers()) !== 1);
    })
    afterEach(async () => void (await Promise.all([here.redis.close(), there.redis.close()])))

    /** Tells until it is heard: whoever tells may not be back yet. */
    const told = async ({ news }: { news: News }, { came }: { came: string[] }) =>
      await expect
        .poll(
          () => {
            news.tell('directory', 'news')
            return came
          },
          { timeout: 20_000 },
        )
        .toContain('heard news')
    const subscribers = async (channel = 'silo:0:news:directory') =>
      Number(((await server.run('PUBSUB', 'NUMSUB', channel)) as unknown[])[1])

    it('are missed when the connection that listens was cut off and is back', async () => {
      await server.run('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await expect.poll(() => listener.came).toEqual(['missed'])
      here.news.tell('directory', 'news')
      await expect.poll(() => listener.came).toEqual(['missed', 'heard news'])
    })

    it('are missed when Redis was restarted', async () => {
      await server.stop('SIGKILL')
      expect(listener.came).toEqual([])
      await server.start()
      await expect.poll(() => listener.came, { timeout: 20_000 }).toEqual(['missed'])
      await told(here, listener)
    })

    it('are missed by all when it could not be told by one', async () => {
      await server.run('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      here.news.tell('directory', 'news')
      await here.said('Redis cannot be used')
      await expect.poll(() => listener.came, { timeout: 20_000 }).toEqual(['missed'])
    })

    it('are told while Redis is out of memory', async () => {
      await server.run('CONFIG', 'SET', 'maxmemory', '1')
      await here.said('Redis cannot be used')
      here.news.tell('directory', 'news')
      await expect.poll(() => listener.came).toEqual(['heard news'])
      await server.run('CONFIG', 'SET', 'maxmemory', '0')
      await here.said('Redis works again')
    })

    it('are heard from the first time that Redis can be reached, and are missed before', async () => {
      await server.stop('SIGKILL')
      const late = await openInstance()
      const lateListener = createListener()
      late.news.listen('directory', lateListener)
      await server.start()
      await expect.poll(() => lateListener.came, { timeout: 20_000 }).toEqual(['missed'])
      await told(here, lateListener)
      await late.redis.close()
    })

    it('are heard as soon as Redis lets its user listen', async () => {
      await server.run('ACL', 'SETUSER', 'silo', 'on', '>secret', '~*', '+@all', 'resetchannels')
      const restricted = await openInstance(0, 'silo:secret@')
      const deaf = createListener()
      restricted.news.listen('directory', deaf)
      await restricted.said('NOPERM')
      await server.run('ACL', 'SETUSER', 'silo', 'allchannels')
      await restricted.said('Redis works again')
      await told(here, deaf)
      expect(deaf.came[0]).toBe('missed')
      await restricted.redis.close()
    })

    it('are none of an installation in another database', async () => {
      const other = await openInstance(1)
      const otherListener = createListener()
      other.news.listen('directory', otherListener)
      await expect.poll(() => subscribers('silo:1:news:directory')).toBe(1)
      here.news.tell('directory', 'ours')
      other.news.tell('directory', 'theirs')
      await expect.poll(() => listener.came).toEqual(['heard ours'])
      await server.run('PUBLISH', 'silo:1:news:directory', JSON.stringify({ from: 'somebody', text: 'last' }))
      await expect.poll(() => otherListener.came).toEqual(['heard last'])
      await other.redis.close()
    })

    it.each(['', 'no JSON', '[]', '{"text":"from nobody"}', '{"from":1,"text":"a"}', '{"from":"a","text":{}}'])(
      'are ignored and counted where they are not what we tell: %j',
      async (text) => {
        await server.run('PUBLISH', 'silo:0:news:directory', text)
        here.news.tell('directory', 'news')
        await expect.poll(() => listener.came).toEqual(['heard news'])
        expect(there.counters.read().get('news_malformed_total')).toBe(1)
      },
    )
  })
})
