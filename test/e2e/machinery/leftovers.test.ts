import { spawnSync } from 'node:child_process'
import { mkdtempDisposableSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'

const checkout = join(import.meta.dirname, '../../..')

interface Report {
  readonly testResults: {
    readonly name: string
    readonly status: 'passed' | 'failed'
    readonly message: string
    readonly assertionResults: { readonly failureMessages: string[] | null }[]
  }[]
}

const outcomes = new Map<string, { status: string; why: string }>()

beforeAll(() => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'leftovers-'))
  const report = join(folder.path, 'report.json')
  const config = join(checkout, 'test/fixtures/leftovers/vitest.config.ts')
  const vitest = join(checkout, 'node_modules/vitest/vitest.mjs')
  const run = spawnSync(
    process.execPath,
    [vitest, 'run', '--config', config, '--reporter', 'json', '--outputFile', report],
    { cwd: checkout, encoding: 'utf8' },
  )
  if (run.status !== 1) throw new Error(`the fixtures should fail, and they ended with ${run.status}:\n${run.stderr}`)
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report
  for (const { name, status, message, assertionResults } of testResults) {
    const why = [message, ...assertionResults.flatMap(({ failureMessages }) => failureMessages ?? [])].join('\n')
    outcomes.set(basename(name, '.fixture.ts'), { status, why })
  }
})

describe('a test file fails when it leaves', () => {
  it.each([
    ['server', 'a TCP server'],
    ['socket', 'a TCP socket'],
    ['pool', 'a TCP socket'],
    ['timer', 'a timer'],
    ['process', 'a child process'],
  ])('a %s open', (fixture, what) => {
    expect(outcomes.get(fixture)).toMatchObject({ status: 'failed', why: expect.stringContaining(what) })
  })
})

describe('a test fails on', () => {
  it.each(['rejection', 'uncaught'])('an error nobody caught: %s', (fixture) => {
    expect(outcomes.get(fixture)).toMatchObject({
      status: 'failed',
      why: expect.stringContaining('an error that nobody caught'),
    })
  })
})

it('a test file that closes what it opened passes, though untidy files ran before it in the same process', () => {
  expect(outcomes.get('tidy')?.status).toBe('passed')
})
