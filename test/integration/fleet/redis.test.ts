import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openRedis, type Redis } from '../../../src/fleet/redis.ts'
import { createCounters } from '../../../src/telemetry/counters.ts'
import { openTestRedis, type TestRedis } from '../../support/fleet.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { startRedis, testsRedis, type RedisServer } from '../../support/redis-server.ts'
import { until } from '../../support/steps.ts'

const PASSWORD = 'hush-hush-4711'
const opened: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close()
})

async function open(url: string): Promise<TestRedis> {
  const redis = await openTestRedis(url)
  opened.push(() => redis.redis.close())
  return redis
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  opened.push(() => new Promise((resolve) => server.close(resolve)))
  return (server.address() as AddressInfo).port
}

const echo = (redis: Redis, text: string) => redis.ask((client) => client.echo(text))
const failures = ({ counters }: TestRedis) => counters.read().get('redis_failures_total') ?? 0

describe.skipIf(!testsRedis())('Redis', { timeout: 30_000 }, () => {
  let server: RedisServer
  beforeAll(async () => void (server = await startRedis()))
  afterAll(() => server.close())

  it('that answers is told of no more than that: nothing is logged, nothing counted', async () => {
    const opened = await open(server.url)
    expect(await echo(opened.redis, 'hello')).toBe('hello')
    expect([opened.lines, failures(opened)]).toEqual([[], 0])
  })

  it('that hangs is waited for once, and not by everybody who comes after', async () => {
    const opened = await open(server.url)
    server.pause()
    try {
      await expect(echo(opened.redis, 'hello')).rejects.toThrow('no answer within 100 ms')
      const before = failures(opened)
      for (let index = 0; index < 1000; index++) {
        await expect(echo(opened.redis, 'hello')).rejects.toThrow('Redis cannot be used')
      }
      // What looked whether it is back may have failed meanwhile, but nobody has asked it anything.
      expect(failures(opened) - before).toBeLessThan(10)
    } finally {
      server.resume()
    }
    await opened.said('Redis works again')
    expect(await echo(opened.redis, 'hello')).toBe('hello')
  })

  it('that has answered a process which stood still is not taken for one that hangs', async () => {
    const { redis } = await open(server.url)
    server.pause()
    const asked = echo(redis, 'hello')
    for (let turn = 0; turn < 3; turn++) await nextTurn()
    server.resume()
    // It answers while nobody looks.
    const end = performance.now() + 300
    while (performance.now() < end);
    expect(await asked).toBe('hello')
  })

  it('that hangs keeps nobody from closing', async () => {
    const { redis } = await openTestRedis(server.url)
    server.pause()
    try {
      await expect(echo(redis, 'hello')).rejects.toThrow('no answer')
      await redis.close()
    } finally {
      server.resume()
    }
  })

  it('is told before it is closed what has just been begun', async () => {
    const { redis } = await openTestRedis(server.url)
    const told = redis.ask((client) => client.set('silo:last', 'words'))
    await redis.close()
    expect(await told).toBe('OK')
    expect(await server.run('GET', 'silo:last')).toBe('words')
  })

  it('is asked in the database that its URL names', async () => {
    const { redis } = await open(`${server.url}/3`)
    await redis.ask((client) => client.set('silo:here', 'in 3'))
    expect(await server.run('GET', 'silo:here')).toBeNull()
    expect(redis.channel('news')).toBe('silo:3:news')
  })

  it('that is told a wrong password is away; the log says why, and not what was told', async () => {
    const guarded = await startRedis([['requirepass', 'another']])
    opened.push(() => guarded.close())
    const { redis, lines } = await open(guarded.url.replace('//', `//:${PASSWORD}@`))
    await expect(echo(redis, 'hello')).rejects.toThrow('Redis cannot be used')
    expect(lines.join('\n')).toContain('WRONGPASS')
    expect(lines.join('\n')).not.toContain(PASSWORD)
  })

  it('is asked over TLS where the URL says rediss', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'redis-tls-'))
    opened.push(async () => rmSync(folder, { recursive: true }))
    const file = (name: string) => join(folder, name)
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file('key.pem')]
    const names = ['-subj', '/CN=redis', '-addext', 'subjectAltName=IP:127.0.0.1']
    execFileSync('openssl', ['req', '-x509', ...key, '-out', file('cert.pem'), '-days', '2', ...names], {
      stdio: 'pipe',
    })
    const cert = readFileSync(file('cert.pem'))
    const port = await listen(
      createTlsServer({ key: readFileSync(file('key.pem')), cert }, (socket) => {
        const behind = connect(server.port, '127.0.0.1')
        // A connection that breaks ends no pipe.
        socket.on('error', () => {}).on('close', () => behind.destroy())
        behind.on('error', () => {}).on('close', () => socket.destroy())
        socket.pipe(behind).pipe(socket)
      }),
    )

    const stranger = await open(`rediss://127.0.0.1:${port}`)
    await expect(echo(stranger.redis, 'hello')).rejects.toThrow('Redis cannot be used')
    expect(stranger.lines.join('\n')).toContain('self-signed certificate')

    const before = getCACertificates('default')
    setDefaultCACertificates([...before, cert.toString()])
    opened.push(async () => setDefaultCACertificates(before))
    const { redis } = await open(`rediss://127.0.0.1:${port}`)
    expect(await echo(redis, 'hello')).toBe('hello')
  })
})

describe('what is not Redis', { timeout: 30_000 }, () => {
  it('and repeats what it was told in its error does not bring a password into the log', async () => {
    const port = await listen(
      createServer((socket) => {
        socket.on('error', () => {})
        socket.on('data', (bytes) => {
          const commands = bytes.toString().match(/^\*\d/gm) ?? []
          for (let count = 0; count < commands.length; count++)
            socket.write(`-ERR unknown command 'HELLO', with args: 'AUTH' 'default' '${PASSWORD}'\r\n`)
        })
      }),
    )
    const { lines } = await open(`redis://:${PASSWORD}@127.0.0.1:${port}`)
    expect(lines.join('\n')).toContain('unknown command')
    expect(lines.join('\n')).toContain('***')
    expect(lines.join('\n')).not.toContain(PASSWORD)
  })

  it('and takes connections without a word is connected to again', async () => {
    let connections = 0
    const port = await listen(
      createServer((socket) => {
        connections += 1
        socket.on('error', () => {}).resume()
      }),
    )
    const clock = createManualClock()
    const counters = createCounters()
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    const opening = openRedis({ url: `redis://127.0.0.1:${port}`, clock, counters, log, alarms: { raise() {} } })
    const state: { redis?: Redis } = {}
    void opening.then((redis) => (state.redis = redis))
    await until(clock, () => state.redis !== undefined)
    opened.push(async () => await state.redis?.close())
    const first = connections
    await until(clock, () => connections >= first + 2)
    expect(connections).toBeGreaterThan(2)
  })
})
