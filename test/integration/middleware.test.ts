import type { IncomingMessage, ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import express, { json, raw, urlencoded, type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import supertest from 'supertest'
import { afterEach, describe, expect, expectTypeOf, it } from 'vitest'
import {
  createGateway,
  gatewayMiddleware,
  SiloClientError,
  type Gateway,
  type MiddlewareOptions,
} from '../../src/index.ts'
import { startFakeRegion, type Answer, type FakeRegion } from '../support/fake-region.ts'
import { PAGE_SECRET, signToken } from '../support/page-token.ts'
import { blockActions, eventCallback, slashCommand, viewSubmission, type SlackBody } from '../support/slack-payloads.ts'
import { signSlack } from '../support/slack-signer.ts'
import { ACTION, COMMANDS, EVENT, SINGLE, webhookPaths } from '../support/slack-surfaces.ts'
import { SIGNING_SECRET, startTestGateway, workspace, type TestGateway } from '../support/test-gateway.ts'

interface Host {
  readonly app: Express
  readonly region: FakeRegion
  /** What the host's own error handler was given. */
  readonly errors: unknown[]
  readonly inside: TestGateway
}

let opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.toReversed()) await one.close()
  opened = []
})

/** A foreign control app: whatever it has `before`, the gateway, then routes of its own. */
async function hostApp(
  options: {
    before?: readonly RequestHandler[]
    answer?: Answer
    env?: Record<string, string>
    slack?: Record<string, unknown>
    middleware?: MiddlewareOptions
    /** Where the gateway is mounted. */
    at?: string
  } = {},
): Promise<Host> {
  const { before = [], answer = (res) => res.end('from the region'), env, slack: rules, middleware, at = '/' } = options
  const region = await startFakeRegion(answer)
  const inside = await startTestGateway({
    regions: [{ name: 'us', address: region.url }],
    directory: workspace({ acme: 'us' }),
    ...(rules && { slack: rules }),
    env: { PAGE_SIGNING_SECRET: PAGE_SECRET, ...env },
  })
  opened.push(region, inside)

  const errors: unknown[] = []
  const app = express()
  for (const handler of before) app.use(handler)
  app.use(at, gatewayMiddleware(inside.gateway, middleware))
  app.get('/', (_req, res) => void res.send('the host'))
  app.post('/orders', json(), (req, res) => void res.json({ ordered: req.body as unknown }))
  app.all('/extensions/slack/link-identity/:token', (_req, res) => void res.send("the host's own identity page"))
  app.use((req, res) => void res.status(404).send(`the host has no ${req.path}`))
  const onError: ErrorRequestHandler = (error: unknown, _req, res, _next) => {
    errors.push(error)
    res.status(500).send('the host handled it')
  }
  app.use(onError)
  return { app, region, errors, inside }
}

function slack({ app }: Host, path: string, { body, contentType }: SlackBody, secret = SIGNING_SECRET) {
  return supertest(app)
    .post(path)
    .set('Content-Type', contentType)
    .set(signSlack({ secret, body, now: Date.now() }))
    .send(body)
}

const token = () => signToken({ exp: Math.floor(Date.now() / 1000) + 60, integration_id: 1, slack_user_id: 'U1' })

