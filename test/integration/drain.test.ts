import type { ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { openAdminListener, serve, type Serving } from '../../src/serve.ts'
import type { Answer } from '../support/fake-region.ts'
import { createManualClock } from '../support/manual-clock.ts'
import { signSlack } from '../support/slack-signer.ts'
import { useSilos } from '../support/silos.ts'
import { blockActions, blockSuggestion } from '../support/slack-payloads.ts'
import { send, SIGNING_SECRET, type TestReply } from '../support/test-gateway.ts'

const silos = useSilos()
const sockets: Socket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})

/** Both listeners of a gateway, before regions that answer when told. */
async function serving(env: Record<string, string> = {}) {
  const clock = createManualClock()
  const held: ServerResponse[] = []
  const answer: Answer = (res) => held.push(res)
  const started = await silos(
    { us: answer, eu: (res) => res.end('from eu') },
    { clock, env: { HOST: '127.0.0.1', PORT: '0', ADMIN_PORT: '0', ...env } },
  )
  const served: Serving = await serve(started.gateway)
  const port = Number(new URL(served.publicUrl).port)
  const adminPort = Number(new URL(served.adminUrl).port)
  const ask = (path: string, { body, contentType }: { body: string; contentType: string }): Promise<TestReply> =>
    send(port, {
      method: 'POST',
      path,
      body,
      headers: { 'Content-Type': contentType, ...signSlack({ secret: SIGNING_SECRET, body, now: clock.now() }) },
    })
  const atRest = clock.pending()
  return {
    ...started,
    clock,
    held,
    /** How many timers wait besides those that a gateway with nothing to do has. */
    timers: () => clock.pending() - atRest,
    drain: () => served.drain(),
    options: () => ask('/extensions/slack/options-load/', blockSuggestion()),
    action: () => ask('/extensions/slack/action/', blockActions()),
    health: (what: string) => send(adminPort, { method: 'GET', path: `/health/${what}`, headers: {} }),
    /** A connection to a listener, on which these bytes have been read. */
    connection: async (bytes: string, to: 'public' | 'admin' = 'public') => {
      const at = to === 'admin' ? adminPort : port
      const socket = connect(at, '127.0.0.1')
      socket.on('error', () => {})
      sockets.push(socket)
      await new Promise((resolve) => socket.once('connect', resolve))
      socket.write(bytes)
      // Connections are taken and read in order: what a later one sent has been answered, so this one's is here too.
      await send(at, { method: 'GET', path: '/nowhere', headers: {} })
      return socket
    },
  }
}

const gone = (socket: Socket): Promise<unknown> =>
  new Promise((resolve) => {
    socket.resume()
    socket.once('close', resolve)
  })

describe('an admin listener that is open before there is a gateway', () => {
  it('says that it starts until the public listener is open', async () => {
    const admin = await openAdminListener({ ADMIN_HOST: '127.0.0.1', ADMIN_PORT: 0 })
    const { port } = admin.address() as AddressInfo
    const ask = (path: string) => send(port, { method: 'GET', path, headers: {} })
    expect(await ask('/health/ready')).toMatchObject({ status: 503, text: '{"status":"starting"}' })
    const { gateway } = await silos({ us: (res) => res.end() }, { env: { HOST: '127.0.0.1', PORT: '0' } })
    expect((await ask('/health/ready')).status).toBe(503)
    const served = await serve(gateway, {}, admin)
    expect(await ask('/health/ready')).toMatchObject({ status: 200, text: '{"status":"ready"}' })
    await served.drain()
  })
})

