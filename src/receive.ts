import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from './clock.ts'
import { Refusal } from './errors.ts'

/**
 * Requests that said `Expect: 100-continue` and have not been told to go on: their body is asked for only when it is
 * wanted, so that a refused megabyte is never sent. Filled by the public listener.
 */
export const notYetToldToContinue = new WeakSet<IncomingMessage>()

/** The other end went away before its body was complete; there is nobody to answer. */
export class CallerGone extends Error {
  override readonly name = 'CallerGone'
}

/** A compressed body would be forwarded under a signature that was made over other bytes than the region reads. */
export function refuseEncodedBody(headers: IncomingMessage['headers']): void {
  const named = headers['content-encoding']
  if (named === undefined) return
  // A list that may be empty or hold empty elements (RFC 9110 sections 5.6.1 and 8.4).
  const codings = named.split(',').map((coding) => coding.trim().toLowerCase())
  if (codings.some((coding) => coding !== '' && coding !== 'identity')) {
    throw new Refusal('unsupported_content_encoding', 'Send the body without a Content-Encoding.', { close: true })
  }
}

/**
 * The body's raw bytes, at most `limit` of them, complete by `deadline` (monotonic milliseconds); at once where it is
 * here. `overdue`: its head was not complete by then, so neither was the body, whatever is here now. Throws or rejects
 * with a `Refusal` (`body_too_large`, `body_timeout`, `raw_body_consumed`) or `CallerGone`.
 */
export function readBody(
  req: IncomingMessage,
  res: ServerResponse,
  { limit, deadline, overdue = false, clock }: { limit: number; deadline: number; overdue?: boolean; clock: Clock },
): Buffer | Promise<Buffer> {
  const parsed = alreadyRead(req)
  if (parsed !== undefined) {
    if (parsed.length > limit) throw tooLarge(limit)
    return parsed
  }
  const announced = Number(req.headers['content-length'] ?? 0)
  if (announced > limit) throw tooLarge(limit)
  if (overdue && (announced > 0 || req.headers['transfer-encoding'] !== undefined)) throw timedOut()
  if (notYetToldToContinue.delete(req)) res.writeContinue()
  // It came with its head, as nearly every one does: nothing is left to wait for. Node says that it is complete only
  // after whatever its last byte has set going.
  const isHere = req.complete || (announced > 0 && req.readableLength === announced)
  if (isHere && req.readableEncoding === null) {
    const body = takeBuffered(req)
    if (body.length > limit) throw tooLarge(limit)
    // Only who reads on hears of the end.
    req.resume()
    return body
  }
  // Gone while it waited for its turn: nothing will tell of it any more.
  if (req.destroyed) throw gone()

  return new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const stop = (): void => {
      cancelTimer()
      req.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
    }
    const fail = (error: Error): void => {
      stop()
      req.pause()
      reject(error)
    }
    const onData = (chunk: Buffer | string): void => {
      if (typeof chunk === 'string') return fail(consumed())
      size += chunk.length
      if (size > limit) fail(tooLarge(limit))
      else chunks.push(chunk)
    }
    const onEnd = (): void => {
      stop()
      resolve(joined(chunks))
    }
    const onGone = (): void => fail(gone())
    const cancelTimer = clock.after(Math.max(0, deadline - clock.monotonic()), () => fail(timedOut()))
    req.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
  })
}

/** `read` gives what came in pieces piece by piece. */
function takeBuffered(req: IncomingMessage): Buffer {
  const chunks: Buffer[] = []
  for (let chunk: unknown = req.read(); chunk instanceof Buffer; chunk = req.read()) chunks.push(chunk)
  return joined(chunks)
}

function joined(chunks: readonly Buffer[]): Buffer {
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
}

function tooLarge(limit: number): Refusal {
  return new Refusal('body_too_large', `At most ${limit} bytes are read of this request.`, { close: true })
}

function timedOut(): Refusal {
  return new Refusal('body_timeout', 'The body did not arrive within the time there is to answer.', { close: true })
}

function gone(): CallerGone {
  return new CallerGone('The caller went away before its body was complete')
}

/** What a host application's parser left behind: raw bytes are as good as reading them here, anything else is not. */
function alreadyRead(req: IncomingMessage & { body?: unknown; rawBody?: unknown }): Buffer | undefined {
  if (Buffer.isBuffer(req.rawBody)) return req.rawBody
  if (Buffer.isBuffer(req.body)) return req.body
  if (req.readableDidRead || req.readableEnded) throw consumed()
  return undefined
}

function consumed(): Refusal {
  return new Refusal(
    'raw_body_consumed',
    'A body parser ran before the gateway. Signatures cover the raw bytes, and a parsed body cannot be turned back ' +
      'into them: mount gatewayMiddleware before express.json() and express.urlencoded(), use express.raw({ type: ' +
      "'*/*' }), or keep the bytes as req.rawBody.",
  )
}
