import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from './clock.ts'

const firstBytes = new WeakMap<IncomingMessage, number>()

/** When a request's first byte came, on the monotonic clock; undefined where nobody looked, as in a host's server. */
export function firstByteOf(req: IncomingMessage): number | undefined {
  return firstBytes.get(req)
}

/**
 * Notes when the first byte of each request comes. Node tells of a request only once its head is complete, and a head
 * that trickles in has used up some of the time there is to answer.
 */
export function noteFirstBytes(server: Server, clock: Clock): (req: IncomingMessage, res: ServerResponse) => void {
  const connections = new WeakMap<Socket, { firstByteAt: number | undefined; answering: number }>()
  server.on('connection', (socket: Socket) => {
    const connection: { firstByteAt: number | undefined; answering: number } = { firstByteAt: undefined, answering: 0 }
    connections.set(socket, connection)
    // Ahead of node's own listener, which may complete the request with these very bytes. Until a request is read to its
    // end and answered, what comes is its body, or a pipelined request, whose time begins with what comes after that.
    // Line breaks between requests are nobody's (RFC 9112 section 2.2).
    socket.prependListener('data', (bytes: Buffer) => {
      if (connection.answering === 0 && !isLineBreaks(bytes)) connection.firstByteAt ??= clock.monotonic()
    })
  })
  return (req, res) => {
    const connection = connections.get(req.socket)
    if (connection === undefined) return
    if (connection.firstByteAt !== undefined) firstBytes.set(req, connection.firstByteAt)
    connection.firstByteAt = undefined
    connection.answering += 1
    const over = (): void => void (connection.answering -= 1)
    // An answer may leave before the body is here.
    res.once('close', () => (req.complete || req.destroyed ? over() : req.once('close', over)))
  }
}

function isLineBreaks(bytes: Buffer): boolean {
  return bytes.length <= 4 && bytes.every((byte) => byte === 0x0d || byte === 0x0a)
}
