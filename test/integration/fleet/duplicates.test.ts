import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { testsRedis } from '../../support/redis-server.ts'
import { blockSuggestion, eventCallback, slashCommand } from '../../support/slack-payloads.ts'
import { createSender, useTwoGateways } from './two-gateways.ts'

const EVENT = '/extensions/slack/event/'
const COMMAND = '/extensions/slack/commands/'
const OPTIONS = '/extensions/slack/options-load/'

describe.skipIf(!testsRedis())('a request that comes to two gateways of a fleet', { timeout: 30_000 }, () => {
  const { start, redis } = useTwoGateways()

  it('at once: is carried out once, and both give its answer', async () => {
    let calls = 0
    const { us, gateways } = await start((res) => res.end(`call ${(calls += 1)}`))
    const send = createSender(slashCommand())
    const replies = await Promise.all(gateways.map((gateway) => send(gateway, COMMAND)))
    expect(replies.map(({ status, text }) => `${status} ${text}`)).toEqual(['200 call 1', '200 call 1'])
    expect(us.requests).toHaveLength(1)
  })

  it('an event, at once: is carried out once, and both say that all is well', async () => {
    const { us, gateways } = await start((res) => res.end())
    const send = createSender(eventCallback())
    const replies = await Promise.all(gateways.map((gateway) => send(gateway, EVENT)))
    expect(replies.map(({ status, text }) => `${status} ${text}`)).toEqual(['200 ', '200 '])
    expect(us.requests).toHaveLength(1)
  })

  it('while the first is under way: waits for its answer', async () => {
    const held: ServerResponse[] = []
    const { us, gateways } = await start((res) => held.push(res))
    const [here, there] = gateways
    const send = createSender(blockSuggestion())
    const first = send(here, OPTIONS)
    await us.nextRequest()
    const second = send(there, OPTIONS)
    await expect.poll(() => there.gateway.underWay()).toBe(1)
    held[0]?.end('{"options":[]}')
    expect((await first).text).toBe('{"options":[]}')
    expect(await second).toMatchObject({ status: 200, text: '{"options":[]}' })
    expect(us.requests).toHaveLength(1)
    expect(there.records).toMatchObject([{ outcome: 'duplicate' }])
  })

  it('after the first was answered, tried again by Slack under a new signature: 200, without a call', async () => {
    const { us, gateways } = await start((res) => res.end())
    const body = eventCallback()
    for (const { post } of gateways) expect((await post(EVENT, body.body, body)).status).toBe(200)
    expect(us.requests).toHaveLength(1)
  })

  it('after the first is waiting in a mailbox: 200, and it waits there once', async () => {
    const { gateways } = await start((res) => res.destroy())
    const body = eventCallback()
    for (const { post } of gateways) expect((await post(EVENT, body.body, body)).status).toBe(200)
    expect(await gateways[0].gateway.spool.list()).toMatchObject([{ depth: 1 }])
    expect(await gateways[1].gateway.spool.list()).toEqual([])
  })

  it('after the first failed without a trace: is tried again', async () => {
    const { us, gateways } = await start((res) => res.writeHead(503).end())
    const send = createSender(blockSuggestion())
    for (const gateway of gateways) expect((await send(gateway, OPTIONS)).status).toBe(502)
    expect(us.requests).toHaveLength(2)
  })

  it('of which nobody knows by the deadline what it will come to: 503 without a region, and it is not carried out', async () => {
    const { us, gateways } = await start(() => {}, { SLACK_BUDGET_MS: '600' })
    const [here, there] = gateways
    const send = createSender(blockSuggestion())
    const first = send(here, OPTIONS)
    await us.nextRequest()
    const keys = async () => (await redis().run('KEYS', 'silo:dedup:*')) as string[]
    const [key = ''] = await keys()
    expect((await first).status).toBe(504)
    await expect.poll(keys).toEqual([])
    // As if a third were at it.
    await redis().run('SET', key, 'rsomebody else', 'PX', '10000')
    const second = await send(there, OPTIONS)
    expect(second.status).toBe(503)
    expect(second.json()).toMatchObject({
      code: 'silo_client_error',
      regions: {},
      detail: 'The same request is still being dealt with',
    })
    expect(us.requests).toHaveLength(1)
  })

  it('while Redis is away: is carried out by both, and nothing is refused', async () => {
    const { us, gateways } = await start((res) => res.end('done'))
    await redis().stop('SIGKILL')
    const send = createSender(slashCommand())
    const replies = await Promise.all([...gateways, ...gateways].map((gateway) => send(gateway, COMMAND)))
    expect(replies.map(({ status, text }) => `${status} ${text}`)).toEqual(Array(4).fill('200 done'))
    expect(us.requests).toHaveLength(2)
    for (const { logs } of gateways) {
      await expect.poll(() => logs.map(({ message }) => message)).toContainEqual(expect.stringMatching('Redis cannot'))
    }

    await redis().start()
    for (const { logs } of gateways) {
      await expect.poll(() => logs.map(({ message }) => message), { timeout: 20_000 }).toContain('Redis works again')
    }
    const again = createSender(slashCommand({ text: 'again' }))
    for (const gateway of gateways) expect((await again(gateway, COMMAND)).text).toBe('done')
    expect(us.requests).toHaveLength(3)
  })
})

describe.skipIf(!testsRedis())('a gateway whose Redis is away when it starts', { timeout: 30_000 }, () => {
  const { start, redis } = useTwoGateways()

  it('serves all the same, and shares what it knows as soon as Redis is there', async () => {
    await redis().stop('SIGKILL')
    const { us, gateways } = await start((res) => res.end('done'))
    expect((await createSender(slashCommand())(gateways[0], COMMAND)).text).toBe('done')
    await redis().start()
    for (const { logs } of gateways) {
      await expect.poll(() => logs.map(({ message }) => message), { timeout: 20_000 }).toContain('Redis works again')
    }
    const send = createSender(slashCommand({ text: 'again' }))
    for (const gateway of gateways) expect((await send(gateway, COMMAND)).text).toBe('done')
    expect(us.requests).toHaveLength(2)
  })
})
