import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { sendOpenLoop, type OpenLoad } from '../../../bench/open-loop.ts'
import { eventIn, MAILBOXES } from '../../../bench/slack-event.ts'

let server: Server | undefined

afterEach(() => {
  server?.close().closeAllConnections()
})

const load = { form: 'command', perSecond: 1000, seconds: 0.05, connections: 4, ahead: 0 } as const

async function send(to: RequestListener, options: Partial<OpenLoad> = {}) {
  server = createServer(to).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return await sendOpenLoop({ url: `http://127.0.0.1:${port}`, ...load, ...options })
}

/** Which form a body is: they are numbered in the order in which they are due. */
const numberIn = (body: string): number => Number(/trigger_id=1\.2\.(\d+)/.exec(body)?.[1])

const ok = (_: IncomingMessage, res: ServerResponse): void => void res.end('ok')

describe('an open loop', () => {
  it.each([0, 20, 1000])('sends what is due, each another one, with %i of them made ahead', async (ahead) => {
    const bodies = new Set<string>()
    const report = await send(
      (req, res) => {
        let body = ''
        req.setEncoding('latin1').on('data', (chunk: string) => (body += chunk))
        req.on('end', () => {
          bodies.add(body)
          res.end('ok')
        })
      },
      { ahead },
    )
    expect(report).toMatchObject({ due: 50, accepted: 50, failures: {} })
    expect(bodies.size).toBe(50)
  })

  it('charges a stall to everyone who would have come meanwhile', async () => {
    const stallMs = 3000
    let stalled = false
    const report = await send(
      (_, res) => {
        if (stalled) res.end('ok')
        else setTimeout(() => res.end('ok'), stallMs)
        stalled = true
      },
      { connections: 1, perSecond: 100, seconds: 2.5 },
    )
    // The last one was due 2490 ms after the first, and could not leave before the first had its answer.
    expect(report.latencyMs.p50).toBeGreaterThan(stallMs - 2500)
    // Unless the generator itself has stood still until then, it had come to the second before the last was due.
    expect(report.waited).toBeGreaterThan(0)
  })

  it('takes upon itself what it had not come to before no connection was free', async () => {
    // All of them are due at once, for four connections.
    const report = await send(ok, { perSecond: 1_000_000, seconds: 0.000_05 })
    expect(report).toMatchObject({ due: 50, accepted: 50, waited: 0 })
    expect(report.lagMs.p50).toBeGreaterThan(0)
  })

  it('demands answers while it settles, and has none of their times in its figures', async () => {
    const held: { number: number; res: ServerResponse }[] = []
    const report = await send(
      (req, res) => {
        req.setEncoding('latin1').once('data', (body: string) => {
          held.push({ number: numberIn(body), res })
          if (held.length < 100) return
          // Of the 50 that were due in the first half second every fifth is refused, and the others are lost.
          const inOrder = held.toSorted((one, other) => one.number - other.number)
          for (const [at, { res }] of inOrder.entries()) {
            if (at >= 50) res.end('ok')
            else if (at % 5 === 0) res.writeHead(503).end()
            else res.destroy()
          }
        })
      },
      { connections: 100, perSecond: 100, seconds: 0.5, settleSeconds: 0.5 },
    )
    expect(report).toMatchObject({ due: 100, counted: 50, accepted: 50, failures: { 503: 10, 'connection lost': 40 } })
    // What is lost has taken until it would have been given up.
    expect(report.latencyMs.longest).toBeLessThan(10_000)
  })

  it('reads an answer by its length, by its chunks, and in pieces', async () => {
    let answered = 0
    const report = await send((_, res) => {
      answered += 1
      if (answered % 3 === 0) res.writeHead(200, { 'Content-Length': 4 }).end('\r\n\r\n')
      else if (answered % 3 === 1) res.writeHead(200).end('in a chunk')
      else {
        res.writeHead(200, { 'Content-Length': 10 }).write('in ')
        setTimeout(() => res.end('two ans'), 5)
      }
    })
    expect(report).toMatchObject({ due: 50, accepted: 50, failures: {} })
  })

  it('counts other answers than 200 by their status, and measures them too', async () => {
    let answered = 0
    const report = await send((req, res) => {
      if ((answered += 1) % 2 === 0) res.writeHead(503)
      ok(req, res)
    })
    expect(report).toMatchObject({ due: 50, accepted: 25, failures: { 503: 25 } })
  })

  it('counts a 200 with another body than the good answer as a failure, by its length or in a chunk', async () => {
    const bodies = ['{"text":"done"}', '{"text":"sorry"}', '{"text":"done"} ', ' {"text":"done"}', '']
    let answered = 0
    const report = await send(
      (_, res) => {
        const body = bodies[answered % bodies.length]!
        if ((answered += 1) % 2 === 0) res.end(body)
        else res.writeHead(200).end(body)
      },
      { answer: '{"text":"done"}' },
    )
    expect(report).toMatchObject({ due: 50, accepted: 10, failures: { '200, another answer': 40 } })
  })

  it('counts what it gave up on, whether or not it could be sent, as having taken until then', async () => {
    const report = await send(() => {}, { connections: 3, patienceMs: 50 })
    expect(report).toMatchObject({ due: 50, accepted: 0, failures: { 'not answered': 50 } })
    // Given up 100 ms after the first was due; the last was due 49 ms after it.
    expect(report.latencyMs.longest).toBeCloseTo(100)
    expect(report.latencyMs.p50).toBeCloseTo(75)
  })

  it('has patience from when the first was due, however long its clock takes to start', async () => {
    const report = await send(ok, { perSecond: 1000, seconds: 0.001, patienceMs: 5 })
    // Whether or not its answer came in time, it has left.
    expect(report.lagMs.longest).not.toBeNaN()
  })

  it('counts a connection that broke as if nothing had come until the end, and goes on with others', async () => {
    let answered = 0
    const report = await send((req, res) => {
      if ((answered += 1) === 10) req.socket.destroy()
      else ok(req, res)
    })
    expect(report).toMatchObject({ due: 50, accepted: 49, failures: { 'connection lost': 1 } })
    expect(report.latencyMs.longest).toBeGreaterThan(10_000)
  })

  it('sends events too, each the next of its workspace', async () => {
    const events: { mailbox: number; sequence: number }[] = []
    await send(
      (req, res) => {
        req.setEncoding('latin1').on('data', (chunk: string) => events.push(eventIn(chunk)))
        req.on('end', () => res.end())
      },
      { form: 'event', connections: 1, perSecond: 20_000, seconds: (2 * MAILBOXES) / 20_000 },
    )
    const sequences = Map.groupBy(events, ({ mailbox }) => mailbox)
    expect(sequences.size).toBe(MAILBOXES)
    for (const [first, second] of sequences.values()) expect(second?.sequence).toBe(first!.sequence + 1)
  })
})
