import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { open, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { rootCertificates } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { openWorkplace, type ServeProcess, type StartedProcess, type Workplace } from '../../support/command-line.ts'
import { startFakeRegion, type FakeRegion } from '../../support/fake-region.ts'
import { freePort } from '../../support/ports.ts'
import { slashCommand } from '../../support/slack-payloads.ts'
import { signSlack } from '../../support/slack-signer.ts'
import { send, SIGNING_SECRET, workspace, type TestReply } from '../../support/test-gateway.ts'

const PAGE_SECRET = 'a secret for pages of 32 bytes or more'

let place: Workplace
let region: FakeRegion

beforeAll(async () => {
  place = await openWorkplace()
  await place.write('directory.json', JSON.stringify(workspace({ acme: 'us' })))
  await place.cli(['directory', 'import', 'directory.json'])
})

beforeEach(async () => {
  region = await startFakeRegion((res) => res.end('from us'))
  await place.write('regions.yaml', regionsYaml(region))
})

afterEach(async () => {
  await place.stopAll()
  await region.close()
})

afterAll(() => place.close())

function regionsYaml({ url }: { url: string }): string {
  return `version: 1\nregions:\n  - { name: us, address: '${url}' }\n`
}

function command(gateway: ServeProcess, secret = SIGNING_SECRET): Promise<TestReply> {
  // As Slack does: of two that are the same to the byte, the second would be a duplicate of the first.
  const { body, contentType } = slashCommand({ trigger_id: randomUUID() })
  const headers = { 'Content-Type': contentType, ...signSlack({ secret, body, now: Date.now() }) }
  return send(gateway.port, { method: 'POST', path: '/extensions/slack/commands/', body, headers })
}

const get = (port: number, path: string, headers: Record<string, string> = {}) =>
  send(port, { method: 'GET', path, headers })

/** Asks until the answer is as wanted; the test's own time ends what never comes. */
async function until<Answer>(ask: () => Promise<Answer>, wanted: (answer: Answer) => boolean): Promise<Answer> {
  for (;;) {
    const answer = await ask()
    if (wanted(answer)) return answer
  }
}

describe('serve', () => {
  it('takes signed webhooks to the region that the imported directory names, says that it is ready, and stops', async () => {
    const gateway = await place.serve()
    const reply = await command(gateway)
    expect([reply.status, reply.text]).toEqual([200, 'from us'])
    expect((await command(gateway, 'a guessed secret')).status).toBe(401)
    expect(region.requests).toHaveLength(1)

    const live = await get(gateway.adminPort, '/health/live')
    const ready = await get(gateway.adminPort, '/health/ready')
    expect([live.status, ready.status]).toEqual([200, 200])
    expect((await get(gateway.port, '/health/live')).status).toBe(404)

    const inJson = await place.cli(['healthcheck', '--json'], { ADMIN_PORT: String(gateway.adminPort) })
    expect([inJson.exitCode, JSON.parse(inJson.stdout)]).toEqual([0, { ready: true, status: 200 }])
    const asked = await place.cli(['healthcheck'], { ADMIN_PORT: String(gateway.adminPort) })
    expect(asked).toEqual({ exitCode: 0, stdout: '', stderr: '' })

    gateway.signal('SIGINT')
    expect(await gateway.ended).toMatchObject({ exitCode: 0, stderr: '' })
  })

  it('opens a page to the token that page-token signs', async () => {
    const env = {
      PAGE_SIGNING_SECRET: PAGE_SECRET,
      SLACK_SIGNING_SECRETS: SIGNING_SECRET,
      TRUSTED_PROXIES: '127.0.0.1',
    }
    const signed = await place.cli(['page-token', '--integration', '1', '--user', 'U0WANDA0001'], env)
    expect([signed.exitCode, signed.stderr]).toEqual([0, ''])

    const gateway = await place.serve(env)
    const path = `/extensions/slack/link-identity/${signed.stdout.trim()}/`
    const page = await get(gateway.port, path, { 'X-Forwarded-User': 'wanda@example.com' })
    expect(page.status).toBe(200)
    expect(page.text).toContain('wanda@example.com')
    expect(page.text).toContain('Acme')

    const audit = await get(gateway.adminPort, '/api/audit?limit=1')
    expect(JSON.parse(audit.text)).toMatchObject({
      items: [{ author: 'command line', action: 'page_token.sign', subject: 'integration 1' }],
    })
    expect(audit.text).not.toContain(signed.stdout.trim())
  })

  it('keeps signing secrets and page tokens out of its log', async () => {
    const env = { PAGE_SIGNING_SECRET: PAGE_SECRET, SLACK_SIGNING_SECRETS: SIGNING_SECRET, LOG_LEVEL: 'debug' }
    const signed = await place.cli(['page-token', '--integration', '1', '--json'], env)
    const { token } = JSON.parse(signed.stdout) as { token: string }

    const gateway = await place.serve(env)
    expect((await get(gateway.port, `/extensions/slack/link-team/${token}/`)).status).toBe(200)
    expect((await command(gateway)).status).toBe(200)
    gateway.signal('SIGTERM')
    const { stdout } = await gateway.ended
    expect(stdout).toContain('link-team')
    for (const secret of [SIGNING_SECRET, PAGE_SECRET, token]) expect(stdout).not.toContain(secret)
  })
})

describe('page-token', () => {
  const env = { PAGE_SIGNING_SECRET: PAGE_SECRET, SLACK_SIGNING_SECRETS: SIGNING_SECRET }

  it.each<[string, number, readonly string[], Record<string, string | undefined>, string]>([
    ['without PAGE_SIGNING_SECRET', 2, [], { PAGE_SIGNING_SECRET: undefined }, 'PAGE_SIGNING_SECRET is required'],
    [
      'of an integration that is not there',
      1,
      ['--integration', '2'],
      {},
      'No active integration of slack has the id 2',
    ],
    ['of an organization that is no id', 2, ['--organization', 'acme'], {}, "argument 'acme' is invalid"],
    ['of an integration that is no id', 2, ['--integration', '0'], {}, "argument '0' is invalid"],
    ['for more than 48 hours', 2, ['--expires-in', '49h'], {}, 'It is 1s to 48h.'],
    ['for less than a second', 2, ['--expires-in', '999ms'], {}, 'It is 1s to 48h.'],
  ])('%s is not signed: exit %i, one line', async (_, code, args, variables, said) => {
    const run = await place.cli(['page-token', '--integration', '1', ...args], { ...env, ...variables })
    expect([run.exitCode, run.stdout]).toEqual([code, ''])
    expect(run.stderr).toContain(said)
    expect(run.stderr).toMatch(/^[^\n]+\n$/)
  })
})

describe('while it starts', () => {
  it('is alive and not ready', async () => {
    // A database that takes the connection and says nothing.
    const taken: Socket[] = []
    const mute = createServer((socket) => void taken.push(socket.on('error', () => {})))
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      mute.close()
      for (const socket of taken) socket.destroy()
    })
    const database = `postgres://127.0.0.1:${(mute.address() as AddressInfo).port}/silo`
    const adminPort = await freePort()
    const gateway = place.startServe({ DATABASE_URL: database, ADMIN_PORT: String(adminPort) })
    const ask = (path: string) => get(adminPort, path)
    const ready = await until(
      () => ask('/health/ready').catch(() => undefined),
      (answer) => answer !== undefined,
    )
    expect([ready?.status, ready?.json()]).toEqual([503, { status: 'starting' }])
    expect((await ask('/health/live')).status).toBe(200)
    expect((await ask('/metrics')).json()).toMatchObject({ status: 503, code: 'starting' })
    gateway.signal('SIGTERM')
    expect(await gateway.ended).toMatchObject({ exitCode: 0, stderr: '' })
  })

  it('notices that a file of the configuration changes, and reads it again when it serves', async () => {
    const path = join(place.folder, 'locked.db')
    const locked = new DatabaseSync(path)
    onTestFinished(() => locked.close())
    locked.exec('BEGIN EXCLUSIVE')
    const adminPort = await freePort()
    const gateway = place.startServe({ DATABASE_URL: `sqlite:${path}`, ADMIN_PORT: String(adminPort) })
    await until(
      () => get(adminPort, '/health/ready').catch(() => undefined),
      (answer) => answer !== undefined,
    )
    const regions = regionsYaml(region)
    await place.write('regions.yaml', `${regions}${regions.split('\n')[2]?.replace('us', 'eu')}\n`)
    locked.exec('ROLLBACK')
    expect(await gateway.logged('The configuration was reloaded')).toMatchObject({ regions: ['us', 'eu'] })
  })
})

