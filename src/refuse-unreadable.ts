import type { Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock } from './clock.ts'
import { Refusal } from './errors.ts'
import { problemReply, writeReply } from './send-reply.ts'

/** As long as a refused body is read: a connection that is closed with unread bytes is reset, and the answer lost. */
const LINGER_MS = 1000

/**
 * Answers what node's parser refuses, and what it waits for in vain, as everything else is answered, then ends the
 * connection. Each request that could be read is told to the returned function, so that no refusal is written into
 * the answer of an earlier one; it says false of one that came to its end only after it was refused.
 */
export function refuseUnreadable(
  server: Server,
  { clock, requestId }: { clock: Clock; requestId: () => string },
): (socket: Duplex, res: ServerResponse) => boolean {
  /** Of each connection, the oldest first; pipelined, there are several. */
  const answers = new WeakMap<Duplex, ServerResponse[]>()
  // The parser complains again of every byte that follows.
  const refused = new WeakSet<Duplex>()

  const end = (socket: Duplex): void => {
    // Gone already: there is nobody to linger for, and nothing that would end the wait.
    if (socket.destroyed) return
    const cancelTimer = clock.after(LINGER_MS, () => socket.destroy())
    socket.once('close', cancelTimer)
    socket.end()
  }

  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (refused.has(socket)) return
    refused.add(socket)
    const refusal = refusalFor(error.code)
    if (refusal === undefined || !socket.writable) {
      socket.destroy()
      return
    }
    const [current, ...behind] = answers.get(socket) ?? []
    const last = behind.at(-1) ?? current
    // The last request's own body is what cannot be read, and it is its turn: this is its answer.
    const isItsOwn = current !== undefined && last === current && !current.headersSent && !current.req.complete
    if (last !== undefined && !isItsOwn) {
      last.once('close', () => end(socket))
      // Its answer is written, and waited only for the rest of a body that cannot come any more.
      if (last.headersSent) last.end()
      return
    }
    // Whatever the journey still wants to say has nowhere to go.
    if (current?.socket != null) current.detachSocket(current.socket)
    writeReply(socket, problemReply(refusal), ['X-Request-Id', requestId(), 'Connection', 'close'])
    end(socket)
  })

  return (socket, res) => {
    if (refused.has(socket)) return false
    const known = answers.get(socket)
    // A `Set` would let what has left it grow old: see short-lived-map.ts.
    const underWay = known ?? []
    if (known === undefined) answers.set(socket, underWay)
    underWay.push(res)
    const over = (): void => {
      const at = underWay.indexOf(res)
      if (at !== -1) underWay.splice(at, 1)
    }
    res.on('finish', over).on('close', over)
    return true
  }
}

/** Undefined: the connection itself has failed, and nobody would hear an answer. */
function refusalFor(code: string | undefined): Refusal | undefined {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new Refusal('headers_too_large', 'The request line and headers are too long.')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new Refusal('headers_timeout', 'The headers did not come to their end.')
  return code?.startsWith('HPE_') === true
    ? new Refusal('malformed_http', 'This is not HTTP/1.1 (RFC 9112).')
    : undefined
}
