import type { ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/clock.ts'
import { createRegionClient, type RegionCall, type RegionWatch } from '../../../src/dispatch/region-client.ts'
import type { Region } from '../../../src/regions/regions.ts'
import { startFakeRegion, type Answer } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { freePort } from '../../support/ports.ts'

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

function clientFor(
  address: string,
  entry: Partial<Region> = {},
  { watch, earlyMs = 0 }: { watch?: RegionWatch; earlyMs?: number } = {},
) {
  const clock = createManualClock()
  const after: Clock['after'] = (ms, then) => clock.after(ms - earlyMs, then)
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
    { clock: { ...clock, after }, maxReplyBytes: 1000, longestCallMs: 2500, ...(watch && { watch }) },
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

describe('a call that somebody else may have the right to', () => {
  it('is asked about when there is a connection for it, and not sent where that right is gone by then', async () => {
    const fake = await region()
    const { call, client } = clientFor(fake.url, { maxConcurrency: 1 })
    let isOurs = true
    const result = call({ target: '/taken-over', maySend: () => isOurs })
    isOurs = false
    expect(await result).toMatchObject({ kind: 'refused', reason: 'lease_lapsed' })
    expect(client).toMatchObject({ inFlight: 0, breaker: { state: 'closed' } })
    await call({ target: '/after' })
    expect(fake.requests.map(({ url }) => url)).toEqual(['/after'])
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
      breaker: 'closed',
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

describe('a call whose answer is still owed at its deadline', () => {
  /** Hangs until told to answer; `asked` counts how often somebody wanted to know whether the call goes on. */
  async function owed({ owing = true, timeoutMs = 6000 } = {}) {
    const answers: ServerResponse[] = []
    const fake = await region((res) => answers.push(res))
    const { call, client, clock } = clientFor(fake.url, { timeoutMs, maxConcurrency: 1 })
    const asked: number[] = []
    const goesOn = () => {
      asked.push(clock.monotonic())
      return owing
    }
    return { fake, answers, client, clock, asked, call: (more?: Partial<RegionCall>) => call({ goesOn, ...more }) }
  }

  it('goes on, and brings the late answer', async () => {
    const { fake, answers, call, clock, asked } = await owed()
    const result = call()
    await fake.nextRequest()
    clock.advance(4000)
    answers[0]?.end('late')
    expect(await result).toMatchObject({
      kind: 'answered',
      reply: { body: Buffer.from('late') },
      timing: { endedMs: 4000 },
    })
    expect(asked).toEqual([2500])
    expect(clock.pending()).toBe(0)
  })

  it('ends timeout_ms after it was made, and not before', async () => {
    const { fake, call, client, clock, asked } = await owed()
    clock.advance(100)
    const result = call({ startedAt: 40 })
    await fake.nextRequest()
    clock.advance(5999)
    expect(client.inFlight).toBe(1)
    clock.advance(1)
    expect(await result).toMatchObject({ kind: 'timed_out', sent: true, timing: { startedMs: 60, endedMs: 6060 } })
    expect(asked).toEqual([2500])
    await expect.poll(() => client.inFlight).toBe(0)
    expect(clock.pending()).toBe(0)
  })

  it('ends at the deadline where timeout_ms lies before it', async () => {
    const { fake, call, clock, asked } = await owed({ timeoutMs: 1000 })
    const result = call()
    await fake.nextRequest()
    clock.advance(2500)
    expect(await result).toMatchObject({ kind: 'timed_out', timing: { endedMs: 2500 } })
    expect(asked).toEqual([])
  })

  it('is none where nothing is owed: it ends', async () => {
    const { fake, call, clock, asked } = await owed({ owing: false })
    const result = call()
    await fake.nextRequest()
    clock.advance(2500)
    expect(await result).toMatchObject({ kind: 'timed_out', sent: true, timing: { endedMs: 2500 } })
    expect(asked).toEqual([2500])
  })

  it('is none while it stands in the queue: it leaves', async () => {
    const { fake, answers, call, client, clock, asked } = await owed()
    const first = call({ deadline: 9000 })
    await fake.nextRequest()
    const waiting = call()
    clock.advance(2500)
    expect(await waiting).toMatchObject({ kind: 'timed_out', sent: false, timing: { endedMs: 2500 } })
    expect({ asked, queued: client.queued }).toEqual({ asked: [], queued: 0 })
    answers[0]?.end()
    await first
    expect(fake.requests).toHaveLength(1)
  })

  it('is none before it is sent: it ends', async () => {
    const { address } = await silentRegion()
    const { call, clock } = clientFor(address.replace('http:', 'https:'))
    const result = call({ goesOn: () => true })
    clock.advance(2500)
    expect(await result).toMatchObject({ kind: 'timed_out', sent: false, timing: { endedMs: 2500 } })
  })
})

describe('the slots of several', () => {
  it('regions are apart: one with a full queue takes none of another', async () => {
    const full = await region(hang)
    const well = await region()
    const { call, client } = clientFor(full.url, { maxConcurrency: 1, maxQueue: 1 })
    const { call: callOther } = clientFor(well.url, { maxConcurrency: 1, maxQueue: 0 })
    void call()
    void call()
    expect(await call()).toMatchObject({ kind: 'refused', reason: 'queue_full' })
    expect(await callOther()).toMatchObject({ kind: 'answered' })
    expect(client).toMatchObject({ inFlight: 1, queued: 1 })
  })

  it('mailboxes are a quarter, and their waiters keep nobody else from the rest', async () => {
    const fake = await region((res, { url }) => void (url === '/mail' || res.end()))
    const { call, client } = clientFor(fake.url, { maxConcurrency: 4, maxQueue: 1 })
    void call({ target: '/mail', priority: 'mailbox' })
    void call({ target: '/mail', priority: 'mailbox' })
    expect(client).toMatchObject({ inFlight: 1, queued: 1 })
    expect(await call({ priority: 'event' })).toMatchObject({ kind: 'answered' })
    expect(await call({ priority: 'mailbox' })).toMatchObject({ kind: 'refused', reason: 'queue_full' })
  })

  it('priorities are not kept: who waits for an answer sends a mailbox out of a full queue', async () => {
    const { call, client, clock } = clientFor((await region(hang)).url, { maxConcurrency: 1, maxQueue: 1 })
    void call()
    const mail = call({ priority: 'mailbox' })
    void call()
    expect(await mail).toMatchObject({ kind: 'refused', reason: 'queue_full' })
    expect(client).toMatchObject({ inFlight: 1, queued: 1 })
    expect(clock.pending()).toBe(2)
  })
})

describe('the breaker of a region', () => {
  const atOnce = { failureRate: 1, minimumCalls: 1, windowMs: 1000, openMs: 500 }

  /** A region that answers with `now.answer`, behind a breaker that one failure opens. */
  async function breaking(entry: Partial<Region> = {}) {
    const now: { answer: Answer } = { answer: (res) => res.writeHead(503).end() }
    const fake = await region((res, request, req) => now.answer(res, request, req))
    const all = clientFor(fake.url, { breaker: atOnce, ...entry })
    const heal = () => {
      now.answer = (res) => res.end()
    }
    return { ...all, fake, now, heal }
  }

  it('opens when calls fail, and then refuses them at once without asking the region', async () => {
    const { call, client, clock, fake } = await breaking({ breaker: { ...atOnce, minimumCalls: 3 } })
    for (let id = 0; id < 3; id += 1) expect(await call()).toMatchObject({ reason: 'http_503' })
    expect(client.breaker.state).toBe('open')
    expect(await call()).toEqual({
      kind: 'refused',
      reason: 'circuit_open',
      breaker: 'open',
      region: 'eu',
      timing: { startedMs: 0, endedMs: 0 },
    })
    expect(fake.requests).toHaveLength(3)
    expect(clock.pending()).toBe(0)
  })

  it.each<[string, Answer, Partial<RegionCall>, 'open' | 'closed']>([
    ['a status of 500', (res) => res.writeHead(500).end(), {}, 'open'],
    ['a connection that is reset', (res) => res.socket?.resetAndDestroy(), {}, 'open'],
    ['a status of 404', (res) => res.writeHead(404).end(), {}, 'closed'],
    ['a status of 429', (res) => res.writeHead(429).end(), {}, 'closed'],
    ['a reply that is too large', (res) => res.end(Buffer.alloc(1001)), {}, 'closed'],
    ['a request that cannot be written', hang, { headers: () => ['X-Bad', 'a\nb'] }, 'closed'],
    ['a call that comes too late to be sent', hang, { deadline: 0 }, 'closed'],
  ])('after %s', async (_, answer, call, state) => {
    const { client, now, call: make } = await breaking()
    now.answer = answer
    await make(call)
    expect(client.breaker.state).toBe(state)
  })

  it('counts a region that cannot be reached', async () => {
    const { call, client } = clientFor(`http://127.0.0.1:${await freePort()}`, { breaker: atOnce })
    await call()
    expect(client.breaker.state).toBe('open')
  })

  it('counts a call that is not answered in time, not one that waits in the queue, nor one it has no room for', async () => {
    const { call, client, clock, now } = await breaking({ maxConcurrency: 1, maxQueue: 1 })
    now.answer = hang
    const first = call({ deadline: 2000 })
    const waits = call({ deadline: 1000 })
    expect(await call()).toMatchObject({ reason: 'queue_full' })
    clock.advance(1000)
    expect(await waits).toMatchObject({ kind: 'timed_out', sent: false })
    expect(client.breaker.state).toBe('closed')
    clock.advance(1000)
    expect(await first).toMatchObject({ kind: 'timed_out' })
    expect(client.breaker.state).toBe('open')
  })

  it('refuses what waited in the queue when it opened, and gives those slots back', async () => {
    const { call, client, fake } = await breaking({ maxConcurrency: 1 })
    const results = await Promise.all([call(), call(), call()])
    expect(results).toMatchObject([{ reason: 'http_503' }, { reason: 'circuit_open' }, { reason: 'circuit_open' }])
    expect(client).toMatchObject({ inFlight: 0, queued: 0 })
    expect(fake.requests).toHaveLength(1)
  })

  it('closes by itself: one call tries the region while the others are still refused', async () => {
    const { call, client, clock, now } = await breaking()
    await call()
    clock.advance(500)
    expect(client.breaker.state).toBe('half_open')
    const asked = Promise.withResolvers<ServerResponse>()
    now.answer = (res) => asked.resolve(res)
    const probe = call()
    expect(await call()).toMatchObject({ reason: 'circuit_open' })
    const res = await asked.promise
    res.end()
    expect(await probe).toMatchObject({ kind: 'answered' })
    expect(client.breaker.state).toBe('closed')
  })

  it('opens again for as long when that call fails', async () => {
    const { call, client, clock, heal } = await breaking()
    await call()
    clock.advance(500)
    expect(await call()).toMatchObject({ reason: 'http_503' })
    clock.advance(499)
    expect(await call()).toMatchObject({ reason: 'circuit_open' })
    clock.advance(1)
    heal()
    expect(await call({ deadline: 9000 })).toMatchObject({ kind: 'answered' })
    expect(client.breaker.state).toBe('closed')
  })

  it('lets the next one try when that call left the queue, or could not be made', async () => {
    const { call, client, clock, heal, now } = await breaking({ maxConcurrency: 2, maxQueue: 1 })
    now.answer = (res, { url }) => void (url === '/hangs' || res.writeHead(503).end())
    void call({ target: '/hangs', priority: 'mailbox', deadline: 90_000 })
    await call()
    clock.advance(500)

    const waiting = call({ priority: 'mailbox', deadline: 1000 })
    expect(await call()).toMatchObject({ reason: 'circuit_open' })
    clock.advance(500)
    expect(await waiting).toMatchObject({ kind: 'timed_out', sent: false })

    const headers = () => {
      throw new Error('a bug')
    }
    await expect(call({ headers })).rejects.toThrow('a bug')
    expect(client.breaker.state).toBe('half_open')
    heal()
    expect(await call()).toMatchObject({ kind: 'answered' })
    expect(client.breaker.state).toBe('closed')
  })

  it('lets the next one try when there was no room for that call', async () => {
    const { call, client, clock, heal, now } = await breaking({ maxConcurrency: 2, maxQueue: 0 })
    now.answer = (res, { url }) => void (url === '/hangs' || res.writeHead(503).end())
    void call({ target: '/hangs', priority: 'mailbox', deadline: 90_000 })
    await call()
    clock.advance(500)
    expect(await call({ priority: 'mailbox' })).toMatchObject({ reason: 'queue_full' })
    heal()
    expect(await call()).toMatchObject({ kind: 'answered' })
    expect(client.breaker.state).toBe('closed')
  })

  it('heeds no call that was made before it opened', async () => {
    const { call, client, clock, fake, now } = await breaking()
    const old: ServerResponse[] = []
    now.answer = (res) => old.push(res)
    const before = call({ deadline: 9000 })
    await fake.nextRequest()
    now.answer = (res) => res.writeHead(503).end()
    await call()
    old[0]?.end()
    expect(await before).toMatchObject({ kind: 'answered' })
    expect(client.breaker.state).toBe('open')
    clock.advance(500)
    expect(client.breaker.state).toBe('half_open')
  })
})

describe('who waits for a region to come back', () => {
  const breaker = { failureRate: 1, minimumCalls: 1, windowMs: 1000, openMs: 500 }

  async function watched(entry: Partial<Region> = { breaker }, earlyMs = 0) {
    const now: { answer: Answer } = { answer: (res) => res.writeHead(503).end() }
    const fake = await region((res, request, req) => now.answer(res, request, req))
    const told: string[] = []
    const watch = {
      wants: true,
      wantsProbe: () => watch.wants,
      probeDue: () => void told.push(`probe due at ${all.clock.monotonic()}`),
      recovered: () => void told.push('recovered'),
    }
    const all = clientFor(fake.url, entry, { watch, earlyMs })
    return { ...all, fake, now, told, watch }
  }

  it('is told when to try, and again while it does not', async () => {
    const { call, clock, told } = await watched()
    await call()
    clock.advance(1500)
    expect(told).toEqual(['probe due at 500', 'probe due at 1000', 'probe due at 1500'])
  })

  it('is told no sooner than it would be let through, though timers run a little before their time', async () => {
    const { call, clock, told } = await watched({ breaker }, 0.75)
    await call()
    clock.advance(600)
    expect(told).toEqual(['probe due at 500'])
  })

  it('is told anew after each failed try', async () => {
    const { call, clock, told } = await watched()
    await call()
    clock.advance(700)
    await call({ priority: 'mailbox' })
    clock.advance(500)
    expect(told).toEqual(['probe due at 500', 'probe due at 1200'])
  })

  it('may try before anybody else does, for one more open_ms', async () => {
    const { call, clock, now } = await watched()
    await call()
    now.answer = (res) => res.end()
    clock.advance(999)
    expect(await call()).toMatchObject({ reason: 'circuit_open' })
    expect(await call({ priority: 'mailbox' })).toMatchObject({ kind: 'answered' })
    expect(await call()).toMatchObject({ kind: 'answered' })
  })

  it.each([
    ['when it has not tried by then', true, 1000],
    ['where it has nothing to send', false, 500],
  ])('keeps nobody else from trying %s', async (_, wants, ms) => {
    const { call, clock, now, watch } = await watched()
    watch.wants = wants
    await call()
    now.answer = (res) => res.end()
    clock.advance(ms)
    expect(await call()).toMatchObject({ kind: 'answered' })
  })

  it('is told once when the breaker closes, and to try no more', async () => {
    const { call, clock, now, told } = await watched()
    await call()
    now.answer = (res) => res.end()
    clock.advance(500)
    await call({ priority: 'mailbox' })
    await call()
    expect(told).toEqual(['probe due at 500', 'recovered'])
    expect(clock.pending()).toBe(0)
  })

  it('is told when a call is answered after one that did not get through, below the breaker', async () => {
    const { call, now, told } = await watched({})
    const reset: Answer = (res) => res.socket?.resetAndDestroy()
    for (const answer of [reset, reset]) {
      now.answer = answer
      await call()
    }
    now.answer = (res) => res.writeHead(503).end()
    await call()
    expect(told).toEqual([])
    now.answer = (res) => res.writeHead(404).end()
    await call()
    await call()
    expect(told).toEqual(['recovered'])
  })

  it('is told nothing where a region only answered with failures, below the breaker', async () => {
    const { call, now, told } = await watched({})
    await call()
    now.answer = (res) => res.end()
    await call()
    expect(told).toEqual([])
  })

  it('is told nothing of a call that was made before the breaker opened, and is answered after', async () => {
    const { call, client, fake, now, told } = await watched()
    const old: ServerResponse[] = []
    now.answer = (res) => old.push(res)
    const before = call()
    await fake.nextRequest()
    now.answer = (res) => res.socket?.resetAndDestroy()
    await call()
    old[0]?.end()
    expect(await before).toMatchObject({ kind: 'answered' })
    expect(client.breaker.state).toBe('open')
    expect(told).toEqual([])
  })

  it('is told nothing more of a client that is closed', async () => {
    const { call, client, clock, told } = await watched()
    await call()
    await client.close()
    expect(clock.pending()).toBe(0)
    clock.advance(1000)
    expect(told).toEqual([])
  })

  it('is told nothing of the calls that closing cut', async () => {
    const { call, client, clock, now, told } = await watched()
    const asked = Promise.withResolvers<void>()
    now.answer = () => asked.resolve()
    const cut = call()
    await asked.promise
    await client.close()
    expect(await cut).toMatchObject({ kind: 'failed' })
    expect(clock.pending()).toBe(0)
    clock.advance(1000)
    expect(told).toEqual([])
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
