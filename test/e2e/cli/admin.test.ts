import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openWorkplace, type Run, type ServeProcess, type Workplace } from '../../support/command-line.ts'
import { startFakeRegion, type FakeRegion } from '../../support/fake-region.ts'
import { slashCommand } from '../../support/slack-payloads.ts'
import { signSlack } from '../../support/slack-signer.ts'
import { send, SIGNING_SECRET, workspace } from '../../support/test-gateway.ts'

const ADMIN_TOKEN = 'open-sesame'

let place: Workplace
let region: FakeRegion
let gateway: ServeProcess

beforeAll(async () => {
  place = await openWorkplace()
  region = await startFakeRegion((res) => res.end('from us'))
  await place.write(
    'regions.yaml',
    `version: 1\nregions: [{ name: us, address: "${region.url}" }, { name: eu, address: "http://127.0.0.1:9" }]\n`,
  )
  await place.write('directory.json', JSON.stringify(workspace({ acme: 'us' })))
  gateway = await place.serve({ ADMIN_TOKEN, PAGE_SIGNING_SECRET: 'a secret for pages of 32 bytes or more' })
})
afterAll(async () => {
  await place.close()
  await region.close()
})

/** With what the server was given, as in its container. */
const cli = (args: readonly string[], env = {}): Promise<Run> =>
  place.cli(args, { ADMIN_TOKEN, ADMIN_PORT: String(gateway.adminPort), ...env })

interface Entry {
  readonly author: string
  readonly action: string
}

/** What the audit has of an action, the newest first. */
async function authorsOf(wanted: string): Promise<string[]> {
  const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` }
  const reply = await send(gateway.adminPort, { method: 'GET', path: '/api/audit', headers })
  const { items } = reply.json() as { items: Entry[] }
  return items.filter(({ action }) => action === wanted).map(({ author }) => author)
}

async function slackHears(): Promise<string> {
  const { body, contentType } = slashCommand({ trigger_id: randomUUID() })
  const headers = { 'Content-Type': contentType, ...signSlack({ secret: SIGNING_SECRET, body, now: Date.now() }) }
  return (await send(gateway.port, { method: 'POST', path: '/extensions/slack/commands/', body, headers })).text
}

describe('while a gateway runs', () => {
  it('an import is in effect as soon as the command has ended, though the gateway had asked before', async () => {
    expect(await slackHears()).not.toBe('from us')
    expect((await cli(['directory', 'import', 'directory.json'])).exitCode).toBe(0)
    expect(await slackHears()).toBe('from us')
  })

  it('has the changes made by it, which knows from whom they are', async () => {
    const moved = await cli(['directory', 'move', '10', '--to', 'eu', '--json'])
    expect(moved).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(moved.stdout)).toEqual({
      id: '10',
      slug: 'acme',
      region: 'eu',
      epoch: 1,
      held: false,
      moved_deliveries: 0,
      warnings: [],
    })
    expect(await slackHears()).not.toBe('from us')
    await cli(['directory', 'move', '10', '--to', 'us'])
    expect(await slackHears()).toBe('from us')
    expect(await authorsOf('organization.move')).toEqual(['admin token from 127.0.0.1', 'admin token from 127.0.0.1'])
  })

  it('says what is not there in the same words', async () => {
    expect(await cli(['directory', 'move', '99', '--to', 'eu'])).toMatchObject({
      exitCode: 1,
      stderr: 'There is no organization 99.\n',
    })
    expect(await cli(['mailbox', 'pause', '99'])).toMatchObject({
      exitCode: 1,
      stderr: 'There is no mailbox 99: mailbox list shows those there are.\n',
    })
    expect(await cli(['mailbox', 'replay', '99'])).toMatchObject({ exitCode: 1 })
    expect(await cli(['mailbox', 'replay', '--all'])).toMatchObject({ stdout: 'Replayed 0 dead letters.\n' })
    expect(await authorsOf('dead_letters.replay')).toEqual(['admin token from 127.0.0.1'])
  })

  it('has page tokens signed by it: the command need not know the secret', async () => {
    const signed = await cli(['page-token', '--integration', '1', '--user', 'U0WANDA0001', '--json'])
    expect(signed).toMatchObject({ exitCode: 0, stderr: '' })
    const { token } = JSON.parse(signed.stdout) as { token: string }
    const page = await send(gateway.port, {
      method: 'GET',
      path: `/extensions/slack/link-identity/${token}/`,
      headers: {},
    })
    expect(page.status).toBe(401)
    const refused = await cli(['page-token', '--integration', '99'])
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' })
    expect(refused.stderr).toMatch(/^the gateway at 127\.0\.0\.1:\d+ refuses: There is no such active integration\.\n$/)
  })

  it('with another token, says so and makes the change in the store', async () => {
    const moved = await cli(['directory', 'move', '10', '--to', 'us', '--hold'], { ADMIN_TOKEN: 'shut-sesame' })
    expect(moved.exitCode).toBe(0)
    expect(moved.stderr).toMatch(/^warning: the gateway at 127\.0\.0\.1:\d+ wants another ADMIN_TOKEN[^\n]*\n$/)
    expect(moved.stdout).toContain('It is held')
    expect(await authorsOf('organization.hold')).toEqual(['command line'])
    await cli(['directory', 'move', '10', '--release'])
  })

  it('on another database, leaves it alone', async () => {
    const env = { DATABASE_URL: 'sqlite:another.db' }
    await cli(['directory', 'import', 'directory.json'], env)
    const before = await authorsOf('organization.move')
    expect(await cli(['directory', 'move', '10', '--to', 'eu'], env)).toMatchObject({ exitCode: 0, stderr: '' })
    expect(await authorsOf('organization.move')).toEqual(before)
  })
})
