/*
 * Slack, as a process of its own: posts at a constant rate, whether or not those before have been answered (an open
 * loop), and measures each from the moment at which it was due, so that a server which stops for a while answers for
 * all who would have come meanwhile. Sockets are written to directly: an HTTP client would take as much of the machine
 * as what is measured. It measures how late it was itself, too.
 */
import { connect, type Socket } from 'node:net'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { beatMs, dueMs, percentilesOf, type Percentiles } from './pace.ts'
import { slackAction, slackCommand, type SlackForm } from './slack-command.ts'
import { slackEvent } from './slack-event.ts'

const FORMS = { command: slackCommand, action: slackAction, event: slackEvent }

export interface OpenLoad {
  /** Where the server is, without a path: forms bring theirs. */
  readonly url: string
  readonly form: keyof typeof FORMS
  readonly perSecond: number
  readonly seconds: number
  /** So many are on their way at most; one more waits, and its waiting counts. */
  readonly connections: number
  /** The body of a good answer: a 200 with another one is an apology. Left out, any is good. */
  readonly answer?: string
  /** Made and signed before the clock starts; each of the others when it is due, for what is sent minutes later. */
  readonly ahead: number
  /** So many are sent before: they have to be answered as well, and are in no figure. Connections are made meanwhile. */
  readonly settleSeconds?: number
  /** Nothing is answered later than so long after the last was due: what is still open counts as not answered. */
  readonly patienceMs?: number
}

export interface OpenLoopReport {
  /** So many were to be sent; where the server does not keep up at all, not each of them was. */
  readonly due: number
  /** Those that are in the figures: not what was sent while connections were made. */
  readonly counted: number
  /** Answered 200, with the good answer. */
  readonly accepted: number
  /** How else they ended, and how often. */
  readonly failures: Readonly<Record<string, number>>
  /** Answered in a second, from when the first was due to the last answer. */
  readonly perSecond: number
  /** From when it was due to its answer; for what had none, to when it was given up. */
  readonly latencyMs: Percentiles
  /**
   * By how much they left later than they were due through the generator's own fault: until they left, or until no
   * connection was free any more.
   */
  readonly lagMs: Percentiles
  /** Those that no connection was free for when they were due: the server's fault. */
  readonly waited: number
}

const PATIENCE_MS = 10_000
/** A server may end a connection that has been idle for 5 s, Node's default, just while it is written to. */
const IDLE_MS = 3000
const RECEIVED_BYTES = 65_536
/** Across loads, and far from the numbers of whoever else asks: one that comes again is answered from memory. */
let forms = Date.now()

interface Connection {
  readonly socket: Socket
  /** NaN while nothing is on its way. */
  dueAt: number
  idleSince: number
  received: string
}

