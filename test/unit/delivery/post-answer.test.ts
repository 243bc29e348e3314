import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { createAnswerPoster } from '../../../src/delivery/post-answer.ts'
import { startFakeRegion, type Answer } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { freePort } from '../../support/ports.ts'

const opened: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close()
})

const message = { contentType: 'application/json; charset=utf-8', body: Buffer.from('{"text":"Grüße"}') }
const secret = '/commands/T1/1700/ThisIsTheSecret'

function poster() {
  const clock = createManualClock()
  const answers = createAnswerPoster({ clock })
  opened.push(() => answers.close())
  return {
    clock,
    post: (url: string, what = message) => answers.post(url, what),
    close: () => answers.close(),
  }
}

async function hears(answer?: Answer) {
  const there = await startFakeRegion(answer)
  opened.push(() => there.close())
  return { ...there, to: `${there.url}${secret}` }
}

/** A server below HTTP: `speak` gets each connection once its first bytes are here. */
async function rawServer(speak: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => speak(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

const silent: Answer = () => {}

describe('a post', () => {
  it('carries the message byte for byte to the path and query it is meant for', async () => {
    const there = await hears()
    expect(await poster().post(`${there.to}?a=%2F&b`)).toEqual({ kind: 'posted', status: 200 })
    expect(there.requests).toEqual([
      expect.objectContaining({ method: 'POST', url: `${secret}?a=%2F&b`, body: message.body }),
    ])
    expect(there.requests[0]?.headers).toMatchObject({
      'content-type': message.contentType,
      'content-length': String(message.body.length),
      host: `127.0.0.1:${there.port}`,
    })
  })

  it.for([200, 201, 204, 299])('answered %i is posted', async (status) => {
    const there = await hears((res) => res.writeHead(status).end())
    expect(await poster().post(there.to)).toEqual({ kind: 'posted', status })
  })

  it.for([300, 304, 400, 403, 404, 408, 410, 422, 499])('answered %i is refused', async (status) => {
    const there = await hears((res) => res.writeHead(status).end())
    expect(await poster().post(there.to)).toEqual({ kind: 'refused', status })
  })

  it.for([301, 302, 303, 307, 308])('answered %i follows it nowhere', async (status) => {
    const elsewhere = await hears()
    const there = await hears((res) => res.writeHead(status, { location: elsewhere.to }).end())
    expect(await poster().post(there.to)).toEqual({ kind: 'refused', status })
    expect([there.requests.length, elsewhere.requests.length]).toEqual([1, 0])
  })

  it.for([429, 500, 502, 503, 599])('answered %i was not heard', async (status) => {
    const there = await hears((res) => res.writeHead(status).end('a text with a secret'))
    expect(await poster().post(there.to)).toEqual({ kind: 'again', reason: `http_${status}` })
  })

  it('waits for the answer behind what comes before it', async () => {
    const there = await hears((res) => {
      res.writeEarlyHints({ link: '</a>; rel=preload' })
      res.writeHead(404).end()
    })
    expect(await poster().post(there.to)).toEqual({ kind: 'refused', status: 404 })
  })

  it.for(['', 'hooks', '/hooks', 'ftp://127.0.0.1/', 'data:,x', 'http://'])(
    'to %j, which is no URL to post to, is refused',
    async (url) => {
      expect(await poster().post(url)).toEqual({ kind: 'refused', status: undefined })
    },
  )

  it('uses a connection of its own, which nobody else is about to close', async () => {
    const there = await hears()
    const { post } = poster()
    const ports = new Set<number | undefined>()
    const noting = await hears((res, _, req) => {
      ports.add(req.socket.remotePort)
      res.end()
    })
    for (let i = 0; i < 3; i++) await post(noting.to)
    expect(ports.size).toBe(3)
    await post(there.to)
    expect(there.requests[0]?.headers).toMatchObject({ connection: 'close' })
  })
})

describe('how long to leave alone whoever answered', () => {
  const now = createManualClock().now()
  const date = (ms: number) => new Date(now + ms).toUTCString()

  it.for([
    ['0', 0],
    ['30', 30_000],
    ['999999999', 999_999_999_000],
    [date(90_000), 90_000],
    [date(-90_000), 0],
  ] as const)('Retry-After: %s is %i ms', async ([text, retryAfterMs]) => {
    for (const status of [429, 503]) {
      const there = await hears((res) => res.writeHead(status, { 'retry-after': text }).end())
      expect(await poster().post(there.to)).toEqual({ kind: 'again', reason: `http_${status}`, retryAfterMs })
    }
  })

  it.for([
    '',
    '-1',
    '1.5',
    '1e3',
    '0x10',
    ' ',
    'soon',
    '30 seconds',
    '9999999999',
    'Mon, 99 Foo 2026 00:00:00 GMT',
    '2026-01-01',
  ])('Retry-After: %j says nothing', async (text) => {
    const there = await hears((res) => res.writeHead(429, { 'retry-after': text }).end())
    expect(await poster().post(there.to)).toEqual({ kind: 'again', reason: 'http_429' })
  })

  it('twice counts once', async () => {
    const there = await hears((res) => res.writeHead(429, ['retry-after', '1', 'retry-after', '2']).end())
    expect(await poster().post(there.to)).toEqual({ kind: 'again', reason: 'http_429', retryAfterMs: 1000 })
  })
})

describe('a post that never had a connection was not heard', () => {
  it('refused', async () => {
    const to = `http://127.0.0.1:${await freePort()}${secret}`
    expect(await poster().post(to)).toEqual({ kind: 'again', reason: 'ECONNREFUSED' })
  })

  it('a name that does not resolve', async () => {
    expect(await poster().post(`http://nowhere.invalid${secret}`)).toMatchObject({ kind: 'again' })
  })

  it('a TLS handshake that fails', async () => {
    const there = await hears()
    expect(await poster().post(there.to.replace('http:', 'https:'))).toMatchObject({ kind: 'again' })
    expect(there.requests).toEqual([])
  })

  it('a TLS handshake that hangs for 5 s', async () => {
    let reached = (): void => {}
    const handshake = new Promise<void>((resolve) => (reached = resolve))
    const { post, clock } = poster()
    const result = post(`https://127.0.0.1:${await rawServer(() => reached())}${secret}`)
    await handshake
    clock.advance(5000)
    expect(await result).toEqual({ kind: 'again', reason: 'connect_timeout' })
  })

  it('one that waited 5 s for others, and it is not sent afterwards either', async () => {
    const there = await hears((res, { url }) => (url === '/last' ? res.end() : undefined))
    const { post, clock } = poster()
    const hanging = Array.from({ length: 128 }, () => post(there.to))
    for (const _ of hanging) await there.nextRequest()
    const waiting = post(`${there.url}/waiting`)
    // Whoever had been let through would have come before this one.
    await poster().post(`${there.url}/last`)
    expect(there.requests).toHaveLength(129)
    clock.advance(5000)
    expect(await waiting).toEqual({ kind: 'again', reason: 'connect_timeout' })
    expect(new Set((await Promise.all(hanging)).map(({ kind }) => kind))).toEqual(new Set(['unknown']))
    expect(await post(`${there.url}/last`)).toEqual({ kind: 'posted', status: 200 })
    expect(there.requests.map(({ url }) => url)).not.toContain('/waiting')
  })
})

describe('a post that was sent and not answered may have been heard', () => {
  it('no answer in 5 s', async () => {
    const there = await hears(silent)
    const { post, clock } = poster()
    const result = post(there.to)
    await there.nextRequest()
    clock.advance(4999)
    expect(clock.pending()).toBe(1)
    clock.advance(1)
    expect(await result).toEqual({ kind: 'unknown', reason: 'timeout' })
  })

  it('the connection reset', async () => {
    const there = await hears((res) => res.destroy())
    expect(await poster().post(there.to)).toMatchObject({ kind: 'unknown' })
  })

  it('half an answer', async () => {
    const port = await rawServer((socket) => socket.end('HTTP/1.1 20'))
    expect(await poster().post(`http://127.0.0.1:${port}${secret}`)).toMatchObject({ kind: 'unknown' })
  })

  it('an answer that is not HTTP', async () => {
    const port = await rawServer((socket) => socket.end('220 mail.example.com ESMTP\r\n'))
    expect(await poster().post(`http://127.0.0.1:${port}${secret}`)).toMatchObject({ kind: 'unknown' })
  })

  it('the poster closed meanwhile', async () => {
    const there = await hears(silent)
    const { post, close } = poster()
    const result = post(there.to)
    await there.nextRequest()
    await close()
    expect(await result).toMatchObject({ kind: 'unknown' })
  })
})

describe('the body of an answer', () => {
  const closed = (socket: Socket) => new Promise<void>((resolve) => socket.on('close', () => resolve()))

  it('is not waited for, and read for 5 s at most', async () => {
    let ended: Promise<void> | undefined
    const there = await hears((res, _, req) => {
      ended = closed(req.socket)
      res.writeHead(200).write('o')
    })
    const { post, clock } = poster()
    expect(await post(there.to)).toEqual({ kind: 'posted', status: 200 })
    clock.advance(5000)
    await ended
    expect(clock.pending()).toBe(0)
  })

  it('is read to 64 KiB at most', async () => {
    let ended: Promise<void> | undefined
    const there = await hears((res, _, req) => {
      ended = closed(req.socket)
      res.writeHead(200).write(Buffer.alloc(65_537))
    })
    expect(await poster().post(there.to)).toEqual({ kind: 'posted', status: 200 })
    await ended
  })

  it('of 64 KiB is read to its end', async () => {
    let finished: Promise<boolean> | undefined
    const there = await hears((res) => {
      finished = new Promise((resolve) => res.on('close', () => resolve(res.writableFinished)))
      res.writeHead(200).end(Buffer.alloc(65_536))
    })
    expect(await poster().post(there.to)).toEqual({ kind: 'posted', status: 200 })
    expect(await finished).toBe(true)
  })

  it('that breaks off changes nothing', async () => {
    const there = await hears((res) => {
      res.writeHead(500, { 'content-length': '10' })
      res.write('a', () => res.destroy())
    })
    expect(await poster().post(there.to)).toEqual({ kind: 'again', reason: 'http_500' })
  })
})

it('leaves no timer behind, and names the URL in no reason', async () => {
  const port = await freePort()
  const answers = ['200', '302', '503'].map(
    (status): Answer =>
      (res) =>
        res.writeHead(Number(status)).end(),
  )
  const servers = await Promise.all([...answers, (res: { destroy(): void }) => res.destroy()].map((one) => hears(one)))
  const { post, clock, close } = poster()
  const urls = [...servers.map(({ to }) => to), `http://127.0.0.1:${port}${secret}`, `http://nowhere.invalid${secret}`]
  const results = await Promise.all(urls.map((url) => post(url)))
  await close()
  results.push(await post(urls[0] ?? ''))
  expect(results.at(-1)).toMatchObject({ kind: 'again' })
  expect(JSON.stringify(results)).not.toMatch(/ThisIsTheSecret|127\.0\.0\.1|nowhere/)
  expect(clock.pending()).toBe(0)
})
