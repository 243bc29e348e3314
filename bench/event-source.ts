/*
 * Slack, as a process of its own: posts events at a constant rate, whether or not those before have been answered
 * (an open loop), and measures each from the moment at which it was to be sent. Sockets are written to directly: an
 * HTTP client would take as much of the machine as what is measured.
 */
import { connect, type Socket } from 'node:net'
import { EVENTS_PATH, eventBody, slackHeaders } from './slack-event.ts'

export interface Load {
  readonly url: string
  readonly perSecond: number
  readonly events: number
  /** Mailboxes take turns; each continues its own sequence from load to load, from 0 where `afresh`. */
  readonly mailboxes: number
  readonly afresh: boolean
}

export interface LoadReport {
  /** Answered 200. */
  readonly accepted: number
  /** How else they ended, and how often. */
  readonly failures: Readonly<Record<string, number>>
  readonly p50: number
  readonly p99: number
  readonly longest: number
  /** Milliseconds by which the last answer came later than the last event was due. */
  readonly behindMs: number
}

/** So many requests are in flight at most; one more waits, and its waiting counts. */
const CONNECTIONS = 256
/** Nothing is answered this late: what is still open counts as not answered. */
const PATIENCE_MS = 10_000

const sequences = new Map<number, number>()

process.on('message', (load: Load) => {
  void run(load).then((report) => process.send?.(report))
})
process.on('disconnect', () => process.exit())

interface Connection {
  readonly socket: Socket
  dueAt: number
  received: string
}

async function run({ url, perSecond, events, mailboxes, afresh }: Load): Promise<LoadReport> {
  const { hostname, port, host } = new URL(url)
  if (afresh) sequences.clear()
  const latencies = new Float64Array(events)
  const failures: Record<string, number> = {}
  const idle: Connection[] = []
  let answered = 0
  let accepted = 0
  let over = 0
  const done = Promise.withResolvers<void>()
  const count = (status: string): void => {
    over += 1
    if (status === '200') accepted += 1
    else failures[status] = (failures[status] ?? 0) + 1
    if (over === events) done.resolve()
  }

  const connections: Connection[] = []
  const open = (): Connection => {
    const socket = connect(Number(port), hostname).setNoDelay()
    const connection: Connection = { socket, dueAt: Number.NaN, received: '' }
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      connection.received += chunk
      if (!isComplete(connection.received)) return
      const status = connection.received.slice(9, 12)
      latencies[answered++] = performance.now() - connection.dueAt
      connection.received = ''
      connection.dueAt = Number.NaN
      idle.push(connection)
      count(status)
      post()
    })
    socket
      .on('error', () => {})
      .on('close', () => {
        if (Number.isNaN(connection.dueAt)) idle.splice(idle.indexOf(connection), 1)
        else count('connection lost')
      })
    connections.push(connection)
    return connection
  }

  const startAt = performance.now()
  const dueAt = (event: number): number => startAt + (event * 1000) / perSecond
  let posted = 0
  /** Everything that is due. */
  function post(): void {
    const now = performance.now()
    while (posted < events && dueAt(posted) <= now) {
      const connection = idle.pop() ?? (connections.length < CONNECTIONS ? open() : undefined)
      if (connection === undefined) return
      connection.dueAt = dueAt(posted)
      connection.socket.write(nextRequest(posted % mailboxes, host))
      posted += 1
    }
  }
  const ticking = setInterval(post, 1)
  const giveUp = (): void => {
    failures['not answered'] = events - over
    done.resolve()
  }
  const patience = setTimeout(giveUp, dueAt(events) - startAt + PATIENCE_MS)
  await done.promise
  const behindMs = performance.now() - dueAt(events - 1)
  clearInterval(ticking)
  clearTimeout(patience)
  for (const { socket } of connections) socket.destroy()

  const sorted = latencies.subarray(0, answered).sort()
  const percentile = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN
  return { accepted, failures, p50: percentile(0.5), p99: percentile(0.99), longest: percentile(1), behindMs }
}

function nextRequest(mailbox: number, host: string): string {
  const sequence = sequences.get(mailbox) ?? 0
  sequences.set(mailbox, sequence + 1)
  const body = eventBody(mailbox, sequence)
  const head = [['Host', host], ...slackHeaders(body), ['Content-Length', String(body.length)]]
  return `POST ${EVENTS_PATH} HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
}

function isComplete(response: string): boolean {
  const end = response.indexOf('\r\n\r\n')
  if (end === -1) return false
  const length = Number(/^content-length: (\d+)\r$/im.exec(response.slice(0, end + 2))?.[1] ?? 0)
  return response.length >= end + 4 + length
}
