import type { ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createRegionClient, type RegionCall } from '../../../src/dispatch/region-client.ts'
import type { Region } from '../../../src/regions/regions.ts'
import { freePort, startFakeRegion, type Answer } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const opened: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close()
})

async function region(answer?: Answer) {
  const fake = await startFakeRegion(answer)
  opened.push(() => fake.close())
  return fake
}

/** A server that speaks whatever it is told to: `speak` gets each connection once its first bytes are here. */
async function rawRegion(speak: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server: Server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => speak(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  opened.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Takes connections and says nothing, until it hangs up on all of them, at once and from then on. */
async function silentRegion(): Promise<{ address: string; hangUp: () => void }> {
  const sockets = new Set<Socket>()
  let hungUp = false
  const server: Server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    if (hungUp) socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const hangUp = (): void => {
    hungUp = true
    for (const socket of sockets) socket.destroy()
  }
  opened.push(async () => {
    hangUp()
    await new Promise((resolve) => server.close(resolve))
  })
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, hangUp }
}

function clientFor(address: string, entry: Partial<Region> = {}, { maxReplyBytes = 1000 } = {}) {
  const clock = createManualClock()
  const client = createRegionClient(
    {
      name: 'eu',
      address: new URL(address),
      category: 'multi_tenant',
      state: 'active',
      signingKey: undefined,
      maxConcurrency: 10,
      maxQueue: 10,
      timeoutMs: 10_000,
      breaker: { failureRate: 0.5, minimumCalls: 20, windowMs: 10_000, openMs: 5000 },
      idempotent: false,
      maxSpoolBytes: 1_073_741_824,
      tls: undefined,
      ...entry,
    },
    { clock, maxReplyBytes, longestCallMs: 2500 },
  )
  opened.push(() => client.close())
  const call = (more: Partial<RegionCall> = {}) =>
    client.call({
      method: 'POST',
      target: '/slack/events?a=1',
      priority: 'interactive',
      body: Buffer.from('body'),
      startedAt: 0,
      deadline: 2500,
      headers: () => ['X-From', 'test'],
      ...more,
    })
  return { client, clock, call }
}

const hang: Answer = () => {}

describe('a call to a region', () => {
  it('sends method, path and query, headers and body, and brings the whole reply back', async () => {
    const fake = await region((res) => {
      res.writeHead(201, { 'X-Reply': 'yes' })
      res.write('one,')
      res.end('two')
    })
    const { call } = clientFor(fake.url)
    const result = await call()
    expect(fake.requests[0]).toMatchObject({ method: 'POST', url: '/slack/events?a=1', body: Buffer.from('body') })
    expect(fake.requests[0]?.headers).toMatchObject({ 'x-from': 'test', 'content-length': '4' })
    expect(result).toMatchObject({ kind: 'answered', region: 'eu', reply: { status: 201 } })
    if (result.kind !== 'answered') throw new Error('unreachable')
    expect(result.reply.body.toString()).toBe('one,two')
    expect(result.reply.rawHeaders.slice(0, 2)).toEqual(['X-Reply', 'yes'])
  })

  it('sends no body where there is none', async () => {
    const fake = await region()
    await clientFor(fake.url).call({ method: 'GET', body: Buffer.alloc(0) })
    expect(fake.requests[0]?.headers).not.toHaveProperty('transfer-encoding')
    expect(fake.requests[0]?.headers).not.toHaveProperty('content-length')
  })

  it("puts the address's path prefix in front, for the headers to be made over it too", async () => {
    const fake = await region()
    await clientFor(`${fake.url}/silo/eu`).call({ headers: (path) => ['X-Path', path] })
    expect(fake.requests[0]?.url).toBe('/silo/eu/slack/events?a=1')
    expect(fake.requests[0]?.headers['x-path']).toBe('/silo/eu/slack/events?a=1')
  })

  it('keeps every byte of a header, Latin-1 as it is', async () => {
    const fake = await region((res) => res.writeHead(200, { 'X-Name': 'Gr\u00fc\u00dfe' }).end())
    const result = await clientFor(fake.url).call({ headers: () => ['X-Name', 'M\u00fcller'] })
    expect(fake.requests[0]?.headers['x-name']).toBe('M\u00fcller')
    expect(result).toMatchObject({ reply: { rawHeaders: expect.arrayContaining(['X-Name', 'Gr\u00fc\u00dfe']) } })
  })

  it('never follows a redirect', async () => {
    const fake = await region((res) => res.writeHead(302, { Location: '/elsewhere' }).end())
    expect(await clientFor(fake.url).call()).toMatchObject({ kind: 'answered', reply: { status: 302 } })
    expect(fake.requests).toHaveLength(1)
  })

  it('waits behind an informational response for the real one', async () => {
    const fake = await region((res) => {
      res.writeEarlyHints({ link: '</a>; rel=preload' })
      res.end('real')
    })
    const result = await clientFor(fake.url).call()
    expect(result).toMatchObject({ kind: 'answered', reply: { status: 200, body: Buffer.from('real') } })
    expect(JSON.stringify(result)).not.toContain('preload')
  })

  it('tells when it began, was sent, was first answered and ended, after the first byte of the webhook', async () => {
    const fake = await region(hang)
    const { call, clock } = clientFor(fake.url)
    clock.advance(100)
    const result = call({ startedAt: 40 })
    await fake.nextRequest()
    clock.advance(2400)
    expect(await result).toMatchObject({ kind: 'timed_out', timing: { startedMs: 60, sentMs: 60, endedMs: 2460 } })
    expect((await result).timing).not.toHaveProperty('firstByteMs')
  })

  it('tells when the first byte came', async () => {
    const { call, clock } = clientFor(
      await rawRegion((socket) => {
        clock.advance(30)
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
      }),
    )
    expect((await call()).timing).toEqual({ startedMs: 0, slotMs: 0, sentMs: 0, firstByteMs: 30, endedMs: 30 })
  })

  it('asks for the headers with the whole milliseconds that are left', async () => {
    const fake = await region()
    const { call, clock } = clientFor(fake.url)
    clock.advance(100.4)
    await call({ headers: (_, msLeft) => ['X-Left', String(msLeft)] })
    expect(fake.requests[0]?.headers['x-left']).toBe('2399')
  })

  it('leaves no timer behind', async () => {
    const fake = await region()
    const { call, clock } = clientFor(fake.url)
    await call()
    expect(clock.pending()).toBe(0)
  })

  it('raises what goes wrong while the headers are made, and gives its slot back', async () => {
    const fake = await region()
    const { call, client, clock } = clientFor(fake.url, { maxConcurrency: 1, maxQueue: 0 })
    const headers = () => {
      throw new Error('a bug')
    }
    await expect(call({ headers })).rejects.toThrow('a bug')
    expect(client.inFlight).toBe(0)
    expect(clock.pending()).toBe(0)
    expect(await call()).toMatchObject({ kind: 'answered' })
  })
})

describe('the deadline of a call', () => {
  const slow: [string, Answer][] = [
    ['says nothing', hang],
    ['stops behind its headers', (res) => res.writeHead(200, { 'Content-Length': '9' }).flushHeaders()],
    ['stops amid its body', (res) => void res.writeHead(200, { 'Content-Length': '9' }).write('half')],
  ]
  it.each(slow)('ends one to a region that %s, and closes its connection', async (_, answer) => {
    const closed = Promise.withResolvers<void>()
    const fake = await region((res, request, req) => {
      req.socket.once('close', () => closed.resolve())
      answer(res, request, req)
    })
    const { call, client, clock } = clientFor(fake.url)
    const result = call()
    await fake.nextRequest()
    clock.advance(2499)
    expect(client.inFlight).toBe(1)
    clock.advance(1)
    expect(await result).toMatchObject({ kind: 'timed_out', region: 'eu' })
    await closed.promise
    expect(client.inFlight).toBe(0)
  })

  it('is not put off by a region that drips', async () => {
    let res: ServerResponse | undefined
    const fake = await region((response) => {
      res = response
      res.writeHead(200).write('a')
    })
    const { call, clock } = clientFor(fake.url)
    const result = call()
    await fake.nextRequest()
    for (let drop = 0; drop < 25; drop += 1) {
      res?.write('b')
      clock.advance(100)
    }
    expect(await result).toMatchObject({ kind: 'timed_out', timing: { endedMs: 2500 } })
  })

  it('ends a call whose connection never comes, and nothing is ever sent', async () => {
    const heard: Buffer[] = []
    // Takes the connection and never answers the TLS greeting.
    const address = await rawRegion((socket) => socket.on('data', (bytes: Buffer) => heard.push(bytes)))
    const { call, client, clock } = clientFor(address.replace('http:', 'https:'))
    const result = call()
    expect(client.inFlight).toBe(1)
    clock.advance(2500)
    expect(await result).toMatchObject({ kind: 'timed_out', sent: false, timing: { slotMs: 0 } })
    expect((await result).timing).not.toHaveProperty('sentMs')
    // The attempt itself may go on for as long as the longest call; closing must not wait for it.
    await client.close()
    expect(heard).toEqual([])
  })

  it('leaves its slot taken until the connection attempt ends: what waits for one is bounded by the slots', async () => {
    const { address, hangUp } = await silentRegion()
    const { call, client, clock } = clientFor(address.replace('http:', 'https:'), { maxConcurrency: 2, maxQueue: 1 })
    const given = [call(), call()]
    clock.advance(2500)
    for (const result of given) expect(await result).toMatchObject({ kind: 'timed_out' })
    expect(client.inFlight).toBe(2)

    const waiting = call({ deadline: 9000 })
    expect(await call({ deadline: 9000 })).toMatchObject({ kind: 'refused', reason: 'queue_full' })
    expect(client.queued).toBe(1)
    hangUp()
    expect(await waiting).toMatchObject({ kind: 'failed', sent: false })
    await expect.poll(() => client.inFlight).toBe(0)
  })

  it('says of one that was sent that it was: it may have been carried out', async () => {
    const fake = await region(hang)
    const { call, clock } = clientFor(fake.url)
    const result = call()
    await fake.nextRequest()
    clock.advance(2500)
    expect(await result).toMatchObject({ kind: 'timed_out', sent: true })
  })

  it('sends nothing once it has passed', async () => {
    const fake = await region()
    const { call, client, clock } = clientFor(fake.url, { maxConcurrency: 1 })
    await call({ target: '/before' })
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(2500)
    const result = call({ target: '/too-late' })
    expect(await result).toMatchObject({ kind: 'timed_out', timing: { startedMs: 2500, endedMs: 2500 } })
    expect(client.inFlight).toBe(0)
    await call({ deadline: 5000, target: '/after' })
    expect(fake.requests.map(({ url }) => url)).toEqual(['/before', '/after'])
  })
})

describe("a region's slots", () => {
  it('let no more than max_concurrency calls in at once; the next goes when one ends', async () => {
    const answers: ServerResponse[] = []
    const fake = await region((res) => answers.push(res))
    const { call, client } = clientFor(fake.url, { maxConcurrency: 1 })
    const first = call({ target: '/1' })
    const second = call({ target: '/2' })
    await fake.nextRequest()
    expect(client).toMatchObject({ inFlight: 1, queued: 1 })
    answers[0]?.end()
    await first
    await fake.nextRequest()
    expect(client).toMatchObject({ inFlight: 1, queued: 0 })
    answers[1]?.end()
    expect(await second).toMatchObject({ kind: 'answered' })
    expect(fake.requests.map(({ url }) => url)).toEqual(['/1', '/2'])
  })

  it('refuse at once what their queue has no room for', async () => {
    const fake = await region(hang)
    const { call, clock } = clientFor(fake.url, { maxConcurrency: 1, maxQueue: 1 })
    const calls = [call(), call()]
    expect(await call()).toEqual({
      kind: 'refused',
      region: 'eu',
      reason: 'queue_full',
      timing: { startedMs: 0, endedMs: 0 },
    })
    clock.advance(2500)
    expect(await Promise.all(calls)).toMatchObject([{ kind: 'timed_out' }, { kind: 'timed_out' }])
    expect(clock.pending()).toBe(0)
  })

  it('let a waiter leave at its deadline, never sent, without blocking those behind it', async () => {
    const answers: ServerResponse[] = []
    const fake = await region((res) => answers.push(res))
    const { call, client, clock } = clientFor(fake.url, { maxConcurrency: 1, maxQueue: 2 })
    const first = call({ target: '/1', deadline: 9000 })
    const leaves = call({ target: '/2', deadline: 1000 })
    const stays = call({ target: '/3', deadline: 9000 })
    await fake.nextRequest()
    clock.advance(1000)
    expect(await leaves).toMatchObject({ kind: 'timed_out', timing: { endedMs: 1000 } })
    expect((await leaves).timing).not.toHaveProperty('sentMs')
    expect(client).toMatchObject({ inFlight: 1, queued: 1 })
    answers[0]?.end()
    await first
    await fake.nextRequest()
    answers[1]?.end()
    expect(await stays).toMatchObject({ kind: 'answered', timing: { sentMs: 1000 } })
    expect(fake.requests.map(({ url }) => url)).toEqual(['/1', '/3'])
  })
})

describe('a call that fails', () => {
  it.each([500, 503, 599])('is http_%i, whatever the body', async (status) => {
    const fake = await region((res) => res.writeHead(status).end('sorry'))
    expect(await clientFor(fake.url).call()).toMatchObject({ kind: 'failed', reason: `http_${status}`, region: 'eu' })
  })

  it('is not one with a 499', async () => {
    const fake = await region((res) => res.writeHead(499).end())
    expect(await clientFor(fake.url).call()).toMatchObject({ kind: 'answered', reply: { status: 499 } })
  })

  it('is connect_refused where nobody listens', async () => {
    const result = await clientFor(`http://127.0.0.1:${await freePort()}`).call()
    expect(result).toMatchObject({ kind: 'failed', reason: 'connect_refused', cause: 'ECONNREFUSED' })
  })

  it.each([
    ['before an answer', (socket: Socket) => socket.resetAndDestroy()],
    ['with a polite end before an answer', (socket: Socket) => socket.end()],
    ['amid a body of known length', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')],
    [
      'amid a chunked body',
      (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf'),
    ],
  ])('is connection_reset where the connection ends %s', async (_, speak) => {
    expect(await clientFor(await rawRegion(speak)).call()).toMatchObject({ reason: 'connection_reset' })
  })

  it.each([
    ['is not HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['has a status of three letters', 'HTTP/1.1 OKK\r\n\r\n'],
    ['has two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['has a status that is none', 'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n'],
    ['has the status 000', 'HTTP/1.1 000 Odd\r\nContent-Length: 0\r\n\r\n'],
    ['has a header with a control character', 'HTTP/1.1 200 OK\r\nX: a\u0001b\r\nContent-Length: 0\r\n\r\n'],
    ['has a bad chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
  ])('is invalid_response where what comes back %s', async (_, text) => {
    const result = await clientFor(await rawRegion((socket) => socket.write(text))).call()
    expect(result).toMatchObject({ kind: 'failed', reason: 'invalid_response' })
  })

  it('is response_too_large beyond the limit, and reads no further', async () => {
    const fake = await region((res) => res.end(Buffer.alloc(1001)))
    expect(await clientFor(fake.url).call()).toMatchObject({ kind: 'failed', reason: 'response_too_large' })
  })

  it('is response_too_large for a chunked reply that never ends', async () => {
    const fake = await region((res) => {
      const more = () => void (res.write(Buffer.alloc(600)) ? setImmediate(more) : res.once('drain', more))
      res.on('close', () => res.removeAllListeners('drain'))
      res.write(Buffer.alloc(600))
      res.write(Buffer.alloc(600))
    })
    const { call, client } = clientFor(fake.url)
    expect(await call()).toMatchObject({ kind: 'failed', reason: 'response_too_large' })
    expect(client.inFlight).toBe(0)
  })

  it('is not one with a reply of exactly the limit', async () => {
    const fake = await region((res) => res.end(Buffer.alloc(1000)))
    expect(await clientFor(fake.url).call()).toMatchObject({ kind: 'answered' })
  })

  it('is tls_failed where an https address speaks plain HTTP', async () => {
    const fake = await region()
    const result = await clientFor(fake.url.replace('http:', 'https:')).call()
    expect(result).toMatchObject({ kind: 'failed', reason: 'tls_failed' })
  })

  it('is dns_failed where the name does not exist', async () => {
    expect(await clientFor('http://region.invalid').call()).toMatchObject({ kind: 'failed', reason: 'dns_failed' })
  })

  it('is invalid_request where a header cannot be written, and gives its slot back', async () => {
    const fake = await region()
    const { call, client, clock } = clientFor(fake.url)
    expect(await call({ headers: () => ['X-Bad', 'a\nb'] })).toMatchObject({ reason: 'invalid_request' })
    expect(client.inFlight).toBe(0)
    expect(clock.pending()).toBe(0)
    expect(fake.requests).toEqual([])
  })
})

describe('connections to a region', () => {
  it('are used again', async () => {
    const fake = await region()
    const { call } = clientFor(fake.url)
    await call()
    // A connection is free again in the turn after its reply.
    await new Promise((resolve) => setImmediate(resolve))
    await call()
    expect(await fake.connections()).toBe(1)
  })

  it('are closed with the client', async () => {
    const fake = await region()
    const { call, client } = clientFor(fake.url)
    await call()
    await client.close()
    await expect.poll(() => fake.connections()).toBe(0)
  })

  it('are never used again after a reply was too large', async () => {
    const fake = await region((res, { url }) => res.end(url === '/big' ? Buffer.alloc(5000) : 'small'))
    const { call } = clientFor(fake.url, { maxConcurrency: 1 })
    expect(await call({ target: '/big' })).toMatchObject({ reason: 'response_too_large' })
    expect(await call({ target: '/small' })).toMatchObject({ reply: { body: Buffer.from('small') } })
  })
})