describe('gatewayMiddleware in an Express 5 app', () => {
  it.each([
    [COMMANDS, slashCommand()],
    [ACTION, blockActions()],
    [SINGLE, viewSubmission()],
  ])('takes webhooks at %s to their region, body and query untouched', async (path, body) => {
    const host = await hostApp()
    const reply = await slack(host, `${path}?a=1&b=%2F`, body)
    expect([reply.status, reply.text]).toEqual([200, 'from the region'])
    const [request] = host.region.requests
    expect([request?.url, request?.body.toString()]).toEqual([`${path}?a=1&b=%2F`, body.body])
  })

  it('answers an event itself', async () => {
    const reply = await slack(await hostApp(), EVENT, eventCallback())
    expect([reply.status, reply.text]).toEqual([200, ''])
  })

  it('refuses what is not signed', async () => {
    const host = await hostApp()
    const reply = await slack(host, EVENT, eventCallback(), 'a guessed secret')
    expect([reply.status, reply.body]).toMatchObject([401, { code: 'invalid_signature' }])
    expect([host.region.requests, host.errors]).toEqual([[], []])
  })

  it.each(webhookPaths)('answers another method at %s itself, a request without a body too', async (path) => {
    const reply = await supertest((await hostApp()).app).get(path)
    expect([reply.status, reply.headers['allow']]).toEqual([405, 'POST'])
  })

  it('takes the team pages to their region', async () => {
    const reply = await supertest((await hostApp()).app).get(`/extensions/slack/link-team/${token()}/`)
    expect([reply.status, reply.text]).toEqual([200, 'from the region'])
  })

  it.each(['GET', 'POST'])('leaves the identity pages to the host (%s)', async (method) => {
    const { app } = await hostApp({ env: { TRUSTED_PROXIES: '127.0.0.1' } })
    const path = `/extensions/slack/link-identity/${token()}`
    const reply = await (method === 'GET' ? supertest(app).get(path) : supertest(app).post(path).send('a=b'))
    expect([reply.status, reply.text]).toEqual([200, "the host's own identity page"])
  })

  it('leaves every other path to the host, whose routes and parsers see what they would without it', async () => {
    const { app } = await hostApp()
    expect((await supertest(app).get('/')).text).toBe('the host')
    expect((await supertest(app).post('/orders').send({ id: 1 })).body).toEqual({ ordered: { id: 1 } })
    for (const path of ['/slack/eventss', '/SLACK/events', '/extensions/slack/', '/extensions/slack/event/more']) {
      const reply = await supertest(app).post(path).send({})
      expect([reply.status, reply.text]).toEqual([404, `the host has no ${path}`])
    }
  })

  it('leaves the page paths to the host without PAGE_SIGNING_SECRET', async () => {
    const region = await startFakeRegion()
    const inside = await startTestGateway({ regions: [{ name: 'us', address: region.url }] })
    opened.push(region, inside)
    const app = express().use(gatewayMiddleware(inside.gateway))
    app.use((_req, res) => void res.status(404).send('the host has no such page'))
    const reply = await supertest(app).get(`/extensions/slack/link-team/${token()}`)
    expect([reply.status, reply.text]).toEqual([404, 'the host has no such page'])
  })

  it.each(['REGION', 'MONOLITH'])('passes everything on where SILO_MODE is %s', async (mode) => {
    // Nothing else is set: a region holds no secret of the control silo, and no regions file.
    const gateway = await createGateway({ env: { SILO_MODE: mode } })
    const app = express().use(gatewayMiddleware(gateway), (req, res) => void res.status(404).send(`no ${req.path}`))
    for (const path of [...webhookPaths, `/extensions/slack/link-team/${token()}`]) {
      const { contentType, body } = eventCallback()
      const reply = await supertest(app).post(path).set('Content-Type', contentType).send(body)
      expect([reply.status, reply.text]).toEqual([404, `no ${path}`])
    }
    expect([await gateway.ready(), gateway.reload()]).toEqual([true, []])
    gateway.startDraining()
    await gateway.close()
  })

  it('is refused a SILO_MODE that there is not', async () => {
    await expect(createGateway({ env: { SILO_MODE: 'control' } })).rejects.toMatchObject({
      name: 'ConfigurationError',
      faults: ['SILO_MODE must be one of CONTROL, REGION, MONOLITH'],
    })
  })
})

it('users of the package see of a gateway what the README tells of it, and nothing of the inside', () => {
  expectTypeOf<keyof Gateway>().toEqualTypeOf<'ready' | 'reload' | 'startDraining' | 'close'>()
})

