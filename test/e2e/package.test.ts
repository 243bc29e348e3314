import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkout } from '../support/command-line.ts'
import { startPostgres, testsPostgres } from '../support/postgres-server.ts'
import { startRedis, testsRedis } from '../support/redis-server.ts'

const run = promisify(execFile)

let folder: string

// Built apart from the checkout's own dist, which may be old or in use.
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'silo-gateway-package-'))
  await cp(join(checkout, 'package.json'), join(folder, 'package.json'))
  await symlink(join(checkout, 'node_modules'), join(folder, 'node_modules'))
  await run(process.execPath, ['scripts/build.ts', join(folder, 'dist')], { cwd: checkout })
}, 60_000)

afterAll(() => rm(folder, { recursive: true }))

/** What the built package exports under this name, by node alone: no type stripping, no source. */
async function exportsOf(specifier: string): Promise<unknown> {
  const source = `console.log(JSON.stringify(Object.entries(await import('${specifier}')).map(([k, v]) => [k, typeof v])))`
  const args = ['--no-experimental-strip-types', '--input-type=module', '--eval', source]
  const { stdout } = await run(process.execPath, args, { cwd: folder })
  return Object.fromEntries(JSON.parse(stdout) as [string, string][])
}

describe('the built package', () => {
  it('exports the gateway, its middleware and its errors', async () => {
    expect(await exportsOf('silo-gateway')).toEqual({
      createGateway: 'function',
      gatewayMiddleware: 'function',
      SiloClientError: 'function',
      ConfigurationError: 'function',
    })
  })

  it('exports the region kit apart', async () => {
    expect(await exportsOf('silo-gateway/region-kit')).toEqual({
      regionMiddleware: 'function',
      verifyForwarded: 'function',
      ForwardedRequestError: 'function',
      rememberNonces: 'function',
    })
  })

  it('exports nothing of the inside', async () => {
    await expect(exportsOf('silo-gateway/dist/gateway.js')).rejects.toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  it('runs as the command silo-gateway', async () => {
    const { stdout } = await run(process.execPath, [join(folder, 'dist/main.js'), '--help'], { cwd: folder })
    expect(stdout).toMatch(/^Usage: silo-gateway /)
  })

  it('serves as that, its thread and all, with nothing else installed', async () => {
    expect(await served()).toContain('"public":')
  })

  // Their clients are loaded only then.
  it.skipIf(!testsPostgres() || !testsRedis())('serves on PostgreSQL and Redis as well', async () => {
    await using servers = new AsyncDisposableStack()
    const postgres = await startPostgres()
    servers.defer(() => postgres.close())
    const redis = await startRedis()
    servers.defer(() => redis.close())
    expect(await served([], { DATABASE_URL: await postgres.createDatabase(), REDIS_URL: redis.url })).toContain(
      '"public":',
    )
  })

  // The start would take a tenth longer.
  it("serves without Node's own copy of undici", async () => {
    const list = "data:text/javascript,process.on('exit', () => console.log(process.moduleLoadList.join()))"
    const text = await served(['--import', list])
    expect(text).toContain('NativeModule http')
    expect(text).not.toContain('internal/deps/undici')
  })
})

/** What it prints from its start to its end, in a folder of its own, with these arguments for Node and variables. */
async function served(nodeArgs: readonly string[] = [], env: Record<string, string> = {}): Promise<string> {
  const alone = await mkdtemp(join(tmpdir(), 'silo-gateway-command-'))
  await cp(join(folder, 'dist'), join(alone, 'dist'), { recursive: true })
  await cp(join(folder, 'package.json'), join(alone, 'package.json'))
  const regions = join(alone, 'regions.yaml')
  await writeFile(regions, 'version: 1\nregions:\n  - { name: us, address: http://127.0.0.1:9 }\n')
  const gateway = spawn(process.execPath, [...nodeArgs, join(alone, 'dist/main.js'), 'serve'], {
    env: {
      HOST: '127.0.0.1',
      PORT: '0',
      ADMIN_PORT: '0',
      REGIONS_FILE: regions,
      DATABASE_URL: `sqlite:${join(alone, 'gateway.db')}`,
      SLACK_SIGNING_SECRETS: 'secret',
      // What is loaded for it only is there as well.
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(gateway, 'exit')
  let text = ''
  for await (const chunk of gateway.stdout) {
    text += String(chunk)
    if (text.includes('"public":')) gateway.kill('SIGTERM')
  }
  expect(await ended).toEqual([0, null])
  await rm(alone, { recursive: true })
  return text
}
