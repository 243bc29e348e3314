import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from './clock.ts'
import { catalogue, Refusal, SiloClientError } from './errors.ts'
import type { Reply } from './provider.ts'
import { notYetToldToContinue } from './receive.ts'

/** How much of a refused body is still read before the connection closes, so that the caller can read our answer. */
const LINGER_BYTES = 2 * 1024 * 1024
const LINGER_MS = 1000
const SMALL_BODY_BYTES = 4096

/** The error as RFC 9457 `application/problem+json`: a stable `code`, nothing internal but the regions' names. */
export function problemReply(error: Refusal | SiloClientError): Reply {
  const { title } = catalogue[error.code]
  const status = error instanceof SiloClientError ? error.status : catalogue[error.code].status
  const problem = {
    type: `urn:silo-gateway:error:${error.code}`,
    title,
    status,
    code: error.code,
    // With regions, their reasons say it all.
    ...((error instanceof Refusal || error.results.length === 0) && { detail: error.message }),
    ...(error instanceof SiloClientError && { regions: error.regions }),
    ...(error instanceof Refusal && error.errors.length > 0 && { errors: error.errors }),
  }
  const headers = error instanceof SiloClientError ? [] : Object.entries(error.headers).flat()
  return {
    status,
    rawHeaders: ['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store', ...headers],
    body: Buffer.from(JSON.stringify(problem)),
  }
}

let turnEnds: Promise<void> | undefined

/**
 * Resolves when the event loop is through with what has come by now. Whoever answers then answers together with others:
 * to wake the reader is most of what an answer costs the kernel, and one that is awake need not be woken again. Each waits
 * for what else has come in this turn, a fraction of a millisecond where there is much.
 */
export function endOfTurn(): Promise<void> {
  return (turnEnds ??= nextTurn().then(() => (turnEnds = undefined)))
}

/** Writes a complete reply with its true length. `own` headers, a flat list, replace the reply's of the same name. */
export function sendReply(res: ServerResponse, reply: Reply, own: readonly string[]): void {
  res.writeHead(reply.status, STATUS_CODES[reply.status] ?? '', framed(reply, own))
  // As text, a small body leaves together with its head in one piece, which node writes for a tenth less.
  if (reply.body.length <= SMALL_BODY_BYTES) res.end(reply.body.toString('latin1'), 'latin1')
  else res.end(reply.body)
}

/**
 * After an answer that could not be written: a 500 where the caller has heard nothing yet, else the end of the
 * connection. Returns the status that was sent, if one was.
 */
export function sendFailure(res: ServerResponse, reply: Reply, own: readonly string[]): number | undefined {
  if (res.headersSent) {
    res.destroy()
    return undefined
  }
  // What was half set would describe another body.
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  sendReply(res, reply, own)
  return reply.status
}

/**
 * Answers while the body is still on its way, then closes. Closing at once would make the kernel reset a connection
 * with unread bytes, and the caller would lose the answer; so the rest is read and thrown away, up to 2 MiB or 1 s.
 */
export function sendReplyAndClose(
  req: IncomingMessage,
  res: ServerResponse,
  reply: Reply,
  own: readonly string[],
  clock: Clock,
): void {
  res.writeHead(
    reply.status,
    STATUS_CODES[reply.status] ?? '',
    framed(reply, own.includes('close') ? own : [...own, 'Connection', 'close']),
  )
  if (req.complete || req.destroyed || notYetToldToContinue.has(req)) {
    res.end(reply.body)
    return
  }
  res.write(reply.body)
  let drained = 0
  const stop = (): void => {
    cancelTimer()
    req.off('data', onData).off('end', stop).off('close', stop).off('error', stop)
    res.off('close', stop).end()
  }
  const onData = (chunk: Buffer): void => {
    drained += chunk.length
    if (drained > LINGER_BYTES) stop()
  }
  const cancelTimer = clock.after(LINGER_MS, stop)
  res.on('close', stop)
  req.on('data', onData).on('end', stop).on('close', stop).on('error', stop).resume()
}

/** Writes a complete reply where there is no request that node could read, and so no `ServerResponse`. */
export function writeReply(socket: Duplex, reply: Reply, own: readonly string[]): void {
  const headers = framed(reply, own)
  const lines = headers.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${headers[index + 1] ?? ''}\r\n`] : []))
  const head = `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ''}\r\n${lines.join('')}\r\n`
  socket.write(Buffer.concat([Buffer.from(head, 'latin1'), reply.body]))
}

/** Statuses without a body have no length either (RFC 9110 section 8.6). */
function framed(reply: Reply, own: readonly string[]): string[] {
  const headers: string[] = []
  for (let index = 0; index + 1 < reply.rawHeaders.length; index += 2) {
    const name = reply.rawHeaders[index] ?? ''
    if (!isNamed(own, name)) headers.push(name, reply.rawHeaders[index + 1] ?? '')
  }
  headers.push(...own)
  if (reply.status !== 204 && reply.status !== 304) headers.push('Content-Length', String(reply.body.length))
  return headers
}

function isNamed(headers: readonly string[], name: string): boolean {
  for (let index = 0; index < headers.length; index += 2) {
    const other = headers[index] ?? ''
    if (other.length === name.length && other.toLowerCase() === name.toLowerCase()) return true
  }
  return false
}
