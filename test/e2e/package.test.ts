import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkout } from '../support/command-line.ts'

const run = promisify(execFile)

let folder: string

// Built apart from the checkout's own dist, which may be old or in use.
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'silo-gateway-package-'))
  await cp(join(checkout, 'package.json'), join(folder, 'package.json'))
  await symlink(join(checkout, 'node_modules'), join(folder, 'node_modules'))
  const compiler = join(checkout, 'node_modules/@typescript/native/bin/tsc')
  await run(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')], {
    cwd: checkout,
  })
})

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
})
