import type { IncomingMessage, ServerResponse } from 'node:http'
import { rememberNonces } from './remember-nonces.ts'
import { ForwardedRequestError, verifierFor, type ForwardedRecord, type VerifyOptions } from './verify-forwarded.ts'

/** A request as node, connect or Express hand it on. */
export type UnreadRequest = IncomingMessage & { originalUrl?: string; body?: unknown; rawBody?: unknown }

/** The same request behind `regionMiddleware`. */
export type ForwardedRequest = IncomingMessage & { silo: ForwardedRecord; rawBody: Buffer; body: Buffer }

export type RegionMiddleware = (req: UnreadRequest, res: ServerResponse, next: (error?: unknown) => void) => void

/**
 * Lets only requests of the gateway through, with `req.silo`, and `req.rawBody` and `req.body` as the bytes they
 * carried; answers 401 otherwise and 413 above `maxBodyBytes`. For Express, connect, or node:http with a callback.
 *
 * It reads the body itself, so it stands before every body parser. Where one must come first, that one keeps the bytes
 * as `req.rawBody` or is `express.raw({ type: () => true, inflate: false })`; bytes that are gone are an error to
 * `next`.
 *
 * Slack Bolt takes `req.rawBody` where it finds it, so both of its HTTP receivers work behind this unchanged:
 * `app.use(regionMiddleware(…))`, then `new ExpressReceiver({ app, … })`, which mounts its router at once; or
 * `createServer((req, res) => guard(req, res, () => receiver.requestListener(req, res)))` with an HTTPReceiver.
 * Other handlers parse `req.body` themselves: body parsers behind this leave it alone.
 */
export function regionMiddleware(options: VerifyOptions & { readonly maxBodyBytes?: number }): RegionMiddleware {
  const { now = Date.now, maxBodyBytes = 2 * 1024 * 1024 } = options
  const clock = typeof now === 'number' ? () => now : now
  const verify = verifierFor({ ...options, seen: options.seen ?? rememberNonces({ now: clock }) })

  return (req, res, next) => {
    const judge = (body: Buffer) => {
      let silo: ForwardedRecord
      try {
        // Mounted under a path, Express and connect cut that off `url`; the signature is over all of it. Distinct
        // headers, because `headers` joins or drops repeated ones.
        const url = req.originalUrl ?? req.url ?? ''
        silo = verify({ method: req.method ?? '', url, headers: req.headersDistinct, body })
      } catch (error) {
        if (error instanceof ForwardedRequestError) refuse(res, 401, error.message, error.code)
        else next(error)
        return
      }
      // `_body` tells the body parsers of Express 4 that there is nothing left to read; those of Express 5 see it.
      Object.assign(req, { silo, rawBody: body, body, _body: true })
      next()
    }

    if (Buffer.isBuffer(req.rawBody)) judge(req.rawBody)
    else if (Buffer.isBuffer(req.body)) judge(req.body)
    else if (req.readableDidRead) next(new Error(bytesAreGone))
    else
      readBody(req, maxBodyBytes, {
        whole: judge,
        tooLarge: () => refuseTooLarge(req, res, maxBodyBytes),
        failed: next,
      })
  }
}

const bytesAreGone =
  'regionMiddleware needs the body as it was sent, for its bytes are what the gateway signed, and something before it ' +
  'has read them. Put regionMiddleware before express.json() and other body parsers, or keep the bytes as req.rawBody.'

/** Calls exactly one of `then`, once. */
function readBody(
  req: IncomingMessage,
  limit: number,
  then: { whole: (body: Buffer) => void; tooLarge: () => void; failed: (error: Error) => void },
): void {
  if (Number(req.headers['content-length'] ?? 0) > limit) {
    then.tooLarge()
    return
  }
  const chunks: Buffer[] = []
  let length = 0
  const onData = (chunk: Buffer) => {
    length += chunk.length
    chunks.push(chunk)
    if (length <= limit) return
    stop()
    then.tooLarge()
  }
  const onEnd = () => {
    stop()
    then.whole(Buffer.concat(chunks))
  }
  const onError = (error: Error) => {
    stop()
    then.failed(error)
  }
  const stop = () => req.off('data', onData).off('end', onEnd).off('error', onError)
  req.on('data', onData).on('end', onEnd).on('error', onError)
}

function refuseTooLarge(req: IncomingMessage, res: ServerResponse, limit: number): void {
  res.setHeader('Connection', 'close')
  refuse(res, 413, `The body is longer than ${limit} bytes`, 'body_too_large')
  // What still comes is thrown away until the connection closes; an error on the way there is nobody's any more.
  req.on('error', () => undefined).resume()
}

function refuse(res: ServerResponse, status: number, title: string, code: string): void {
  const problem = JSON.stringify({ type: 'about:blank', title, status, code })
  res.writeHead(status, { 'Content-Type': 'application/problem+json', 'Content-Length': Buffer.byteLength(problem) })
  res.end(problem)
}