describe('healthcheck', () => {
  it('exits 1 with one line when nobody listens', async () => {
    const { exitCode, stdout, stderr } = await place.cli(['healthcheck'], { ADMIN_PORT: String(await freePort()) })
    expect([exitCode, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^not ready: [^\n]+\n$/)
  })

  it('says so in JSON too', async () => {
    const reply = await place.cli(['healthcheck', '--json'], { ADMIN_PORT: String(await freePort()) })
    expect([reply.exitCode, JSON.parse(reply.stdout)]).toEqual([1, { ready: false, status: null }])
  })

  it('does not guess a port that the system has chosen', async () => {
    const reply = await place.cli(['healthcheck'], { ADMIN_PORT: '0' })
    expect([reply.exitCode, reply.stderr]).toEqual([2, 'ADMIN_PORT is 0: say which port the gateway has taken\n'])
  })
})

describe('SIGTERM', () => {
  it('passes through npm: not ready, what is in flight is answered, nothing new is accepted, exit 0', async () => {
    let release = (): void => {}
    await region.close()
    region = await startFakeRegion((res) => (release = () => res.end('late, but here')))
    await place.write('regions.yaml', regionsYaml(region))
    const gateway = await place.serve({ SLACK_BUDGET_MS: '2900' }, { npm: true })

    const inFlight = command(gateway)
    await region.nextRequest()
    gateway.signal('SIGTERM')
    const ready = () => get(gateway.adminPort, '/health/ready')
    const draining = await until(ready, ({ status }) => status !== 200)
    expect([draining.status, draining.json()]).toEqual([503, { status: 'draining' }])
    const knock = () => get(gateway.port, '/').catch((error: NodeJS.ErrnoException) => error.code)
    expect(await until(knock, (answer) => answer === 'ECONNREFUSED')).toBe('ECONNREFUSED')

    release()
    const reply = await inFlight
    expect([reply.status, reply.text, reply.headers.connection]).toEqual([200, 'late, but here', 'close'])
    expect((await gateway.ended).exitCode).toBe(0)
  })

  it('goes on accepting for DRAIN_DELAY_MS, so that load balancers notice first', async () => {
    const gateway = await place.serve({ DRAIN_DELAY_MS: '500000', DRAIN_TIMEOUT_MS: '600000' })
    gateway.signal('SIGTERM')
    await until(
      () => get(gateway.adminPort, '/health/ready'),
      ({ status }) => status === 503,
    )
    const reply = await command(gateway)
    expect([reply.status, reply.text, reply.headers.connection]).toEqual([200, 'from us', 'close'])
    gateway.signal('SIGTERM')
    expect((await gateway.ended).exitCode).toBe(143)
  })

  it('ends a drain that takes longer than DRAIN_TIMEOUT_MS, exit 0', async () => {
    const gateway = await place.serve({ DRAIN_TIMEOUT_MS: '50' })
    const neverDone = connect(gateway.port, '127.0.0.1')
    const gone = new Promise((resolve) => neverDone.on('error', () => {}).on('close', resolve))
    neverDone.write('POST /slack/events HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n')
    await new Promise((resolve) => neverDone.once('connect', resolve))
    gateway.signal('SIGTERM')
    await gateway.logged('The drain was cut short by DRAIN_TIMEOUT_MS')
    expect(await gateway.ended).toMatchObject({ exitCode: 0, stderr: '' })
    await gone
  })
})

describe('a signal that comes before it serves', () => {
  /** Starts `serve` and signals it while it waits for the first file it reads. */
  async function signalled(name: NodeJS.Signals): Promise<StartedProcess> {
    const path = join(place.folder, 'slow-secret')
    await promisify(execFile)('mkfifo', [path])
    const gateway = place.startServe({ SLACK_SIGNING_SECRETS: undefined, SLACK_SIGNING_SECRETS_FILE: path })
    // Whoever opens a pipe to write waits for its reader, and the reader then waits for what is written.
    const pipe = await open(path, 'w')
    gateway.signal(name)
    // It is read again when the gateway is built: by then it is a file like any other.
    await rm(path)
    await writeFile(path, SIGNING_SECRET)
    await pipe.writeFile(SIGNING_SECRET)
    await pipe.close()
    onTestFinished(() => rm(path))
    return gateway
  }

  it('SIGTERM: it drains as soon as it could serve, exit 0', async () => {
    const gateway = await signalled('SIGTERM')
    expect(await gateway.ended).toMatchObject({ exitCode: 0, stderr: '' })
  })

  it('SIGHUP: the configuration is read once more when it serves', async () => {
    const gateway = await signalled('SIGHUP')
    await gateway.logged('The configuration was reloaded')
    gateway.signal('SIGTERM')
    expect(await gateway.ended).toMatchObject({ exitCode: 0, stderr: '' })
  })
})

describe('a changed configuration', () => {
  it('is in effect after SIGHUP; one that is not valid leaves the old', async () => {
    const other = await startFakeRegion((res) => res.end('from the other address'))
    const gateway = await place.serve()

    await place.write('regions.yaml', 'version: 1\nregions: [{ name: us }]\n')
    gateway.signal('SIGHUP')
    const refused = await gateway.logged('The changed configuration is not valid; the old one stays')
    expect(refused['faults']).toEqual([expect.stringMatching(/^\S*regions\.yaml:2:\d+ regions\[0\]\.address /)])
    expect((await command(gateway)).text).toBe('from us')

    await place.write('regions.yaml', regionsYaml(other))
    gateway.signal('SIGHUP')
    await gateway.logged('The configuration was reloaded')
    expect((await command(gateway)).text).toBe('from the other address')
    await other.close()
  })

  it('is in effect once a file is there that it named before', async () => {
    const gateway = await place.serve()
    const authority = join(place.folder, 'authority.pem')
    await rm(authority, { force: true })
    const withTls = regionsYaml(region).replace(' }', `, tls: { ca_file: '${authority}' } }`)
    await place.write('regions.yaml', withTls.replace('http:', 'https:'))
    await gateway.logged('The changed configuration is not valid; the old one stays')
    await writeFile(authority, rootCertificates[0] ?? '')
    expect(await gateway.logged('The configuration was reloaded')).toMatchObject({ regions: ['us'] })
  })

  it('is in effect once its file has changed, that of a secret too', async () => {
    const other = await startFakeRegion((res) => res.end('from the other address'))
    const secretFile = await place.write('secrets', `${SIGNING_SECRET}\n`)
    const gateway = await place.serve({ SLACK_SIGNING_SECRETS: undefined, SLACK_SIGNING_SECRETS_FILE: secretFile })
    expect((await command(gateway)).text).toBe('from us')

    await place.write('regions.yaml', regionsYaml(other))
    await until(
      () => command(gateway),
      ({ text }) => text === 'from the other address',
    )

    await writeFile(secretFile, 'the next secret\n')
    await until(
      () => command(gateway, 'the next secret'),
      ({ status }) => status === 200,
    )
    expect((await command(gateway)).status).toBe(401)

    await writeFile(secretFile, '')
    await gateway.logged('The changed configuration is not valid; the old one stays')
    expect((await command(gateway, 'the next secret')).status).toBe(200)
    await other.close()
  })
})
