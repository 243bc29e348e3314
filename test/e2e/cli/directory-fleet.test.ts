import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openWorkplace, type Workplace } from '../../support/command-line.ts'
import { startRedis, testsRedis, type RedisServer } from '../../support/redis-server.ts'

describe.skipIf(!testsRedis())('directory import in a fleet', () => {
  let server: RedisServer
  let place: Workplace
  let env: Record<string, string>
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.close())
  beforeEach(async () => {
    place = await openWorkplace()
    await place.write('rows.ndjson', '{"id":10,"slug":"acme","region":"eu"}\n')
    env = { DATABASE_URL: 'sqlite:directory.db', REDIS_URL: server.url }
    return () => place.close()
  })

  it('tells the gateways of what has changed, and of nothing else', async () => {
    const gateway = new Redis(server.url)
    try {
      const heard: unknown[] = []
      gateway.on('message', (_channel: string, text: string) => heard.push(JSON.parse(text)))
      await gateway.subscribe('silo:0:news:directory')
      for (let time = 0; time < 2; time++) {
        expect(await place.cli(['directory', 'import', 'rows.ndjson'], env)).toMatchObject({ exitCode: 0 })
      }
      await gateway.ping()
      const text = JSON.stringify({ version: 1, what: { kind: 'all' } })
      expect(heard).toEqual([{ from: 'command line', text }])
    } finally {
      gateway.disconnect()
    }
  })

  it('is done, with a warning, where they cannot be told', async () => {
    env['REDIS_URL'] = 'redis://:geheim@127.0.0.1:1'
    const run = await place.cli(['directory', 'import', 'rows.ndjson'], env)
    expect(run.exitCode).toBe(0)
    expect(run.stderr).toContain('warning: Redis cannot be used: gateways see the change within 60 s\n')
    expect(run.stderr).not.toContain('geheim')
  })

  it('does nothing where REDIS_URL is wrong', async () => {
    env['REDIS_URL'] = 'http://127.0.0.1:1'
    expect(await place.cli(['directory', 'import', 'rows.ndjson'], env)).toMatchObject({ exitCode: 2, stdout: '' })
    const exported = await place.cli(['directory', 'export', '--ndjson'], env)
    expect(exported.stdout).toBe('')
  })
})
