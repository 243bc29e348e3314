import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { adminApp } from '../../src/admin/admin-listener.ts'
import type { DeliveryListing } from '../../src/admin/delivery-routes.ts'
import { openDemo, type OpenDemo } from '../support/open-demo.ts'
import { startTestGateway } from '../support/test-gateway.ts'

let terminal: OpenDemo
let url: string

beforeAll(async () => {
  terminal = openDemo()
  url = await terminal.consoleUrl()
  await terminal.seen(/event /)
})

afterAll(async () => {
  terminal.press('q')
  await terminal.exitCode
})

function post(path: string, body: unknown) {
  const headers = { 'Content-Type': 'application/json' }
  return fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
}

const make = (region: string, behaviour: string) => post(`/api/demo/regions/${region}`, { behaviour })

const ask = async (path: string): Promise<unknown> => (await fetch(url + path)).json()

const state = () => ask('/api/demo')

describe('a region of the demo', () => {
  afterEach(() => make('ap', 'healthy'))

  it('is slow in us from the start, and healthy elsewhere', async () => {
    expect(await state()).toEqual({
      regions: [
        { name: 'us', behaviour: 'slow' },
        { name: 'eu', behaviour: 'healthy' },
        { name: 'ap', behaviour: 'healthy' },
      ],
      pace: 4,
      flooding: false,
    })
  })

  it.each([
    ['slow', 'is slow', '200 [4-9]\\d\\d ms'],
    ['failing', 'answers 500', 'http_500 \\d+ ms'],
    ['hanging', 'does not answer any more', 'timeout \\d{4} ms'],
    ['gone', 'is gone: it refuses connections', 'connect_refused \\d+ ms'],
  ])('is made %s: so the terminal says, and so a click finds it', async (behaviour, words, result) => {
    // Its breaker, which the one before may have opened, lets clicks through again.
    await terminal.seen(/ +all +→ .*ap 200 \d+ ms$/)
    const reply = await make('ap', behaviour)
    expect(reply.status).toBe(200)
    expect(await reply.json()).toMatchObject({ regions: expect.arrayContaining([{ name: 'ap', behaviour }]) })
    await terminal.seen(new RegExp(`── ap ${words}$`))
    await terminal.seen(new RegExp(` +all +→ .*ap ${result}$`))
  })

  it('is sent an event of its own at once, so that nobody has to wait for what is to be seen', async () => {
    await make('us', 'gone')
    const event = await terminal.seen(/event +link to acme .*$/)
    expect(event).toContain('waits for us')
    await make('us', 'slow')
  })

  it('is healthy again: what waited is delivered', async () => {
    await make('ap', 'gone')
    await terminal.seen(/event +link to initech .*waits for ap$/)
    await make('ap', 'healthy')
    await terminal.seen(/── ap is healthy$/)
    expect(await terminal.seen(/mailbox +link to initech +delivered to (.*) on attempt/)).toContain(' ap ')
  })

  it('is one of three, with one of five behaviours', async () => {
    expect([(await make('mars', 'gone')).status, (await make('ap', 'asleep')).status]).toEqual([400, 400])
  })
})

describe('a flood', () => {
  it('is sent beside the usual pace, and told of as a whole', async () => {
    const reply = await post('/api/demo/flood', { seconds: 1, per_second: 40 })
    expect([reply.status, await reply.json()]).toEqual([202, expect.objectContaining({ pace: 44, flooding: true })])
    await terminal.seen(/── a flood: 40 webhooks a second for 1 s$/)
    await terminal.seen(/── the flood is over: 40 sent, 40 answered with 2xx, 0 errors; median /)
    expect(await state()).toMatchObject({ pace: 4, flooding: false })
  })

  it('gives way to the next', async () => {
    await post('/api/demo/flood', { seconds: 30, per_second: 1 })
    await post('/api/demo/flood', { seconds: 1, per_second: 20 })
    const over = [
      await terminal.seen(/── the flood is over: /),
      await terminal.seen(/── the flood is over: \d+ sent, /),
    ]
    expect(over[1]).toContain(' 20 sent, ')
  })

  it('has its limits', async () => {
    const refused = await post('/api/demo/flood', { seconds: 31, per_second: 201 })
    expect([refused.status, await refused.json()]).toEqual([
      400,
      expect.objectContaining({ errors: [expect.objectContaining({}), expect.objectContaining({})] }),
    ])
  })
})

describe('duplicates', () => {
  it('are copies of the last event, as many as were asked for: no region is asked again', async () => {
    await terminal.seen(/event +link /)
    const reply = await post('/api/demo/duplicates', { copies: 3 })
    expect(reply.status).toBe(202)
    for (let copy = 0; copy < 3; copy++) {
      await terminal.seen(/retry .* 200 in \d+ ms empty\n +a duplicate: no region is asked again$/)
    }
    // Whatever else was sent with them has been answered by now.
    await terminal.seen(/event /)
    const { items } = (await ask('/api/deliveries?surface=event')) as { items: DeliveryListing[] }
    const lastEvent = items[items.findLastIndex(({ outcome }) => outcome === 'duplicate') + 1]
    expect(await ask(`/api/deliveries/${lastEvent?.id}`)).toMatchObject({ duplicates: { count: 3 } })
  })
})

it('ends without waiting for what hangs', async () => {
  const other = openDemo()
  const headers = { 'Content-Type': 'application/json' }
  const body = JSON.stringify({ behaviour: 'hanging' })
  const path = `${await other.consoleUrl()}/api/demo/regions/ap`
  // Until there is anything to be sent, there is no event of its own either.
  await other.seen(/challenge /)
  await fetch(path, { method: 'POST', headers, body })
  await other.seen(/options /)
  other.press('q')
  expect(await other.exitCode).toBe(0)
  expect(other.output()).toMatch(/first → ap connection_reset \d+ ms$/m)
})

it('is the demo alone that can be broken: any other gateway answers 404', async () => {
  const test = await startTestGateway({ regions: [{ name: 'us', address: 'http://127.0.0.1:9' }] })
  const admin = createServer(adminApp(test.gateway))
  await once(admin.listen(0, '127.0.0.1'), 'listening')
  const { port } = admin.address() as AddressInfo
  const statusOf = async (path: string, method = 'GET') =>
    (await fetch(`http://127.0.0.1:${port}${path}`, { method })).status
  expect([
    await statusOf('/api/demo'),
    await statusOf('/api/demo/regions/us', 'POST'),
    await statusOf('/api/demo/flood', 'POST'),
    await statusOf('/api/demo/duplicates', 'POST'),
  ]).toEqual([404, 404, 404, 404])
  admin.closeAllConnections()
  await new Promise((resolve) => admin.close(resolve))
  await test.close()
})
