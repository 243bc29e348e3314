import type { IncomingMessage } from 'node:http'
import type { Request, RequestHandler, Response } from 'express'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { readBody, refuseEncodedBody } from '../receive.ts'
import { sendReply } from '../send-reply.ts'
import { admit, type Caller } from './guard.ts'
import { invalidRequest, type Route } from './route.ts'

/** A body of a megabyte over the slowest line an operator may sit at. */
const BODY_MS = 10_000

/** The handler of a route. What goes wrong, it throws: the listener turns that into a problem document. */
export function answerRoute(
  route: Route,
  { clock, caller: callerOf }: { clock: Clock; caller: (req: IncomingMessage) => Caller },
): RequestHandler {
  const isAdmitted = (req: IncomingMessage): boolean => {
    try {
      admit(req, callerOf(req))
      return true
    } catch {
      return false
    }
  }
  return async (req, res) => {
    const caller = callerOf(req)
    const author = route.open ? (caller.author ?? 'nobody') : admit(req, caller)
    const answer = await route.answer({
      params: req.params,
      query: queryIn(req),
      body: route.body === undefined ? undefined : await jsonIn(req, res, { limit: route.bodyLimit, clock }),
      headers: req.headers,
      author,
      caller,
    })
    const { status, headers = {}, body, listen } = answer
    if (listen !== undefined) {
      res.writeHead(status, EVENT_STREAM)
      if (req.method === 'HEAD') res.end()
      else listen(res, () => isAdmitted(req))
      return
    }
    const own = [...Object.entries(headers).flat(), ...(body === undefined ? [] : JSON_TYPE)]
    const bytes = Buffer.from(body === undefined ? '' : `${JSON.stringify(body)}\n`)
    sendReply(res, { status, rawHeaders: own, body: bytes }, [])
  }
}

const JSON_TYPE = ['Content-Type', 'application/json; charset=utf-8']

/** A connection that ends with it holds up nobody who waits for all of them; a proxy is not to wait for more of it. */
const EVENT_STREAM = { 'Content-Type': 'text/event-stream', Connection: 'close', 'X-Accel-Buffering': 'no' }

function queryIn(req: Request): Record<string, string> {
  const given = new URLSearchParams(/\?(.*)$/s.exec(req.url)?.[1])
  const names = new Set(given.keys())
  const repeated = [...names].filter((name) => given.getAll(name).length > 1)
  if (repeated.length > 0) throw invalidRequest(repeated.map((path) => ({ path, message: 'is given more than once' })))
  return Object.fromEntries(given)
}

/** Undefined where there is no body. */
async function jsonIn(req: Request, res: Response, { limit, clock }: { limit: number; clock: Clock }) {
  refuseEncodedBody(req.headers)
  const bytes = await readBody(req, res, { limit, deadline: clock.monotonic() + BODY_MS, clock })
  if (bytes.length === 0) return undefined
  const type = req.headers['content-type'] ?? ''
  if (!/^application\/json[ \t]*(;[ \t]*charset="?utf-8"?[ \t]*)?$/i.test(type)) {
    throw new Refusal('unsupported_media_type', 'Send the body as application/json, in UTF-8.')
  }
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes))
    return value
  } catch {
    throw invalidRequest([{ path: '', message: 'is not JSON in UTF-8' }])
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })
