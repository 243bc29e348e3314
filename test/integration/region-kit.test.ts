import { createHmac } from 'node:crypto'
import { createServer, request as send, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { App, ExpressReceiver, HTTPReceiver } from '@slack/bolt'
import express, { json, raw, text, urlencoded } from 'express'
import { afterEach, describe, expect, it } from 'vitest'
import { regionMiddleware, type ForwardedRequest } from '../../src/region-kit/index.ts'
import { forwarded, keys, sentAt, type Forwarded } from '../unit/region-kit/forwarded-request.ts'

const options = { keys, region: 'eu', now: sentAt }
const url = '/slack/events?a=1'
const body = Buffer.from('{"type":"event_callback","text":"grüße"}')

const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  }
})

async function listening(handler: RequestListener): Promise<number> {
  const server = createServer(handler)
  servers.push(server)
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server listens on no port')
  return address.port
}

interface Answer {
  status: number
  type: string | undefined
  connection: string | undefined
  body: string
}

/** Sends a request byte for byte. `headers` as a flat list keeps repeated ones; `ends: false` never finishes the body. */
function answerTo(
  port: number,
  request: Omit<Forwarded, 'headers'> & { headers: Record<string, string> | string[] },
  { ends = true } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = Array.isArray(request.headers) ? request.headers : Object.entries(request.headers).flat()
    const outgoing = send(
      {
        host: '127.0.0.1',
        port,
        method: request.method,
        path: request.url,
        headers: ['Host', `127.0.0.1:${port}`, 'Connection', 'keep-alive', ...headers],
        agent: false,
      },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('end', () => {
          resolve({
            status: incoming.statusCode ?? 0,
            type: incoming.headers['content-type'],
            connection: incoming.headers.connection,
            body: Buffer.concat(chunks).toString(),
          })
          outgoing.destroy()
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.flushHeaders()
    if (ends) outgoing.end(request.body)
    else if (request.body.length > 0) outgoing.write(request.body)
  })
}

/** With the headers a body needs on the wire. */
function overHttp(request: Forwarded, type = 'application/json'): Forwarded {
  const headers = { ...request.headers, 'content-type': type, 'content-length': String(request.body.length) }
  return { ...request, headers }
}

function isForwarded(req: IncomingMessage): req is ForwardedRequest {
  return 'silo' in req
}

const echo: RequestListener = (req, res) => {
  if (!isForwarded(req)) throw new Error('There is no record on the request')
  const { silo, body: seen, rawBody } = req
  res.setHeader('Content-Type', 'application/json')
  res.end(JSON.stringify({ silo, body: seen.toString(), same: seen === rawBody }))
}

/** A bare node:http server behind the middleware; an error is shown as 500 with its message. */
function bare(given: Partial<Parameters<typeof regionMiddleware>[0]> = {}): Promise<number> {
  const guard = regionMiddleware({ ...options, ...given })
  return listening((req, res) =>
    guard(req, res, (error) => {
      if (error === undefined) echo(req, res)
      else res.writeHead(500).end(error instanceof Error ? error.message : 'not an error')
    }),
  )
}

function expressApp(...before: express.RequestHandler[]): Promise<number> {
  const app = express()
  for (const handler of before) app.use(handler)
  app.use(regionMiddleware(options))
  app.use(echo)
  const showError: express.ErrorRequestHandler = (error, _req, res, _next) => {
    res.status(500).send(String(error))
  }
  app.use(showError)
  return listening(app)
}

const record = {
  delivery: '01JABCDEFGHJKMNPQRSTVWXYZ0',
  integration: '1',
  organizations: ['10', '11'],
  attempt: 1,
  deadline: 2400,
  receivedAt: sentAt - 100,
}

describe.each([
  ['a bare node:http server', () => bare()],
  ['an Express app', () => expressApp()],
])('regionMiddleware in %s', (_, start) => {
  it('lets a forwarded request through with its record and its bytes', async () => {
    const answer = await answerTo(await start(), overHttp(forwarded({ url, body })))
    expect(answer.status).toBe(200)
    expect(JSON.parse(answer.body)).toEqual({ silo: record, body: body.toString(), same: true })
  })

  it('lets one without a body through', async () => {
    const page = forwarded({ method: 'GET', url: '/extensions/slack/link-team/x/', body: Buffer.alloc(0) })
    expect(await answerTo(await start(), page)).toMatchObject({ status: 200 })
  })

  it('answers 401 to anybody else', async () => {
    const answer = await answerTo(await start(), overHttp({ ...forwarded({ url, body }), headers: {} }))
    expect(answer).toMatchObject({ status: 401, type: 'application/problem+json' })
    expect(JSON.parse(answer.body)).toEqual({
      type: 'about:blank',
      title: 'The request carries no signature of the gateway',
      status: 401,
      code: 'signature_missing',
    })
  })

  it.each([
    ['a changed body', { body: Buffer.from(body.toString().replace('grüße', 'grüsse')) }, 'digest_mismatch'],
    ['a changed path', { url: '/slack/event?a=1' }, 'signature_invalid'],
    ['a changed query', { url: '/slack/events?a=2' }, 'signature_invalid'],
  ])('answers 401 to %s', async (_change, change, code) => {
    const answer = await answerTo(await start(), overHttp({ ...forwarded({ url, body }), ...change }))
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([401, code])
  })

  it('answers 401 to a header that was sent twice', async () => {
    const request = overHttp(forwarded({ url, body }))
    const headers = [...Object.entries(request.headers).flat(), 'Silo-Region', 'eu']
    const answer = await answerTo(await start(), { ...request, headers })
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([401, 'signature_malformed'])
  })

  it('answers 401 to a replay without being told to remember', async () => {
    const port = await start()
    const request = overHttp(forwarded({ url, body }))
    expect(await answerTo(port, request)).toMatchObject({ status: 200 })
    const again = await answerTo(port, request)
    expect([again.status, JSON.parse(again.body).code]).toEqual([401, 'replayed'])
  })
})

describe('the limit on bodies', () => {
  it('lets a body of just that length through', async () => {
    expect(await answerTo(await bare({ maxBodyBytes: body.length }), overHttp(forwarded({ url, body })))).toMatchObject(
      {
        status: 200,
      },
    )
  })

  it('refuses a longer one by its announced length, before it comes', async () => {
    const request = { ...overHttp(forwarded({ url, body })), body: Buffer.alloc(0) }
    const answer = await answerTo(await bare({ maxBodyBytes: body.length - 1 }), request, { ends: false })
    expect(answer).toMatchObject({ status: 413, connection: 'close', type: 'application/problem+json' })
    expect(JSON.parse(answer.body).code).toBe('body_too_large')
  })

  it('refuses a longer one that does not announce its length, without waiting for its end', async () => {
    const request = forwarded({ url, body })
    const headers = { ...request.headers, 'transfer-encoding': 'chunked' }
    const answer = await answerTo(
      await bare({ maxBodyBytes: body.length - 1 }),
      { ...request, headers },
      { ends: false },
    )
    expect(answer.status).toBe(413)
  })
})

describe('body parsers behind it', () => {
  // Those of Express 4 go by this mark and fail on a stream that has ended; those of Express 5 see that it has.
  it('are told that there is nothing left to read, so that req.body stays the bytes', async () => {
    const app = express().use(regionMiddleware(options), json(), (req, res) => {
      res.json({ marked: Reflect.get(req, '_body'), bytes: Buffer.isBuffer(req.body) })
    })
    const answer = await answerTo(await listening(app), overHttp(forwarded({ url, body }), 'application/json'))
    expect(JSON.parse(answer.body)).toEqual({ marked: true, bytes: true })
  })
})

describe('a body that was read before', () => {
  it.each([
    ['express.json()', json(), 'application/json', body],
    ['express.urlencoded()', urlencoded(), 'application/x-www-form-urlencoded', Buffer.from('payload=1')],
    ['express.text()', text(), 'text/plain', Buffer.from('text')],
  ])('by %s is an error that says why', async (_, parser, type, bytes) => {
    const answer = await answerTo(await expressApp(parser), overHttp(forwarded({ url, body: bytes }), type))
    expect(answer.status).toBe(500)
    expect(answer.body).toContain('Put regionMiddleware before express.json()')
  })

  it('by raw() is used', async () => {
    const port = await expressApp(raw({ type: () => true }))
    expect(await answerTo(port, overHttp(forwarded({ url, body })))).toMatchObject({ status: 200 })
  })

  it('by a parser that keeps the bytes as rawBody is used', async () => {
    const verify = (req: object, _res: unknown, bytes: Buffer) => Object.assign(req, { rawBody: bytes })
    const port = await expressApp(json({ verify }))
    expect(await answerTo(port, overHttp(forwarded({ url, body })))).toMatchObject({ status: 200 })
  })

  it('by a parser for another content type was not read', async () => {
    const port = await expressApp(json())
    const form = forwarded({ url, body: Buffer.from('payload=1') })
    expect(await answerTo(port, overHttp(form, 'application/x-www-form-urlencoded'))).toMatchObject({ status: 200 })
  })
})

describe('the way it is put in', () => {
  it('may be mounted under a path, in Express and by hand', async () => {
    const app = express().use('/silo/eu', regionMiddleware(options), echo)
    const port = await listening(app)
    expect(await answerTo(port, overHttp(forwarded({ url: '/silo/eu/slack/events', body })))).toMatchObject({
      status: 200,
    })

    const guard = regionMiddleware(options)
    const mounted = await listening((req, res) => {
      Object.assign(req, { originalUrl: req.url, url: '/slack/events' })
      guard(req, res, () => echo(req, res))
    })
    expect(await answerTo(mounted, overHttp(forwarded({ url: '/silo/eu/slack/events', body })))).toMatchObject({
      status: 200,
    })
  })

  it('hands on what goes wrong in a store of nonces', async () => {
    const seen = {
      has: () => {
        throw new Error('the store is away')
      },
      add: () => undefined,
    }
    const answer = await answerTo(await bare({ seen }), overHttp(forwarded({ url, body })))
    expect(answer).toMatchObject({ status: 500, body: 'the store is away' })
  })

  it('hands on that the caller went away in the middle of the body', async () => {
    const guard = regionMiddleware(options)
    const { promise: handedOn, resolve: handOn } = Promise.withResolvers<unknown>()
    const port = await listening((req, res) => {
      guard(req, res, handOn)
      caller.destroy()
    })
    const caller = send({ host: '127.0.0.1', port, method: 'POST', headers: { 'content-length': 9 }, agent: false })
    caller.on('error', () => undefined).write('half')
    expect(await handedOn).toBeInstanceOf(Error)
  })

  it('refuses options that cannot be used where it is made, not at the first request', () => {
    expect(() => regionMiddleware({ ...options, keys: { eu: '' } })).toThrow(TypeError)
  })
})

describe('Slack Bolt behind it', () => {
  const signingSecret = 'the secret of the app'
  const event = Buffer.from(
    JSON.stringify({
      type: 'event_callback',
      team_id: 'T1',
      event: { type: 'app_mention', user: 'U1', text: 'grüße', ts: '1.2', channel: 'C1' },
      authorizations: [{ team_id: 'T1', user_id: 'U0', is_bot: true }],
    }),
  )

  /** The same forwarded event, as Slack has signed it. Bolt takes the time from the system. */
  function slackEvent(): Forwarded {
    const request = overHttp(forwarded({ url: '/slack/events', body: event }))
    const timestamp = String(Math.floor(Date.now() / 1000))
    const mac = createHmac('sha256', signingSecret).update(`v0:${timestamp}:`).update(event).digest('hex')
    const slack = { 'x-slack-request-timestamp': timestamp, 'x-slack-signature': `v0=${mac}` }
    return { ...request, headers: { ...request.headers, ...slack } }
  }

  function listeningApp(receiver: ExpressReceiver | HTTPReceiver): string[] {
    const heard: string[] = []
    const app = new App({ receiver, authorize: async () => ({ botToken: 'xoxb-none', botId: 'B0', botUserId: 'U0' }) })
    app.event('app_mention', async ({ event: mention }) => {
      heard.push(mention.text)
    })
    return heard
  }

  it('works with an ExpressReceiver', async () => {
    const app = express()
    app.use(regionMiddleware(options))
    const heard = listeningApp(new ExpressReceiver({ app, signingSecret }))
    expect(await answerTo(await listening(app), slackEvent())).toMatchObject({ status: 200 })
    expect(heard).toEqual(['grüße'])
  })

  it('works with an HTTPReceiver', async () => {
    const receiver = new HTTPReceiver({ signingSecret })
    const heard = listeningApp(receiver)
    const guard = regionMiddleware(options)
    const port = await listening((req, res) => guard(req, res, () => receiver.requestListener(req, res)))
    expect(await answerTo(port, slackEvent())).toMatchObject({ status: 200 })
    expect(heard).toEqual(['grüße'])
  })
})