describe('a drain', () => {
  it('turns ready to 503 at once, while live and the webhooks go on for DRAIN_DELAY_MS', async () => {
    const { clock, drain, health, action, regions, held } = await serving({ DRAIN_DELAY_MS: '5000' })
    expect((await health('ready')).status).toBe(200)
    const drained = drain()
    expect((await health('ready')).status).toBe(503)
    expect((await health('live')).status).toBe(200)

    clock.advance(4999)
    const reply = action()
    ;(await regions.us.nextRequest(), held[0])?.end('late')
    expect(await reply).toMatchObject({ status: 200, headers: { connection: 'close' } })

    clock.advance(1)
    await expect(drained).resolves.toBe(true)
    await expect(action()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await expect(health('live')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('answers what is in flight, and asks the connection to close', async () => {
    const { clock, drain, options, regions, held, health } = await serving()
    const reply = options()
    await regions.us.nextRequest()
    const drained = drain()
    clock.advance(0)
    await expect(options()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    // A probe that is refused would look like a crash.
    expect((await health('ready')).status).toBe(503)
    held[0]?.end('in time')
    expect(await reply).toMatchObject({ status: 200, text: 'in time', headers: { connection: 'close' } })
    await expect(drained).resolves.toBe(true)
  })

  it('waits for a region whose answer nobody waits for any more', async () => {
    const { clock, timers, drain, action, regions, held, records } = await serving()
    expect((await action()).text).toBe('from eu')
    await regions.us.nextRequest()
    let done = false
    const drained = drain().then((all) => {
      done = true
      return all
    })
    clock.advance(0)
    await expect.poll(timers).toBeLessThanOrEqual(2)
    expect(done).toBe(false)
    held[0]?.end('late')
    await expect(drained).resolves.toBe(true)
    expect(records[0]?.regions).toMatchObject([{ region: 'us', result: 'answered' }, { result: 'answered' }])
  })

  it('leaves nothing open: no connection to a region, no timer', async () => {
    const { clock, drain, action, regions, held } = await serving()
    const reply = action()
    await regions.us.nextRequest()
    held[0]?.end()
    await reply
    const drained = drain()
    clock.advance(0)
    await drained
    await expect.poll(() => regions.eu.connections()).toBe(0)
    // The gateway of `silos` has a listener of its own, which goes on looking at its connections.
    expect(clock.pending()).toBe(1)
  })

  it.each(['public', 'admin'] as const)(
    'is not held up by a %s connection on which nothing was ever sent',
    async (to) => {
      const { clock, drain, connection } = await serving()
      const silent = await connection('', to)
      const closed = gone(silent)
      const drained = drain()
      clock.advance(0)
      await closed
      await expect(drained).resolves.toBe(true)
    },
  )

  it('is not held up by a connection kept alive behind its last answer', async () => {
    const { clock, drain, connection } = await serving()
    const idle = await connection('GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n')
    const closed = gone(idle)
    const drained = drain()
    clock.advance(0)
    await closed
    await expect(drained).resolves.toBe(true)
  })

  it('still answers a request whose head was half here', async () => {
    const { clock, drain, connection } = await serving()
    const slow = await connection('GET /nowhere HTTP/1.1\r\nHost: x\r\n')
    const drained = drain()
    clock.advance(0)
    const heard: Buffer[] = []
    slow.on('data', (bytes: Buffer) => heard.push(bytes))
    const closed = gone(slow)
    slow.write('\r\n')
    await closed
    expect(Buffer.concat(heard).toString()).toMatch(/^HTTP\/1\.1 404 .*Connection: close\r\n/s)
    await expect(drained).resolves.toBe(true)
  })

  it('is not cut before DRAIN_DELAY_MS is over, however little is left by then', async () => {
    const env = { DRAIN_DELAY_MS: '5000', DRAIN_TIMEOUT_MS: '5010' }
    const { clock, drain, options, regions, held } = await serving(env)
    const drained = drain()
    clock.advance(4999)
    const reply = options()
    await regions.us.nextRequest()
    clock.advance(1)
    held[0]?.end('in time')
    expect(await reply).toMatchObject({ status: 200, text: 'in time' })
    await expect(drained).resolves.toBe(true)
  })

  it('is cut after DRAIN_TIMEOUT_MS, and then nothing is left open either', async () => {
    const { clock, drain, options, regions, connection, logs } = await serving({ DRAIN_TIMEOUT_MS: '1000' })
    const reply = options()
    reply.catch(() => {})
    await regions.us.nextRequest()
    const half = await connection('POST /slack/events HTTP/1.1\r\n')
    const closed = gone(half)
    const drained = drain()
    clock.advance(0)
    clock.advance(999)
    clock.advance(1)
    await expect(drained).resolves.toBe(false)
    // The webhook's and the unfinished one.
    expect(logs).toContainEqual({
      level: 'warn',
      message: 'The drain was cut short by DRAIN_TIMEOUT_MS',
      fields: { webhooks: 1, connections: 2 },
    })
    await closed
    await expect(reply).rejects.toMatchObject({ code: 'ECONNRESET' })
    clock.advance(1500)
  })
})
