import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { startFakeRegion, type Answer, type FakeRegion } from '../../support/fake-region.ts'
import { startRedis, type RedisServer } from '../../support/redis-server.ts'
import type { SlackBody } from '../../support/slack-payloads.ts'
import { signSlack } from '../../support/slack-signer.ts'
import { SIGNING_SECRET, startTestGateway, workspace, type TestGateway } from '../../support/test-gateway.ts'

/** For a test file: two gateways at a time that share one Redis and one region, each with a database of its own. */
export function useTwoGateways() {
  const opened: (() => Promise<void>)[] = []
  const shared: { redis?: RedisServer } = {}
  const redis = (): RedisServer => {
    if (shared.redis === undefined) throw new Error('Redis is not there before the tests begin')
    return shared.redis
  }
  beforeAll(async () => void (shared.redis = await startRedis()))
  beforeEach(() => redis().run('FLUSHALL'))
  afterEach(async () => {
    for (const close of opened.splice(0).toReversed()) await close()
  })
  afterAll(() => redis().close())

  async function start(
    answer: Answer,
    env: Record<string, string> = {},
  ): Promise<{ us: FakeRegion; gateways: [TestGateway, TestGateway] }> {
    const us = await startFakeRegion(answer)
    opened.push(() => us.close())
    const open = async () => {
      const gateway = await startTestGateway({
        regions: [{ name: 'us', address: us.url }],
        directory: workspace({ acme: 'us' }),
        env: { REDIS_URL: redis().url, ...env },
      })
      opened.push(() => gateway.close())
      return gateway
    }
    return { us, gateways: [await open(), await open()] }
  }
  return { start, redis }
}

/** Posts the very same bytes under the very same signature, each time. */
export function createSender({ body, contentType }: SlackBody) {
  const headers = signSlack({ secret: SIGNING_SECRET, body, now: Date.now() })
  return ({ post }: TestGateway, path: string) => post(path, body, { contentType, secret: null, headers })
}
