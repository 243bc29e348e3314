import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openWorkplace, type Workplace } from '../../support/command-line.ts'
import { freePort } from '../../support/ports.ts'
import { eventCallback, slashCommand } from '../../support/slack-payloads.ts'
import { signSlack } from '../../support/slack-signer.ts'
import { SIGNING_SECRET, send, workspace } from '../../support/test-gateway.ts'

let place: Workplace
let databases = 0
let env: Record<string, string>

beforeAll(async () => {
  place = await openWorkplace()
  await place.write('regions.yaml', 'version: 1\nregions:\n  - { name: us, address: "http://127.0.0.1:9" }\n')
  await place.write('directory.json', JSON.stringify(workspace({ acme: 'us' })))
  await place.write('event.json', eventCallback().body)
  await place.write('command.txt', slashCommand().body)
})

beforeEach(async () => {
  databases += 1
  env = {
    DATABASE_URL: `sqlite:${join(place.folder, `explain-${databases}.db`)}`,
    SLACK_SIGNING_SECRETS: SIGNING_SECRET,
    ADMIN_PORT: String(await freePort()),
  }
  await place.cli(['directory', 'import', 'directory.json'], env)
})

afterAll(() => place.close())

const explain = (...args: string[]) => place.cli(['explain', ...args], env)
const EVENT = ['--body', 'event.json', '--path', '/extensions/slack/event/'] as const

describe('explain', () => {
  it('where no gateway runs decides on the store itself, and says so', async () => {
    const { exitCode, stdout, stderr } = await explain(...EVENT)
    expect([exitCode, stderr]).toEqual([
      0,
      'No gateway runs here, so breakers and what waits in mailboxes are not looked at.\n',
    ])
    expect(stdout.split('\n')).toEqual([
      'path: slack, webhook (event)',
      'request: event, type app_mention',
      'installation: T0ACME00001, app A0SILO00001, found in authorizations[0].team_id',
      'directory: found, 0 ms old',
      'integration: 1 "Acme", active',
      'organization: 10 acme in us, in',
      'region: us active, organizations 10, would be asked',
      'plan: the first region, us (event)',
      'outcome: event: sent to us; answered with 200',
      '',
    ])
  })

  it('takes a body for the form that it looks like', async () => {
    const { stdout } = await explain('--body', 'command.txt', '--path', '/slack/events', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ request: { surface: 'command', type: '/silo' } })
  })

  it('where a gateway runs decides as that one', async () => {
    const token = 'a-token-for-tests'
    const gateway = await place.serve({ ...env, ADMIN_TOKEN: token })
    const headers = { Authorization: `Bearer ${token}`, Host: '127.0.0.1' }
    const down = await send(gateway.adminPort, { method: 'POST', path: '/api/regions/us/down', headers })
    expect(down.status).toBe(200)
    env = { ...env, ADMIN_TOKEN: token }
    const { exitCode, stdout, stderr } = await explain(...EVENT, '--json')
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({
      regions: [{ name: 'us', state: 'down', override: 'down', breaker: 'closed', expected: 'waits' }],
    })

    env = { ...env, ADMIN_TOKEN: 'another' }
    const refused = await explain(...EVENT)
    expect([refused.exitCode, refused.stdout]).toEqual([1, ''])
    expect(refused.stderr).toMatch(/does not explain: .*ADMIN_TOKEN/)
    expect(refused.stderr.trimEnd()).not.toContain('\n')
    gateway.signal('SIGTERM')
    await gateway.ended

    // What the fleet was told is in the database.
    const alone = await explain(...EVENT, '--json')
    expect(JSON.parse(alone.stdout)).toMatchObject({ regions: [{ state: 'down', breaker: null, expected: 'waits' }] })
  })

  it('leaves a gateway of another database alone', async () => {
    const gateway = await place.serve(env)
    const other = { ...env, DATABASE_URL: `sqlite:${join(place.folder, `explain-other-${databases}.db`)}` }
    const { exitCode, stdout, stderr } = await place.cli(['explain', ...EVENT, '--json'], other)
    expect([exitCode, stderr]).toEqual([0, expect.stringMatching(/^No gateway runs here[^\n]*\n$/)])
    expect(JSON.parse(stdout)).toMatchObject({ integration: null, outcome: { kind: 'unknown_integration' } })
    gateway.signal('SIGTERM')
    await gateway.ended
  })

  it('tells of a webhook that came, by its delivery id, with a gateway and without', async () => {
    const gateway = await place.serve(env)
    const { body } = eventCallback()
    const headers = {
      'Content-Type': 'application/json',
      ...signSlack({ secret: SIGNING_SECRET, body, now: Date.now() }),
    }
    const reply = await send(gateway.port, { method: 'POST', path: '/slack/events', body, headers })
    const id = String(reply.headers['x-request-id'])
    const told = await explain(id)
    expect([told.exitCode, told.stderr]).toEqual([0, ''])
    expect(told.stdout).toMatch(/^delivery: .*\n(.*\n)*organization: 10 acme in us, in\n(.*\n)*outcome: spooled: /)
    gateway.signal('SIGTERM')
    await gateway.ended

    const { stdout } = await explain(id, '--json')
    expect(JSON.parse(stdout)).toMatchObject({ id, outcome: 'spooled', attempts: [{ result: 'connect_refused' }] })
  })

  it.each([
    ['a delivery that nobody knows', ['01M7Z4NFRDHF8FGYA62CWCHQYA'], 1, /nothing is recorded of delivery "01M7/],
    ['a delivery id beside a body', ['01M7Z4NFRDHF8FGYA62CWCHQYA', '--body', 'event.json'], 2, /stands alone/],
    ['a file that is not there', ['--body', 'nothing.json', '--path', '/slack/events'], 1, /nothing\.json/],
    ['no body', ['--path', '/slack/events'], 2, /--body/],
    ['no path', ['--body', 'event.json'], 2, /--path/],
  ])('fails in one line for %s', async (_what, args, exitCode, said) => {
    const run = await explain(...args)
    expect([run.exitCode, run.stdout]).toEqual([exitCode, ''])
    expect(run.stderr).toMatch(said)
    expect(run.stderr.trimEnd()).not.toContain('\n')
  })
})
