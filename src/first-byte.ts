import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from './clock.ts'

/**
 * How often connections are looked at. A head that takes longer to come than this is the only one whose first byte
 * matters, and it is noted by so much too early at most, or by as long as the event loop stood still.
 */
const LOOK_MS = 100
/** Line breaks between requests are nobody's (RFC 9112 section 2.2); no more of a head than that is taken for them. */
const LINE_BREAKS_BYTES = 4

interface Connection {
  firstByteAt: number | undefined
  /** Requests that are not read to their end and answered: until then, what comes is their bodies, or pipelined. */
  answering: number
  /** How much had come when the last of them was over. */
  read: number
}

const firstBytes = new WeakMap<IncomingMessage, number>()

/** When a request's first byte came, on the monotonic clock; undefined: just now, or where nobody looked. */
export function firstByteOf(req: IncomingMessage): number | undefined {
  return firstBytes.get(req)
}

/**
 * Notes of each request whose head trickles in when its first byte came: node tells of a request only once its head is
 * complete, and by then some of the time there is to answer is used up. What node has read is looked at now and then,
 * since whoever listens to a socket's bytes takes them from node's parser, which costs every request 5 µs.
 */
export function noteFirstBytes(server: Server, clock: Clock): (req: IncomingMessage, res: ServerResponse) => void {
  const connections = new Map<Socket, Connection>()
  let lookedAt = 0
  let cancelLook = (): void => {}

  function lookLater(): void {
    lookedAt = clock.monotonic()
    cancelLook = clock.after(LOOK_MS, () => {
      for (const [socket, connection] of connections) {
        const isAtRest = connection.answering > 0 || socket.bytesRead <= connection.read + LINE_BREAKS_BYTES
        if (!isAtRest) connection.firstByteAt ??= lookedAt
      }
      lookLater()
    })
  }

  server.on('listening', lookLater)
  server.on('close', () => cancelLook())
  server.on('connection', (socket: Socket) => {
    connections.set(socket, { firstByteAt: undefined, answering: 0, read: 0 })
    socket.once('close', () => connections.delete(socket))
  })
  return (req, res) => {
    const { socket } = req
    const connection = connections.get(socket)
    if (connection === undefined) return
    if (connection.firstByteAt !== undefined) firstBytes.set(req, connection.firstByteAt)
    connection.firstByteAt = undefined
    connection.answering += 1
    const over = (): void => {
      connection.answering -= 1
      connection.read = socket.bytesRead
    }
    // An answer may leave before the body is here.
    res.on('close', () => (req.complete || req.destroyed ? over() : req.once('close', over)))
  }
}
