import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openWorkplace, type Run, type Variables, type Workplace } from '../../support/command-line.ts'

const sound = 'version: 1\nregions:\n  - { name: us, address: http://127.0.0.1:9101 }\n'
const env = { SLACK_SIGNING_SECRETS: 'a-secret', HOST: '127.0.0.1', PORT: '0', ADMIN_PORT: '0' }

let place: Workplace

beforeAll(async () => {
  place = await openWorkplace()
})

afterAll(() => place.close())

beforeEach(() => place.write('regions.yaml', sound))

/** Makes a process believe that it has been installed without its optional dependencies. */
const notInstalled = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  const missing = (name) => Object.assign(new Error('Cannot find package ' + name), { code: 'ERR_MODULE_NOT_FOUND' })
  registerHooks({
    resolve(name, context, next) {
      if (name.startsWith('@opentelemetry/')) throw missing(name)
      return next(name, context)
    },
  })
`)}`

const lines = (text: string) => text.split('\n').slice(0, -1)
const subjectOf = (fault: string) => fault.split(' ')[0] ?? ''

async function faultsOf(command: string, variables: Variables): Promise<string[]> {
  const run = await place.cli([command], variables)
  expectRefusal(run)
  return lines(run.stderr)
}

function expectRefusal({ exitCode, stdout, stderr }: Run): void {
  expect({ exitCode, stdout }, stderr).toEqual({ exitCode: 2, stdout: '' })
  expect(stderr).not.toMatch(/^ +at /m)
  expect(stderr).not.toContain('a-secret')
}

describe('what stops the start: exit 2, one line a fault', () => {
  it.each(['serve', 'check-config'])('%s: faults in regions.yaml, each with its line and column', async (command) => {
    await place.write(
      'regions.yaml',
      [
        'version: 1',
        'regions:',
        '  - name: us',
        '    address: ftp://127.0.0.1:9101',
        '    colour: red',
        '  - name: us',
        '    address: http://127.0.0.1:9102',
        '    max_queue: many',
        'slack: { events_on_failure: drop }',
        '',
      ].join('\n'),
    )
    const faults = await faultsOf(command, env)
    expect(faults.map((fault) => fault.split(' ').slice(0, 2).join(' ')).toSorted()).toEqual([
      'regions.yaml:4:14 regions[0].address',
      'regions.yaml:5:5 regions[0].colour',
      'regions.yaml:6:11 regions[1].name',
      'regions.yaml:8:16 regions[1].max_queue',
      'regions.yaml:9:29 slack.events_on_failure',
    ])
  })

  it('a regions.yaml that is no YAML', async () => {
    await place.write('regions.yaml', 'version: 1\nregions: [\n')
    const faults = await faultsOf('serve', env)
    expect(faults).toEqual([expect.stringMatching(/^regions\.yaml:\d+:\d+ \S/)])
  })

  it.each<[string, Variables, RegExp]>([
    ['no signing secret', { SLACK_SIGNING_SECRETS: undefined }, /^SLACK_SIGNING_SECRETS is required$/],
    ['an empty signing secret', { SLACK_SIGNING_SECRETS: '' }, /^SLACK_SIGNING_SECRETS is empty/],
    ['an empty one among others', { SLACK_SIGNING_SECRETS: 'a-secret,' }, /^SLACK_SIGNING_SECRETS entry 2 is empty$/],
    ['an admin listener open to all without a token', { ADMIN_HOST: '0.0.0.0' }, /^ADMIN_TOKEN must be set/],
    ['no regions file', { REGIONS_FILE: 'nowhere.yaml' }, /^REGIONS_FILE cannot read nowhere\.yaml/],
    ['a port that is none', { PORT: '80a' }, /^PORT must be a whole number/],
    [
      'an endpoint for traces that is no URL',
      { OTEL_EXPORTER_OTLP_ENDPOINT: '127.0.0.1:4318' },
      /^OTEL_EXPORTER_OTLP_ENDPOINT must be http:/,
    ],
  ])('%s', async (_, variables, said) => {
    expect(await faultsOf('serve', { ...env, ...variables })).toEqual([expect.stringMatching(said)])
  })

  it.each(['serve', 'check-config'])('%s: traces that are to be exported without OpenTelemetry', async (command) => {
    const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', NODE_OPTIONS: `--import=${notInstalled}` }
    expect(await faultsOf(command, { ...env, ...traced })).toEqual([
      expect.stringMatching(/^OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed: npm install/),
    ])
  })

  it('all of them at once, those of the environment and of regions.yaml', async () => {
    await place.write('regions.yaml', sound.replace('name: us', 'name: US'))
    const faults = await faultsOf('serve', { PORT: 'x', REDIS_URL: 'http://127.0.0.1' })
    expect(faults.map(subjectOf).toSorted()).toEqual([
      'PORT',
      'REDIS_URL',
      'SLACK_SIGNING_SECRETS',
      'regions.yaml:3:13',
    ])
  })
})

describe('serve', () => {
  it.each(['REGION', 'MONOLITH'])('refuses SILO_MODE=%s, exit 2, and leaves nothing behind', async (mode) => {
    const run = await place.cli(['serve'], { ...env, SILO_MODE: mode })
    expectRefusal(run)
    expect(run.stderr).toBe(`SILO_MODE is ${mode}: serve runs in the control silo only\n`)
    expect(await readdir(place.folder)).toEqual(['regions.yaml'])
  })

  it.each(['PORT', 'ADMIN_PORT'])('with %s in use: exit 1, one line that says which', async (name) => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    const { exitCode, stderr } = await place.cli(['serve'], { ...env, [name]: String(port), LOG_LEVEL: 'silent' })
    await new Promise((resolve) => other.close(resolve))
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(new RegExp(`^[^\\n]* 127\\.0\\.0\\.1:${port}: [^\\n]* ${name}\\n$`))
  })
})

describe('check-config', () => {
  it('says that all is well, exit 0', async () => {
    const { exitCode, stdout } = await place.cli(['check-config'], env)
    expect([exitCode, stdout]).toEqual([0, 'The configuration is valid. Regions in order of priority: us.\n'])
  })

  it('warns on stderr of a region without a signing key, and of what waits unencrypted', async () => {
    const { stderr } = await place.cli(['check-config'], env)
    expect(stderr).toMatch(/^warning: SPOOL_KEYS is not set[^\n]*\nwarning: region us has no signing_key[^\n]*\n$/)
  })

  it('--json prints one object for a program, without secrets', async () => {
    const { exitCode, stdout, stderr } = await place.cli(['check-config', '--json'], env)
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      faults: [],
      warnings: [
        expect.stringMatching(/^SPOOL_KEYS is not set/),
        expect.stringMatching(/^region us has no signing_key/),
      ],
      configuration: { HOST: '127.0.0.1', SLACK_SIGNING_SECRETS: 'set', regions: [{ name: 'us' }] },
    })
    expect(stdout).not.toContain('a-secret')
  })

  it('--json lists faults and exits 2', async () => {
    const { exitCode, stdout, stderr } = await place.cli(['check-config', '--json'], { ...env, PORT: 'x' })
    expect([exitCode, stderr]).toEqual([2, ''])
    expect(JSON.parse(stdout)).toEqual({ ok: false, faults: [expect.stringMatching(/^PORT must be/)] })
  })
})
