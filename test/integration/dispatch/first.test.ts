import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { Answer } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { freePort } from '../../support/ports.ts'
import { rawClient } from '../../support/raw-client.ts'
import { useSilos } from '../../support/silos.ts'
import { blockSuggestion, eventCallback, slashCommand, TEAM } from '../../support/slack-payloads.ts'
import { signSlack } from '../../support/slack-signer.ts'
import { passBudget } from '../../support/steps.ts'
import { SIGNING_SECRET, startTestGateway, workspace } from '../../support/test-gateway.ts'

const silos = useSilos()
const suggestion = blockSuggestion()
const OPTIONS = '/extensions/slack/options-load/'

const says =
  (status: number, body = ''): Answer =>
  (res) =>
    res.writeHead(status).end(body)

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** A region that speaks raw bytes. */
async function rawRegion(speak: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => speak(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  )
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('the reason for which the only region failed', () => {
  /** How an options load is answered when its region lives at this address. */
  async function answerFrom(address: string, entry: Record<string, unknown> = {}) {
    const gateway = await startTestGateway({
      regions: [{ name: 'eu', address, ...entry }],
      directory: workspace({ acme: 'eu' }),
    })
    closing.push(() => gateway.close())
    const reply = await gateway.post(OPTIONS, suggestion.body, suggestion)
    await expect.poll(() => gateway.records).toHaveLength(1)
    return { reply, record: gateway.records[0] }
  }

  const halfReply = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'
  const causes: [string, number, () => Promise<string>, Record<string, unknown>?][] = [
    ['connect_refused', 502, async () => `http://127.0.0.1:${await freePort()}`],
    ['connection_reset', 502, async () => `http://${await rawRegion((socket) => socket.resetAndDestroy())}`],
    ['connection_reset', 502, async () => `http://${await rawRegion((socket) => socket.end(halfReply))}`],
    ['invalid_response', 502, async () => `http://${await rawRegion((socket) => socket.end('Good day\r\n\r\n'))}`],
    ['tls_failed', 502, async () => `https://${await rawRegion((socket) => socket.end('HTTP/1.1 400 Bad\r\n\r\n'))}`],
    ['dns_failed', 502, async () => 'http://region.invalid'],
    ['region_down', 503, async () => 'http://127.0.0.1:1', { state: 'down' }],
    ['region_draining', 503, async () => 'http://127.0.0.1:1', { state: 'draining' }],
    ['unknown_region', 503, async () => 'http://127.0.0.1:1', { name: 'us' }],
  ]
  it.each(causes)('is %s, with status %i', async (reason, status, address, entry = {}) => {
    const { reply, record } = await answerFrom(await address(), entry)
    expect(reply.status).toBe(status)
    expect(reply.json()).toEqual({
      type: 'urn:silo-gateway:error:silo_client_error',
      title: 'No region could answer',
      status,
      code: 'silo_client_error',
      regions: { eu: reason },
    })
    expect(record).toMatchObject({ code: 'silo_client_error', status, regions: [{ region: 'eu', result: reason }] })
  })

  it.each([500, 503])('is http_%i, and its body does not pass', async (status) => {
    const { post } = await silos({ eu: says(status, 'stack trace') })
    const reply = await post(OPTIONS, suggestion.body, suggestion)
    expect(reply).toMatchObject({ status: 502 })
    expect(reply.json()).toMatchObject({ regions: { eu: `http_${status}` } })
    expect(reply.text).not.toContain('stack trace')
  })

  it('is response_too_large above MAX_REPLY_BYTES, not at it', async () => {
    const { post } = await silos(
      { eu: (res, { headers }) => res.end(Buffer.alloc(Number(headers['x-size']))) },
      { env: { MAX_REPLY_BYTES: '1000' } },
    )
    const sized = (size: string) => post(OPTIONS, suggestion.body, { ...suggestion, headers: { 'X-Size': size } })
    expect((await sized('1000')).body).toHaveLength(1000)
    expect((await sized('1001')).json()).toMatchObject({ regions: { eu: 'response_too_large' } })
  })

  it('is timeout, with 504, when the deadline ends a region that hangs', async () => {
    const clock = createManualClock()
    const { post, regions, nextRecord } = await silos({ eu: () => {} }, { clock })
    const reply = post(OPTIONS, suggestion.body, suggestion)
    await regions.eu.nextRequest()
    clock.advance(2500)
    expect(await reply).toMatchObject({ status: 504 })
    expect((await reply).json()).toMatchObject({ status: 504, regions: { eu: 'timeout' } })
    expect(await nextRecord()).toMatchObject({ answeredMs: 2500, regions: [{ result: 'timeout', endedMs: 2500 }] })
    await expect.poll(() => regions.eu.connections()).toBe(0)
  })

  it('never names an address', async () => {
    const port = await freePort()
    const { reply } = await answerFrom(`http://127.0.0.1:${port}`)
    expect(reply.text).not.toContain(String(port))
    expect(JSON.stringify(reply.headers)).not.toContain(String(port))
  })
})

describe('a request for the first region', () => {
  it.each([200, 204, 302, 404, 418])('gets its %i as it is, and no other region is asked', async (status) => {
    const { post, regions } = await silos({
      us: says(status, status === 204 ? '' : 'from us'),
      eu: says(200, 'from eu'),
    })
    const reply = await post(OPTIONS, suggestion.body, suggestion)
    expect(reply).toMatchObject({ status, text: status === 204 ? '' : 'from us' })
    expect(regions.eu.requests).toEqual([])
  })

  it('is not sent to the second where the first fails', async () => {
    const { post, regions } = await silos({ us: says(500), eu: says(200) })
    expect((await post(OPTIONS, suggestion.body, suggestion)).status).toBe(502)
    expect(regions.us.requests).toHaveLength(1)
    expect(regions.eu.requests).toEqual([])
  })

  it('is never posted twice, even when a connection kept open turns out to be dead', async () => {
    let served = 0
    const { post, regions } = await silos({
      eu: (res, _, req) => {
        served += 1
        if (served === 1) res.end('first')
        else req.socket.resetAndDestroy()
      },
    })
    await post(OPTIONS, suggestion.body, suggestion)
    expect((await post(OPTIONS, suggestion.body, suggestion)).json()).toMatchObject({
      regions: { eu: 'connection_reset' },
    })
    expect(regions.eu.requests).toHaveLength(2)
  })
})

describe('an event', () => {
  const event = eventCallback()
  const EVENT = '/extensions/slack/event/'

  it.each([200, 202, 204])('is 200 and empty on a %i, whatever the region says', async (status) => {
    const { post } = await silos({ us: (res) => res.writeHead(status, { 'X-Inside': '1' }).end() })
    const reply = await post(EVENT, event.body, event)
    expect(reply).toMatchObject({ status: 200, text: '' })
    expect(reply.headers).not.toHaveProperty('x-inside')
    expect(reply.headers['content-length']).toBe('0')
  })

  it('is 200 and empty even where the region answers with a body', async () => {
    const { post } = await silos({ us: says(200, '{"secret":"of the region"}') })
    expect(await post(EVENT, event.body, event)).toMatchObject({ status: 200, text: '' })
  })

  it.each([302, 404, 500])('that may fail is a SiloClientError where the region answers %i', async (status) => {
    const { post } = await silos({ us: says(status, 'nothing for Slack') }, { slack: { events_on_failure: 'fail' } })
    const reply = await post(EVENT, event.body, event)
    expect(reply.status).toBe(502)
    expect(reply.json()).toMatchObject({ code: 'silo_client_error', regions: { us: `http_${status}` } })
  })
})

describe('a command', () => {
  const command = slashCommand()
  const COMMANDS = '/extensions/slack/commands/'
  const ephemeral = { response_type: 'ephemeral', replace_original: false, text: expect.stringMatching(/\S/) }

  it.each([
    ['fails', says(500), {}],
    ['is down', undefined, { eu: { state: 'down' } }],
  ])('is told to its user alone when the region %s', async (_, answer, entries) => {
    const { post, nextRecord } = await silos({ eu: answer }, { entries })
    const reply = await post(COMMANDS, command.body, command)
    expect(reply.status).toBe(200)
    expect(reply.json()).toEqual(ephemeral)
    expect((await nextRecord()).regions).toHaveLength(1)
  })

  it('without a response_url is told to its user at the deadline when the region is late', async () => {
    const clock = createManualClock()
    const { post, regions } = await silos({ eu: () => {} }, { clock })
    const sent = slashCommand({ response_url: undefined })
    const reply = post(COMMANDS, sent.body, sent)
    await regions.eu.nextRequest()
    clock.advance(2500)
    expect((await reply).status).toBe(200)
    expect((await reply).json()).toEqual(ephemeral)
  })

  it('with a response_url is answered with nothing at the deadline, and its call goes on', async () => {
    const clock = createManualClock()
    const held = Promise.withResolvers<ServerResponse>()
    const { gateway, post, nextRecord } = await silos({ eu: (res) => held.resolve(res) }, { clock })
    const reply = post(COMMANDS, command.body, command)
    const res = await held.promise
    await passBudget({ clock, gateway })
    expect(await reply).toMatchObject({ status: 200, text: '' })
    res.end()
    expect(await nextRecord()).toMatchObject({ outcome: 'late', regions: [{ result: 'answered', endedMs: 2500 }] })
  })
})

describe('the limits of a region', () => {
  it('max_queue: what finds no place is refused at once, and other regions are not delayed', async () => {
    const held: ServerResponse[] = []
    const { post, regions, nextRecord } = await silos(
      { us: (res) => held.push(res), eu: says(200, 'from eu') },
      {
        entries: { us: { max_concurrency: 1, max_queue: 1 } },
        directory: {
          integrations: [
            { id: 1, provider: 'slack', external_id: TEAM, name: 'Acme', status: 'active' },
            { id: 2, provider: 'slack', external_id: 'T0OTHER0001', name: 'Other', status: 'active' },
          ],
          organizations: [
            { id: 10, slug: 'acme', name: 'Acme', region: 'us', status: 'active' },
            { id: 11, slug: 'other', name: 'Other', region: 'eu', status: 'active' },
          ],
          organization_integrations: [
            { integration_id: 1, organization_id: 10, status: 'active' },
            { integration_id: 2, organization_id: 11, status: 'active' },
          ],
        },
      },
    )
    const other = blockSuggestion({ team: { id: 'T0OTHER0001' } })
    const first = post(OPTIONS, suggestion.body, suggestion)
    await regions.us.nextRequest()
    const pair = [post(OPTIONS, suggestion.body, suggestion), post(OPTIONS, suggestion.body, suggestion)]
    const refused = await Promise.race(pair)
    expect(refused.status).toBe(503)
    expect(refused.json()).toMatchObject({ regions: { us: 'queue_full' } })
    expect(await nextRecord()).toMatchObject({ regions: [{ region: 'us', result: 'queue_full' }] })
    expect(await post(OPTIONS, other.body, other)).toMatchObject({ status: 200, text: 'from eu' })

    held[0]?.end('1')
    expect((await first).text).toBe('1')
    await regions.us.nextRequest()
    held[1]?.end('2')
    expect((await Promise.all(pair)).map(({ text }) => text)).toContain('2')
    expect(regions.us.requests).toHaveLength(2)
  })

  it('max_concurrency: a call that hangs gives its slot back at its deadline, and the next has what is left of its own', async () => {
    const clock = createManualClock()
    const held: ServerResponse[] = []
    const { post, regions, nextRecord } = await silos(
      { us: (res) => held.push(res) },
      { clock, entries: { us: { max_concurrency: 1 } } },
    )
    const atRest = clock.pending()
    const first = post(OPTIONS, suggestion.body, suggestion)
    await regions.us.nextRequest()
    clock.advance(1000)
    const second = post(OPTIONS, suggestion.body, suggestion)
    await expect.poll(() => clock.pending() - atRest).toBe(2)
    clock.advance(1500)
    expect((await first).json()).toMatchObject({ regions: { us: 'timeout' } })
    await regions.us.nextRequest()
    expect(regions.us.requests[1]?.headers['silo-deadline']).toBe('1000')
    const third = post(OPTIONS, suggestion.body, suggestion)
    await expect.poll(() => clock.pending() - atRest).toBe(2)
    clock.advance(1000)
    expect((await second).json()).toMatchObject({ regions: { us: 'timeout' } })
    await regions.us.nextRequest()
    held[2]?.end('third')
    expect((await third).text).toBe('third')
    expect((await nextRecord()).regions?.[0]).toMatchObject({ result: 'timeout', sentMs: 0 })
    expect((await nextRecord()).regions?.[0]).toMatchObject({ result: 'timeout', sentMs: 1500, endedMs: 2500 })
  })
})

describe('the deadline', () => {
  it('is SLACK_BUDGET_MS from the first byte, and the region is told what is left', async () => {
    const clock = createManualClock()
    const { post, regions } = await silos({ eu: () => {} }, { clock, env: { SLACK_BUDGET_MS: '1200' } })
    const reply = post(OPTIONS, suggestion.body, suggestion)
    expect((await regions.eu.nextRequest()).headers['silo-deadline']).toBe('1200')
    clock.advance(1200)
    expect((await reply).status).toBe(504)
  })

  it.each([
    [
      'the rest of a body that was answered before it came',
      `POST /nowhere HTTP/1.1\r\nHost: gateway\r\nContent-Length: 5\r\n\r\n`,
      'hello',
    ],
    ['a stray line break', `GET /nowhere HTTP/1.1\r\nHost: gateway\r\n\r\n`, '\r\n'],
  ])('does not begin with %s', async (_, before, stray) => {
    const clock = createManualClock()
    const { port, server, regions } = await silos({ eu: says(200) }, { clock })
    const arrives = once(server, 'connection') as Promise<[Socket]>
    const caller = rawClient(port)
    caller.write(before)
    const [socket] = await arrives
    await caller.hears(/HTTP\/1.1 404[^]*}/)
    const comes = once(socket, 'data')
    caller.write(stray)
    await comes
    clock.advance(60_000)
    const signature = signSlack({ secret: SIGNING_SECRET, body: suggestion.body, now: clock.now() })
    const headers = { host: 'gateway', 'content-type': suggestion.contentType, ...signature }
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    caller.write(`POST ${OPTIONS} HTTP/1.1\r\n${head.join('')}content-length: ${suggestion.body.length}\r\n\r\n`)
    caller.write(suggestion.body)
    expect((await regions.eu.nextRequest()).headers['silo-deadline']).toBe('2500')
    await caller.hears(/HTTP\/1.1 200/)
    caller.socket.destroy()
  })

  /** A connection to a gateway whose budget is 1.2 s. `post`: a head that takes so long, whose end the body comes with. */
  async function trickling() {
    const clock = createManualClock()
    const { port, server, regions } = await silos({ eu: says(200) }, { clock, env: { SLACK_BUDGET_MS: '1200' } })
    const arrives = once(server, 'connection') as Promise<[Socket]>
    const caller = rawClient(port)
    const [socket] = await arrives
    const post = async (headMs: number): Promise<void> => {
      const begins = once(socket, 'data')
      caller.write(`POST ${OPTIONS} HTTP/1.1\r\nHost: gateway\r\n`)
      await begins
      clock.advance(headMs)
      const signature = signSlack({ secret: SIGNING_SECRET, body: suggestion.body, now: clock.now() })
      const headers = { 'content-type': suggestion.contentType, 'content-length': suggestion.body.length, ...signature }
      const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
      caller.write(`${head.join('')}\r\n${suggestion.body}`)
    }
    return { clock, regions, caller, post }
  }

  it('counts the time in which a head trickles in, for each request of a connection', async () => {
    const { clock, regions, caller, post } = await trickling()
    for (const [at, headMs] of [700, 400].entries()) {
      await post(headMs)
      const { headers: told } = await regions.eu.nextRequest()
      expect(told).toMatchObject({
        'silo-deadline': String(1200 - headMs),
        'silo-received-at': String(clock.now() - headMs),
      })
      await caller.hears(new RegExp(`(HTTP/1.1 200[^]*){${at + 1}}`))
    }
    caller.socket.destroy()
  })

  it('is over where a head takes all of it: 408, though the body has come by then', async () => {
    const { regions, caller, post } = await trickling()
    await post(1200)
    expect(await caller.closed).toMatch(/^HTTP\/1\.1 408 [^]*Connection: close\r\n[^]*"code":"body_timeout"/i)
    expect(regions.eu.requests).toEqual([])
  })
})