describe('mounted under a path of the host', () => {
  it('takes the paths below it, and the region gets path and query as Slack sent them', async () => {
    const host = await hostApp({ at: '/control' })
    const reply = await slack(host, `/control${COMMANDS}?a=1&b=%2F`, slashCommand())
    expect([reply.status, reply.text]).toEqual([200, 'from the region'])
    expect(host.region.requests[0]?.url).toBe(`/control${COMMANDS}?a=1&b=%2F`)
    expect((await slack(host, COMMANDS, slashCommand())).text).toBe(`the host has no ${COMMANDS}`)
  })
})

describe('once the gateway is closed', () => {
  it('its doors answer 503 and close the connection; the host goes on', async () => {
    const { app, region, errors, inside } = await hostApp({ middleware: { errors: 'next' } })
    await inside.gateway.close()
    const host = { app, region, errors, inside }
    for (const path of webhookPaths) {
      const reply = await slack(host, path, slashCommand())
      expect([reply.status, reply.body]).toMatchObject([503, { code: 'shutting_down' }])
      expect(reply.headers).toMatchObject({ connection: 'close', 'content-type': 'application/problem+json' })
      expect(reply.headers['x-request-id']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
    }
    expect((await supertest(app).get('/')).text).toBe('the host')
    expect([region.requests, errors]).toEqual([[], []])
    await expect(inside.gateway.close()).resolves.toBeUndefined()
  })

  it('what was under way has been answered, and what came while it closed was not let in', async () => {
    const held: ServerResponse[] = []
    const host = await hostApp({ answer: (res) => held.push(res) })
    const first = slack(host, COMMANDS, slashCommand()).then((reply) => reply)
    await host.region.nextRequest()
    const closed = host.inside.gateway.close()
    expect((await slack(host, COMMANDS, slashCommand())).status).toBe(503)
    held[0]?.end('in time')
    expect((await first).text).toBe('in time')
    await closed
    await expect.poll(() => host.region.connections()).toBe(0)
  })
})

describe('an answer that cannot be written', () => {
  it('is a 500 where nothing was written yet, and logged', async () => {
    const patched: RequestHandler = (_req, res, next) => {
      const writeHead = res.writeHead.bind(res)
      res.writeHead = () => {
        res.writeHead = writeHead
        res.setHeader('Content-Encoding', 'gzip')
        throw new Error("a patch of the host's failed")
      }
      next()
    }
    const host = await hostApp({ before: [patched] })
    const reply = await slack(host, COMMANDS, slashCommand())
    expect([reply.status, reply.body]).toMatchObject([500, { code: 'internal_error' }])
    expect(reply.headers).not.toHaveProperty('content-encoding')
    expect(host.inside.logs).toContainEqual(
      expect.objectContaining({
        level: 'error',
        message: 'webhook',
        fields: expect.objectContaining({ status: 500, code: 'internal_error', err: expect.any(Error) }),
      }),
    )
  })

  it('ends the connection where something was written already', async () => {
    const hasty: RequestHandler = (_req, res, next) => {
      res.write('too soon')
      next()
    }
    const host = await hostApp({ before: [hasty] })
    await expect(slack(host, COMMANDS, slashCommand())).rejects.toMatchObject({ code: 'ECONNRESET' })
    await expect
      .poll(() => host.inside.logs)
      .toContainEqual(expect.objectContaining({ level: 'error', message: 'webhook' }))
  })
})

describe('behind what the host has already done', () => {
  it.each<[string, RequestHandler, string, SlackBody]>([
    ['express.json()', json(), EVENT, eventCallback()],
    ['express.json()', json(), SINGLE, eventCallback()],
    ['express.urlencoded()', urlencoded(), COMMANDS, slashCommand()],
    ['express.urlencoded()', urlencoded(), ACTION, blockActions()],
  ])('%s: 500 that says why raw bytes are needed, never a 401 (%#)', async (_, parser, path, body) => {
    const host = await hostApp({ before: [parser] })
    const reply = await slack(host, path, body)
    expect([reply.status, reply.headers['content-type']]).toEqual([500, 'application/problem+json'])
    expect(reply.body).toMatchObject({ code: 'raw_body_consumed', status: 500 })
    expect(reply.body).toHaveProperty('detail', expect.stringMatching(/raw bytes.*before express\.json\(\)/))
    expect(host.region.requests).toEqual([])
  })

  it('a request that was told to decode its body: the same, however its bytes came', async () => {
    const decoding: RequestHandler = async (req, _res, next) => {
      req.setEncoding('utf8')
      await setImmediate()
      next()
    }
    const reply = await slack(await hostApp({ before: [decoding] }), COMMANDS, slashCommand())
    expect(reply.status).toBe(500)
    expect(reply.body).toMatchObject({ code: 'raw_body_consumed' })
  })

  it.each([
    ['waits until all of a body is there', false],
    ['listens to a body that is there', true],
  ])('a host that %s takes nothing of it away, however many pieces have come', async (_, listens) => {
    let heard = ''
    const waiting: RequestHandler = async (req, _res, next) => {
      while (!req.complete) await setImmediate()
      if (listens) req.on('data', (bytes: Buffer) => void (heard += bytes.toString()))
      next()
    }
    const host = await hostApp({ before: [waiting] })
    const { body, contentType } = slashCommand()
    const request = slack(host, COMMANDS, { body: '', contentType })
    request.set(signSlack({ secret: SIGNING_SECRET, body, now: Date.now() }))
    for (const piece of [body.slice(0, 9), body.slice(9)]) request.write(piece)
    expect((await request).text).toBe('from the region')
    expect(host.region.requests.map((forwarded) => forwarded.body.toString())).toEqual([body])
    expect(heard).toBe(listens ? body : '')
  })

  it('a body that has come in pieces is held to MAX_BODY_BYTES as well', async () => {
    const waiting: RequestHandler = async (req, _res, next) => {
      while (!req.complete) await setImmediate()
      next()
    }
    const host = await hostApp({ before: [waiting], env: { MAX_BODY_BYTES: '100' } })
    const { body, contentType } = slashCommand()
    const request = slack(host, COMMANDS, { body: '', contentType })
    for (const piece of [body.slice(0, 99), body.slice(99)]) request.write(piece)
    expect((await request).status).toBe(413)
  })

  it('parsers that leave a body of another type alone do no harm', async () => {
    const host = await hostApp({ before: [json()] })
    expect((await slack(host, COMMANDS, slashCommand())).text).toBe('from the region')
  })

  it('parsers do not touch a request without a body', async () => {
    const { app } = await hostApp({ before: [json(), urlencoded()] })
    expect((await supertest(app).get(`/extensions/slack/link-team/${token()}`)).text).toBe('from the region')
    expect((await supertest(app).get(EVENT)).status).toBe(405)
  })

  it.each<[string, readonly RequestHandler[]]>([
    ['express.raw()', [raw({ type: '*/*' })]],
    [
      'express.json() and express.urlencoded() that keep req.rawBody',
      [json({ verify: keepRawBody }), urlencoded({ verify: keepRawBody })],
    ],
  ])('%s leaves the bytes, and that is enough', async (_, before) => {
    const host = await hostApp({ before })
    for (const [path, body] of [
      [EVENT, eventCallback()],
      [COMMANDS, slashCommand()],
      [ACTION, viewSubmission()],
    ] as const) {
      expect((await slack(host, path, body)).status).toBe(200)
      expect(host.region.requests.at(-1)?.body.toString()).toBe(body.body)
      expect((await slack(host, path, body, 'a guessed secret')).status).toBe(401)
    }
  })

  it('kept bytes are held to MAX_BODY_BYTES as well', async () => {
    const host = await hostApp({ before: [raw({ type: '*/*' })], env: { MAX_BODY_BYTES: '100' } })
    expect((await slack(host, EVENT, eventCallback())).status).toBe(413)
  })

  it("headers that the host has set stay, the region's win where both say something", async () => {
    const hardening: RequestHandler = (_req, res, next) => {
      res.setHeader('X-Frame-Options', 'SAMEORIGIN')
      res.setHeader('Strict-Transport-Security', 'max-age=31536000')
      res.setHeader('Set-Cookie', 'host=1')
      next()
    }
    const answer: Answer = (res) => {
      res.writeHead(200, { 'X-Frame-Options': 'DENY', 'Set-Cookie': ['a=1', 'b=2'] }).end('<p>page</p>')
    }
    const host = await hostApp({ before: [hardening], answer })
    const page = await supertest(host.app).get(`/extensions/slack/link-team/${token()}`)
    expect([page.status, page.text]).toEqual([200, '<p>page</p>'])
    expect(page.headers).toMatchObject({
      'x-frame-options': 'DENY',
      'strict-transport-security': 'max-age=31536000',
      'set-cookie': ['a=1', 'b=2'],
    })
    const webhook = await slack(host, COMMANDS, slashCommand())
    expect([webhook.status, webhook.headers['strict-transport-security']]).toEqual([200, 'max-age=31536000'])
  })

  function keepRawBody(req: IncomingMessage & { rawBody?: Buffer }, _res: unknown, bytes: Buffer): void {
    req.rawBody = bytes
  }
})

describe('when no region could answer', () => {
  const failing: Answer = (res) => res.writeHead(503).end()

  it('answers by default, and the host hears nothing of it', async () => {
    for (const middleware of [{}, { errors: 'answer' }] as const) {
      const host = await hostApp({ answer: failing, middleware })
      const reply = await slack(host, ACTION, viewSubmission())
      expect([reply.status, reply.body]).toMatchObject([
        502,
        { code: 'silo_client_error', regions: { us: 'http_503' } },
      ])
      expect(host.errors).toEqual([])
    }
  })

  it.each([
    ['a view submission', ACTION, viewSubmission()],
    ['an event that may fail', EVENT, eventCallback()],
  ])("errors: 'next' hands the SiloClientError of %s to the host's error handler", async (_, path, body) => {
    const host = await hostApp({
      answer: failing,
      middleware: { errors: 'next' },
      slack: { events_on_failure: 'fail' },
    })
    const reply = await slack(host, path, body)
    expect([reply.status, reply.text]).toEqual([500, 'the host handled it'])
    expect(reply.headers['x-request-id']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
    expect(host.errors).toEqual([expect.any(SiloClientError)])
    expect(host.errors[0]).toMatchObject({
      code: 'silo_client_error',
      status: 502,
      results: [{ region: 'us', kind: 'failed', reason: 'http_503' }],
    })
  })

  it("errors: 'next' hands on nothing of an event that is taken over", async () => {
    const host = await hostApp({ answer: failing, middleware: { errors: 'next' } })
    const reply = await slack(host, EVENT, eventCallback())
    expect([reply.status, reply.text, host.errors]).toEqual([200, '', []])
  })

  it("errors: 'next' hands on that of a team page too", async () => {
    const host = await hostApp({ answer: failing, middleware: { errors: 'next' } })
    const reply = await supertest(host.app).get(`/extensions/slack/link-team/${token()}`)
    expect([reply.text, host.errors]).toEqual(['the host handled it', [expect.any(SiloClientError)]])
  })

  it("errors: 'next' hands on nothing else: answers of ours stay answers", async () => {
    const host = await hostApp({ answer: failing, middleware: { errors: 'next' } })
    const command = await slack(host, COMMANDS, slashCommand())
    expect([command.status, command.body]).toMatchObject([200, { response_type: 'ephemeral' }])
    expect((await slack(host, EVENT, eventCallback(), 'a guessed secret')).status).toBe(401)
    expect((await supertest(host.app).get('/extensions/slack/link-team/forged')).status).toBe(400)
    expect(host.errors).toEqual([])
  })
})
