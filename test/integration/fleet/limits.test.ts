import { describe, expect, it } from 'vitest'
import { testsRedis } from '../../support/redis-server.ts'
import { useSilos } from '../../support/silos.ts'
import { blockSuggestion, eventCallback, slashCommand } from '../../support/slack-payloads.ts'
import { expectProblem } from '../../support/expect-problem.ts'
import type { TestGateway } from '../../support/test-gateway.ts'
import { createSender, useTwoGateways } from './two-gateways.ts'

const EVENT = '/extensions/slack/event/'
const COMMAND = '/extensions/slack/commands/'
const OPTIONS = '/extensions/slack/options-load/'

const command = ({ post }: TestGateway, text: string) => {
  const body = slashCommand({ text })
  return post(COMMAND, body.body, body)
}
const event = ({ post }: TestGateway) => {
  const body = eventCallback()
  return post(EVENT, body.body, body)
}

describe('an integration over its limit', () => {
  const silos = useSilos()
  const limited = (perMinute: number, env: Record<string, string> = {}) =>
    silos({ us: (res) => res.end('done') }, { env: { RATE_LIMIT_PER_MINUTE: String(perMinute), ...env } })

  it('gets 429 with Retry-After, and its regions are left alone', async () => {
    const gateway = await limited(2)
    for (const text of ['one', 'two']) expect((await command(gateway, text)).status).toBe(200)
    const options = blockSuggestion()
    for (const reply of [await command(gateway, 'three'), await gateway.post(OPTIONS, options.body, options)]) {
      expectProblem(reply, 429, 'rate_limited')
      expect(reply.headers['retry-after']).toMatch(/^([1-9]|[1-5]\d|60)$/)
    }
    expect(gateway.regions.us.requests).toHaveLength(2)
    const { counters } = gateway.gateway
    expect(counters.read().get('rate_limited_total{surface="command"}')).toBe(1)
    expect(counters.read().get('rate_limited_total{surface="options"}')).toBe(1)
  })

  it('has its events taken all the same: they are answered 200 and delivered from their mailbox', async () => {
    const gateway = await limited(1)
    await event(gateway)
    expect(await event(gateway)).toMatchObject({ status: 200, text: '' })
    await expect.poll(() => gateway.regions.us.requests.length).toBe(2)
    await expect.poll(() => gateway.records).toHaveLength(2)
    expect(gateway.records[1]).toMatchObject({ outcome: 'spooled', regions: [{ region: 'us', result: 'spooled' }] })
    expect(gateway.gateway.counters.read().get('rate_limited_total{surface="event"}')).toBe(1)
  })

  it('has a spooled event remembered, but not what it was refused', async () => {
    const gateway = await limited(1, { DATABASE_URL: 'sqlite::memory:' })
    await command(gateway, 'first')
    const body = eventCallback()
    for (let time = 0; time < 2; time++) expect((await gateway.post(EVENT, body.body, body)).status).toBe(200)
    await expect.poll(() => gateway.regions.us.requests.length).toBe(2)
    const send = createSender(slashCommand({ text: 'second' }))
    for (let time = 0; time < 2; time++) expect((await send(gateway, COMMAND)).status).toBe(429)
    await expect
      .poll(() => gateway.records.map(({ outcome }) => outcome))
      .toEqual(['passed_on', 'spooled', 'duplicate', 'rate_limited', 'rate_limited'])
  })

  it('is none by duplicates, nor by what needs no region', async () => {
    const gateway = await limited(2)
    const send = createSender(slashCommand())
    for (let time = 0; time < 5; time++) expect((await send(gateway, COMMAND)).status).toBe(200)
    const unknown = eventCallback({ team_id: 'T0NOBODY001', authorizations: [] })
    for (let time = 0; time < 3; time++) expect((await gateway.post(EVENT, unknown.body, unknown)).status).toBe(400)
    expect((await command(gateway, 'second')).status).toBe(200)
    expect((await command(gateway, 'third')).status).toBe(429)
  })

  it('gets 429 for events, too, where those are not to be spooled', async () => {
    const gateway = await silos(
      { us: (res) => res.end() },
      { env: { RATE_LIMIT_PER_MINUTE: '1' }, slack: { events_on_failure: 'fail' } },
    )
    expect((await event(gateway)).status).toBe(200)
    expectProblem(await event(gateway), 429, 'rate_limited')
  })
})

describe.skipIf(!testsRedis())('the limit of a fleet', { timeout: 30_000 }, () => {
  const { start, redis } = useTwoGateways()

  it('holds for all gateways together', async () => {
    const { us, gateways } = await start((res) => res.end('done'), { RATE_LIMIT_PER_MINUTE: '3' })
    const statuses = []
    for (let index = 0; index < 6; index++) {
      statuses.push((await command(gateways[index % 2 === 0 ? 0 : 1], `number ${index}`)).status)
    }
    expect(statuses).toEqual([200, 200, 200, 429, 429, 429])
    expect(us.requests).toHaveLength(3)
  })

  it('is each gateway’s own while Redis is away', async () => {
    const { gateways } = await start((res) => res.end('done'), { RATE_LIMIT_PER_MINUTE: '1' })
    await command(gateways[0], 'before')
    await redis().stop('SIGKILL')
    const statuses = []
    for (const [index, gateway] of [...gateways, ...gateways].entries()) {
      statuses.push((await command(gateway, `number ${index}`)).status)
    }
    expect(statuses).toEqual([200, 200, 429, 429])
    await redis().start()
  })
})
