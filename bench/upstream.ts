import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { ANSWER } from './slack-command.ts'

/*
 * A region that answers at once, or after so many milliseconds: what is measured is the way to it. `GET /asked` tells
 * how often it has been asked; a POST without a body is refused, and is none of those. Or so many of them, each with a
 * port and a count of its own. Prints the ports in a line.
 *
 * It answers with the headers of Node's own server, and is none: it takes 12 µs of CPU a command, and Node's own 19 (medians
 * of five rounds in turn), and with constant rates the load comes from the same core.
 */
const [delayMs = 0, regions = 1] = process.argv.slice(2).map(Number)

/** Whoever keeps its connections open finds them open between two rounds too. */
const KEEP_ALIVE_SECONDS = 600
const END_OF_HEAD = '\r\n\r\n'

async function serveRegion(): Promise<number> {
  let asked = 0

  const answer = (socket: Socket, head: string): void => {
    const isLast = /\r\nconnection: *close\r\n/i.test(head)
    if (head.startsWith('GET ')) return say(socket, '200 OK', String(asked), isLast)
    // The last answer: where it ends nobody knows, if it is one that does not tell its length.
    if (bodyBytes(head) === 0) return say(socket, '400 Bad Request', 'no body, or none whose length is told', true)
    asked += 1
    if (delayMs === 0) say(socket, '200 OK', ANSWER, isLast)
    else setTimeout(() => say(socket, '200 OK', ANSWER, isLast), delayMs)
  }

  const server = createServer({ noDelay: true }, (socket) => {
    /** Of the request that is coming in. Whoever asks waits for its answer before the next one. */
    let [head, missingBytes] = ['', 0]
    socket.on('data', (chunk) => {
      if (missingBytes > 0) missingBytes -= chunk.length
      else {
        head += chunk.toString('latin1')
        const end = head.indexOf(END_OF_HEAD)
        if (end === -1) return
        const hereBytes = head.length - end - END_OF_HEAD.length
        head = head.slice(0, end + END_OF_HEAD.length)
        missingBytes = bodyBytes(head) - hereBytes
      }
      if (missingBytes > 0) return
      const whole = head
      head = ''
      answer(socket, whole)
    })
    // Reset by whoever is ended while it is asked; or sent more after the last answer, which nothing can be said to.
    socket.on('error', () => {})
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

/** 0 where it does not say. */
function bodyBytes(head: string): number {
  return Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
}

function say(socket: Socket, status: string, text: string, isLast: boolean): void {
  const connection = isLast ? 'close' : `keep-alive\r\nKeep-Alive: timeout=${KEEP_ALIVE_SECONDS}`
  socket.write(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n` +
      `Date: ${new Date().toUTCString()}\r\nConnection: ${connection}${END_OF_HEAD}${text}`,
    'latin1',
  )
  if (isLast) socket.end()
}

// It ends with whoever started it, however that comes about.
process.on('disconnect', () => process.exit())
const ports = await Promise.all(Array.from({ length: regions }, serveRegion))
process.stdout.write(`${ports.join(' ')}\n`)