/** Sends it all, and resolves when each is answered, broken off or given up. */
export async function sendOpenLoop(load: OpenLoad): Promise<OpenLoopReport> {
  const { url, perSecond, seconds, connections: most } = load
  const { hostname, port, host } = new URL(url)
  const settleMs = (load.settleSeconds ?? 0) * 1000
  const total = Math.round(perSecond * (settleMs / 1000 + seconds))
  const ready = Array.from({ length: Math.min(load.ahead, total) }, () =>
    Buffer.from(nextRequest(load, host), 'latin1'),
  )
  const [latencies, lags] = [new Float64Array(total), new Float64Array(total)]
  const failures: Record<string, number> = {}
  const idle: Connection[] = []
  const connections = new Set<Connection>()
  const input = Buffer.allocUnsafe(RECEIVED_BYTES)
  const done = Promise.withResolvers<void>()
  const endings = load.answer === undefined ? [''] : endingsWith(load.answer)
  const giveUpMs = settleMs + seconds * 1000 + (load.patienceMs ?? PATIENCE_MS)
  let [sent, answered, accepted, over, counted, left, waited] = [0, 0, 0, 0, 0, 0, 0]
  let [startAt, lastAt] = [0, 0]
  const dueAt = (number: number): number => startAt + dueMs(number, perSecond)

  const isCounted = (due: number): boolean => due - startAt >= settleMs

  const end = (how: string, due: number, tookMs: number): void => {
    over += 1
    if (isCounted(due)) latencies[counted++] = tookMs
    if (how === '200') accepted += 1
    else failures[how] = (failures[how] ?? 0) + 1
    if (over === total) done.resolve()
  }
  const goWithout = (how: string, due: number): void => end(how, due, startAt + giveUpMs - due)
  const receive = (connection: Connection, bytes: number): true => {
    connection.received += input.toString('latin1', 0, bytes)
    if (!isComplete(connection.received)) return true
    const { received, dueAt: due } = connection
    const status = received.slice(9, 12)
    const isOther = status === '200' && !endings.some((ending) => received.endsWith(ending))
    answered += 1
    lastAt = performance.now()
    connection.received = ''
    connection.dueAt = Number.NaN
    connection.idleSince = lastAt
    idle.push(connection)
    end(isOther ? '200, another answer' : status, due, lastAt - due)
    post()
    return true
  }
  const open = (): Connection => {
    const onread = { buffer: input, callback: (bytes: number): boolean => receive(connection, bytes) }
    const socket = connect({ host: hostname, port: Number(port), noDelay: true, onread })
    const connection: Connection = { socket, dueAt: Number.NaN, idleSince: performance.now(), received: '' }
    connections.add(connection)
    socket
      .on('error', () => {})
      .on('close', () => {
        connections.delete(connection)
        if (!Number.isNaN(connection.dueAt)) goWithout('connection lost', connection.dueAt)
        else if (idle.includes(connection)) idle.splice(idle.indexOf(connection), 1)
      })
    return connection
  }
  /** The one that was used last: those that are not needed grow old and are given up. */
  const free = (now: number): Connection | undefined => {
    for (let next = idle.pop(); next !== undefined; next = idle.pop()) {
      if (now - next.idleSince < IDLE_MS) return next
      next.socket.destroy()
      connections.delete(next)
    }
    return connections.size < most ? open() : undefined
  }
  /** Since when no connection has been free for the next one; undefined while there is one. */
  let starvedAt: number | undefined
  /** Everything that is due, as long as there are connections for it. */
  const post = (): void => {
    for (let now = performance.now(); sent < total && dueAt(sent) <= now; now = performance.now()) {
      const connection = free(now)
      if (connection === undefined) {
        starvedAt ??= now
        return
      }
      connection.dueAt = dueAt(sent)
      if (isCounted(connection.dueAt)) {
        // Overdue before that, the generator had not come to it: a stall of its own takes all connections at once.
        const isLate = starvedAt === undefined || connection.dueAt < starvedAt
        if (!isLate) waited += 1
        lags[left++] = isLate ? (starvedAt ?? now) - connection.dueAt : 0
      }
      connection.socket.write(ready[sent] ?? nextRequest(load, host), 'latin1')
      sent += 1
    }
    starvedAt = undefined
  }

  /** From when the first was due: how long the metronome takes to start is nobody's answer. */
  let patience: NodeJS.Timeout | undefined
  const metronome = new Worker(new URL('metronome.ts', import.meta.url), { workerData: beatMs(perSecond) })
  metronome.once('message', (first: number) => {
    startAt = first - performance.timeOrigin
    patience = setTimeout(giveUp, giveUpMs)
    metronome.on('message', post)
    post()
  })
  const giveUp = (): void => {
    for (const connection of connections) {
      if (!Number.isNaN(connection.dueAt)) goWithout('not answered', connection.dueAt)
      connection.dueAt = Number.NaN
    }
    while (sent < total) goWithout('not answered', dueAt(sent++))
  }
  await done.promise
  clearTimeout(patience)
  for (const { socket } of connections) socket.destroy()
  await metronome.terminate()
  return {
    due: total,
    counted,
    accepted,
    failures,
    perSecond: (answered * 1000) / (lastAt - startAt),
    latencyMs: percentilesOf(latencies.subarray(0, counted)),
    lagMs: percentilesOf(lags.subarray(0, left)),
    waited,
  }
}

function nextRequest({ form }: OpenLoad, host: string): string {
  return written(FORMS[form]((forms += 1)), host)
}

function written({ path, headers, body }: SlackForm, host: string): string {
  const head = [['Host', host], ...headers, ['Content-Length', String(body.length)]]
  return `POST ${path} HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
}

/** How a response ends whose whole body is this: by its length, or as one chunk. */
function endingsWith(answer: string): string[] {
  return [`\r\n\r\n${answer}`, `\r\n\r\n${answer.length.toString(16)}\r\n${answer}\r\n0\r\n\r\n`]
}

/** Of the one request that is on its way: by its length, or by the chunk that ends it. */
function isComplete(response: string): boolean {
  const end = response.indexOf('\r\n\r\n')
  if (end === -1) return false
  const length = /^content-length: (\d+)\r$/im.exec(response.slice(0, end + 2))?.[1]
  return length === undefined ? response.endsWith('\r\n0\r\n\r\n') : response.length >= end + 4 + Number(length)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.on('message', (load: OpenLoad) => void sendOpenLoop(load).then((report) => process.send?.(report)))
  process.on('disconnect', () => process.exit())
}
