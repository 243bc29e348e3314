import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { createIds } from '../../src/ids.ts'
import { allDoors, gatewayMiddleware } from '../../src/middleware.ts'
import { createManualClock } from '../support/manual-clock.ts'
import { rawClient } from '../support/raw-client.ts'
import { useSilos } from '../support/silos.ts'
import { signSlack } from '../support/slack-signer.ts'
import { blockSuggestion, eventCallback, FORM, JSON_TYPE, urlVerification } from '../support/slack-payloads.ts'
import { SIGNING_SECRET } from '../support/test-gateway.ts'

const silos = useSilos()
let close = (): void => {}
afterEach(() => close())

/** Keeps what comes from the gateway until so many are there, so that all come to it at once. */
async function atOnce(count: number, mounted = allDoors) {
  const clock = createManualClock()
  const ids = createIds()
  let begun = 0
  const delivery = (now: number): string => {
    begun += 1
    return ids.delivery(now)
  }
  const inside = await silos({ us: undefined }, { clock, ids: { ...ids, delivery } })
  const atRest = clock.pending()
  const doors = mounted(inside.gateway)
  const held: [IncomingMessage, ServerResponse][] = []
  const allHeld = Promise.withResolvers<void>()
  const server: Server = createServer((req, res) => {
    held.push([req, res])
    if (held.length === count) allHeld.resolve()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const clients: ReturnType<typeof rawClient>[] = []
  close = () => {
    for (const { socket } of clients) socket.destroy()
    server.close()
  }
  return {
    ...inside,
    begun: () => begun,
    timers: () => clock.pending() - atRest,
    /** On a connection of its own. */
    send: (bytes: string) => {
      const client = rawClient(port)
      clients.push(client)
      client.write(bytes)
      return client
    },
    post: (path: string, body: string, type: string) => {
      const headers = {
        Host: 'x',
        'Content-Type': type,
        'Content-Length': Buffer.byteLength(body),
        ...signSlack({ secret: SIGNING_SECRET, body, now: clock.now() }),
      }
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
      return `POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
    },
    /** Each of them, and what was held of it. */
    letIn: async () => {
      await allHeld.promise
      for (const [req, res] of held) doors(req, res, () => {})
      return held
    },
  }
}

/** A busy machine takes more than the second that is the default for so many. */
const PATIENT = { timeout: 10_000 }
const EVENT = '/extensions/slack/event/'
const challenge = urlVerification().body
const repeat = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at))

describe('many that come at once', () => {
  it('are begun by eights, in a turn of the event loop each', async () => {
    const { post, send, letIn, begun } = await atOnce(20)
    const clients = repeat(20, () => send(post(EVENT, challenge, JSON_TYPE)))
    await letIn()
    expect(begun()).toBe(8)
    await nextTurn()
    expect(begun()).toBe(16)
    await nextTurn()
    expect(begun()).toBe(20)
    for (const client of clients) await client.hears(/^HTTP\/1\.1 200 /)
  })

  it('do not wait behind another of their connection: node would read on and on', async () => {
    const { post, send, letIn, begun } = await atOnce(20)
    const client = send(post(EVENT, challenge, JSON_TYPE).repeat(20))
    await letIn()
    expect(begun()).toBe(20)
    await expect.poll(() => client.heard().split('HTTP/1.1 200 ').length - 1, PATIENT).toBe(20)
  })

  it('do not wait inside of a host: who else listens to a body there would get all of it', async () => {
    const { post, send, letIn, begun } = await atOnce(20, gatewayMiddleware)
    const clients = repeat(20, () => send(post(EVENT, challenge, JSON_TYPE)))
    await letIn()
    expect(begun()).toBe(20)
    for (const client of clients) await client.hears(/^HTTP\/1\.1 200 /)
  })

  it('are answered when the gateway is closed meanwhile', async () => {
    const { post, send, letIn, gateway } = await atOnce(20)
    const clients = repeat(20, () => send(post(EVENT, challenge, JSON_TYPE)))
    await letIn()
    await gateway.close()
    for (const client of clients) expect(await client.hears(/^HTTP/)).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('come from where they came from, also where the connection is gone when it is their turn', async () => {
    const { post, send, letIn, regions } = await atOnce(20)
    repeat(20, (at) => send(post(EVENT, eventCallback({ event_id: `Ev${at}` }).body, JSON_TYPE)))
    const held = await letIn()
    for (const [req] of held) req.socket.destroy()
    await expect.poll(() => regions.us.requests.length, PATIENT).toBe(20)
    for (const { headers } of regions.us.requests) expect(headers['x-forwarded-for']).toBe('127.0.0.1')
  })

  it('leave nobody to answer where the caller hung up half-way', async () => {
    const { post, send, letIn, records, timers, logs } = await atOnce(40)
    repeat(40, () => send(post('/extensions/slack/options-load/', blockSuggestion().body, FORM).slice(0, -100)))
    const held = await letIn()
    for (const [req] of held) req.socket.destroy()
    await expect.poll(() => records.map(({ code }) => code), PATIENT).toEqual(Array(40).fill('caller_gone'))
    expect(timers()).toBe(0)
    expect(logs.filter(({ level }) => level === 'error')).toEqual([])
  })
})
