import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import { systemClock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { createIds } from '../ids.ts'
import { CallerGone } from '../receive.ts'
import { problemReply, sendFailure, sendReply, sendReplyAndClose } from '../send-reply.ts'
import { CONTENT_TYPE } from '../telemetry/text-format.ts'
import { answerRoute } from './answer-route.ts'
import { admit, callerOf, type Caller } from './guard.ts'
import { builtPage, servePage } from './page.ts'
import { invalidRequest, type Route } from './route.ts'
import { adminRoutes, type RoutesOptions } from './routes.ts'

export interface AdminOptions extends RoutesOptions {
  /** Where the files of the console's page are. */
  readonly page?: string
}

/**
 * The operator's listener before there is a gateway: alive, and not ready. A database may take minutes to answer or to be
 * brought up to date, and whoever ends what does not answer is to let it. `serve` puts `adminApp` in its place.
 */
export function createStartingListener(): Server {
  const app = healthApp({ ids: createIds(), clock: systemClock })
  app.get('/health/ready', (_req, res) => {
    res.status(503).json({ status: 'starting' })
  })
  app.use((_req, res) => {
    const headers = { 'Retry-After': '1' }
    sendReply(res, problemReply(new Refusal('starting', 'This gateway is starting; ask again.', { headers })), [])
  })
  // As at the public listener: one that drips its headers holds a socket.
  return createServer({ headersTimeout: 10_000, connectionsCheckingInterval: 1000 }, app)
}

/**
 * What the operator's listener serves: health and metrics, which need no token and are served under any name, since a
 * probe and a scraper have neither, and which tell of nobody's data; and the admin API, which is let in by `admit`.
 */
export function adminApp(gateway: Gateway, options: AdminOptions = {}): RequestListener {
  const { clock } = gateway
  const routes = adminRoutes(gateway, options)
  const app = healthApp(gateway)
  app.get('/health/ready', async (_req, res) => {
    const ready = await gateway.ready()
    res.status(ready ? 200 : 503).json({ status: ready ? 'ready' : gateway.draining() ? 'draining' : 'unready' })
  })
  app.get('/metrics', async (_req, res) => {
    res.setHeader('Content-Type', CONTENT_TYPE)
    res.send(Buffer.from(await gateway.metrics()))
  })

  const caller = (req: IncomingMessage): Caller => callerOf(req, gateway.configuration().settings, clock.now())
  // Under a foreign name there is no page either: it could ask for nothing.
  app.use((req, _res, next) => {
    caller(req)
    next()
  })
  app.use(servePage(options.page ?? builtPage()))
  for (const route of routes) app[route.method](expressPath(route), answerRoute(route, { clock, caller }))
  // Who may not come in is not told what there is.
  app.use((req, _res, next) => {
    admit(req, caller(req))
    next()
  })
  for (const [path, those] of Map.groupBy(routes, expressPath)) {
    const methods = those.flatMap(({ method }) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]))
    app.all(path, () => {
      const allowed = methods.join(', ')
      throw new Refusal('method_not_allowed', `This path takes ${allowed}.`, { headers: { Allow: allowed } })
    })
  }
  app.use(() => {
    throw new Refusal('not_found', 'What there is, is in /openapi.json; and /health/live, /health/ready and /metrics.')
  })
  // Express knows what takes errors by its four parameters.
  app.use((error: unknown, req: Request, res: Response, _next: NextFunction) => refuse(error, req, res))

  function refuse(error: unknown, req: IncomingMessage, res: ServerResponse): void {
    if (error instanceof CallerGone) {
      res.destroy()
      return
    }
    const refusal = refusalFor(error)
    if (refusal.code === 'internal_error' || refusal.code === 'store_unavailable') {
      const err = error instanceof Refusal ? error.cause : error
      gateway.log.error({ err, path: req.url?.replace(/\?.*/s, '') }, 'A request of the admin API failed')
    }
    const reply = problemReply(refusal)
    if (res.headersSent) sendFailure(res, reply, [])
    // What is left of a body would be taken for the next request.
    else if (refusal.close || !req.complete) sendReplyAndClose(req, res, reply, [], clock)
    else sendReply(res, reply, [])
  }

  return app
}

/** What there is of it from the first moment on. */
function healthApp({ ids, clock }: Pick<Gateway, 'ids' | 'clock'>): Express {
  const app = express().disable('x-powered-by').disable('etag').enable('case sensitive routing')
  app.use((_req, res, next) => {
    res.setHeaders(new Map([...safe, ['X-Request-Id', ids.delivery(clock.now())]]))
    next()
  })
  app.get('/health/live', (_req, res) => {
    res.json({ status: 'live' })
  })
  return app
}

/** What an answer may be used for: by whoever asked, now, and as what it says it is. */
const safe = [
  ['Cache-Control', 'no-store'],
  ['X-Content-Type-Options', 'nosniff'],
  ['Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'"],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
  ['Referrer-Policy', 'no-referrer'],
] as const

function expressPath({ path }: Route): string {
  return path.replace(/\{(\w+)\}/g, ':$1')
}

function refusalFor(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  // Express could not decode the path.
  if (error instanceof URIError) return invalidRequest([{ path: '', message: 'the path is not UTF-8 in % encoding' }])
  return new Refusal('internal_error', 'The request was not handled; the log says why.')
}
