import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { PAGE_SECRET, signToken } from '../support/page-token.ts'
import { startFakeRegion, type Answer } from '../support/fake-region.ts'
import { createManualClock } from '../support/manual-clock.ts'
import { freePort } from '../support/ports.ts'
import { rawClient } from '../support/raw-client.ts'
import { startSilo, type Silo, type SiloOptions } from '../support/silo.ts'
import { FORM } from '../support/slack-payloads.ts'
import { startTestGateway, workspace, type DirectoryContent, type TestReply } from '../support/test-gateway.ts'

const user = 'wanda@example.com'
const slackUser = 'U0WANDA0001'
const believed = { TRUSTED_PROXIES: '127.0.0.1' }
const inAnHour = () => Math.floor(Date.now() / 1000) + 3600

let opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.toReversed()) await one.close()
  opened = []
})

async function silo({ env, ...options }: Partial<SiloOptions> = {}): Promise<Silo> {
  const started = await startSilo({
    regions: { us: {}, eu: {} },
    directory: workspace({ acme: 'us', beta: 'eu' }),
    ...options,
    env: { PAGE_SIGNING_SECRET: PAGE_SECRET, ...believed, ...env },
  })
  opened.push(started)
  return started
}

function pathOf(purpose: string, claims: Record<string, unknown> = {}, options: Parameters<typeof signToken>[1] = {}) {
  const all = { exp: inAnHour(), integration_id: 1, slack_user_id: slackUser, ...claims }
  return `/extensions/slack/${purpose}/${signToken(all, options)}/`
}

const post = (gateway: Silo, path: string, body: string, headers: Record<string, string> = {}) =>
  gateway.post(path, body, { contentType: FORM, secret: null, headers })

const formKeyIn = ({ text }: TestReply) => /name="form_key" value="([^"]+)"/.exec(text)?.[1] ?? 'there was no form'

/** Regions that note that they were asked before they answer. */
function recordingRegions() {
  const asked: string[] = []
  const answering =
    (name: string): Answer =>
    (res) => {
      asked.push(name)
      res.end(name)
    }
  return { asked, answers: { us: answering('us'), eu: answering('eu') } }
}

/** Opens the page and sends its form back, as a browser does behind a proxy that says who is signed in. */
async function submit(gateway: Silo, path: string, headers: Record<string, string> = {}): Promise<TestReply> {
  const shown = await gateway.get(path, { 'X-Forwarded-User': user })
  return await post(gateway, path, `form_key=${formKeyIn(shown)}`, { 'X-Forwarded-User': user, ...headers })
}

const identityIn = (gateway: Silo, externalUserId = slackUser) =>
  gateway.gateway.store.identities.find('1', externalUserId)

/** A page for a person: never JSON, nothing of the inside, and every header that keeps the link to itself. */
function expectPage(reply: TestReply, status: number, heading: string): void {
  expect([reply.status, /<h1>(.*)<\/h1>/.exec(reply.text)?.[1]]).toEqual([status, heading])
  expect(reply.headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': expect.stringMatching(/^default-src 'none'; .*frame-ancestors 'none'/),
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    'x-robots-tag': 'noindex',
    'x-request-id': expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
  })
  expect(reply.text).not.toMatch(/127\.0\.0\.1|\b(us|eu)\b|region|silo|timeout|refused|<script|\.ts:/i)
}

const invalidLink = 'This link is not valid or has expired'
const failed = 'Something went wrong'
const purposes = ['link-identity', 'unlink-identity', 'link-team', 'unlink-team']

describe('link-identity', () => {
  it('is shown however long its head takes', async () => {
    const clock = createManualClock()
    const gateway = await silo({ clock })
    const arrives = once(gateway.server, 'connection') as Promise<[Socket]>
    const caller = rawClient(gateway.port)
    const [socket] = await arrives
    const begins = once(socket, 'data')
    const exp = Math.floor(clock.now() / 1000) + 3600
    caller.write(`GET ${pathOf('link-identity', { exp })} HTTP/1.1\r\nHost: gateway\r\n`)
    await begins
    clock.advance(2500)
    caller.write(`X-Forwarded-User: ${user}\r\n\r\n`)
    expect(await caller.hears(/<\/html>/)).toMatch(/^HTTP\/1\.1 200 /)
    caller.socket.destroy()
  })

  it('shows an error page while the database cannot be asked: 503, and the log says why', async () => {
    const gateway = await silo()
    const path = pathOf('link-identity')
    const shown = await gateway.get(path, { 'X-Forwarded-User': user })
    await gateway.gateway.store.close()
    expectPage(await gateway.get(path, { 'X-Forwarded-User': user }), 503, failed)
    const form = `form_key=${formKeyIn(shown)}`
    expectPage(await post(gateway, path, form, { 'X-Forwarded-User': user }), 503, failed)
    expect(gateway.logs).toContainEqual({
      level: 'error',
      message: 'The database could not be asked for an identity page',
      fields: { err: expect.any(Error), leftOut: 0 },
    })
  })

  it('asks on GET: who, which workspace, which Slack user; and stores nothing yet', async () => {
    const gateway = await silo()
    const reply = await gateway.get(pathOf('link-identity'), { 'X-Forwarded-User': user })
    expectPage(reply, 200, 'Link your Slack account?')
    for (const word of [user, 'Acme', slackUser]) expect(reply.text).toContain(`<dd>${word}</dd>`)
    expect(await identityIn(gateway)).toBeUndefined()
  })

  it('stores on POST that the Slack user is who is signed in', async () => {
    const gateway = await silo()
    expectPage(await submit(gateway, pathOf('link-identity')), 200, 'Your Slack account is linked')
    expect(await identityIn(gateway)).toEqual({ integrationId: '1', externalUserId: slackUser, user })
  })

  it('is answered here: no region hears of it', async () => {
    const { asked, answers } = recordingRegions()
    await submit(await silo({ answers }), pathOf('link-identity'))
    expect(asked).toEqual([])
  })

  it('shows hostile names as names', async () => {
    const gateway = await silo({
      directory: workspace({ acme: 'us' }, { name: '<img src=x onerror=alert(1)>"\'&amp;' }),
    })
    const path = pathOf('link-identity', { slack_user_id: '</dd><script>alert(1)</script>' })
    for (const reply of [
      await gateway.get(path, { 'X-Forwarded-User': '"><svg onload=alert(1)>' }),
      await submit(gateway, path),
    ]) {
      expect(reply.status).toBe(200)
      expect(reply.text).toContain('&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;amp;')
      expect(reply.text).not.toMatch(/<(script|img|svg)/i)
    }
  })
})

describe('unlink-identity', () => {
  it('removes the link on POST, and not before', async () => {
    const gateway = await silo()
    await submit(gateway, pathOf('link-identity'))
    const path = pathOf('unlink-identity')
    expectPage(await gateway.get(path, { 'X-Forwarded-User': user }), 200, 'Unlink your Slack account?')
    expect(await identityIn(gateway)).toBeDefined()
    expectPage(await submit(gateway, path), 200, 'Your Slack account is unlinked')
    expect(await identityIn(gateway)).toBeUndefined()
  })

  it("leaves somebody else's link alone", async () => {
    const gateway = await silo()
    await gateway.gateway.store.identities.link({ integrationId: '1', externalUserId: slackUser, user: 'juma' })
    expectPage(await submit(gateway, pathOf('unlink-identity')), 200, 'Your Slack account was not linked')
    expect(await identityIn(gateway)).toMatchObject({ user: 'juma' })
  })
})

describe('the mark of a page', () => {
  it('tells apart what asks, what is done and what is not', async () => {
    const gateway = await silo()
    const markOf = ({ text }: TestReply) => /<body class="(\w+)">/.exec(text)?.[1]
    const path = pathOf('unlink-identity')
    expect(markOf(await gateway.get(path, { 'X-Forwarded-User': user }))).toBe('asks')
    expect(markOf(await submit(gateway, path))).toBe('warns')
    expect(markOf(await submit(gateway, pathOf('link-identity')))).toBe('done')
    expect(markOf(await submit(gateway, path))).toBe('done')
    expect(markOf(await gateway.get(path))).toBe('warns')
  })
})

describe('who is signed in', () => {
  const refused = 'Nobody is signed in'

  it('is believed from no peer unless TRUSTED_PROXIES says so', async () => {
    const gateway = await silo({ env: { TRUSTED_PROXIES: undefined } })
    expectPage(await gateway.get(pathOf('link-identity'), { 'X-Forwarded-User': user }), 401, refused)
  })

  it('is not believed from a peer outside TRUSTED_PROXIES, on POST either', async () => {
    const gateway = await silo({ env: { TRUSTED_PROXIES: '10.0.0.0/8, 127.0.0.2' } })
    const path = pathOf('link-identity')
    expectPage(await post(gateway, path, 'form_key=x', { 'X-Forwarded-User': user }), 401, refused)
    expect(await identityIn(gateway)).toBeUndefined()
  })

  it('is 401 when the trusted proxy names nobody', async () => {
    const gateway = await silo()
    expectPage(await gateway.get(pathOf('link-identity')), 401, refused)
    expectPage(await gateway.get(pathOf('link-identity'), { 'X-Forwarded-User': '' }), 401, refused)
  })

  it('is read from IDENTITY_HEADER, and then from no other', async () => {
    const gateway = await silo({ env: { IDENTITY_HEADER: 'Remote-User', TRUSTED_PROXIES: '127.0.0.0/8' } })
    const named = await gateway.get(pathOf('link-identity'), { 'Remote-User': user, 'X-Forwarded-User': 'juma' })
    expect(named.text).toContain(`<dd>${user}</dd>`)
    expectPage(await gateway.get(pathOf('link-identity'), { 'X-Forwarded-User': user }), 401, refused)
  })
})

describe('a form that is not ours', () => {
  it.each<[string, (path: string, gateway: Silo) => Promise<string>]>([
    ['without a key', () => Promise.resolve('')],
    ['with a guessed key', () => Promise.resolve(`form_key=${'A'.repeat(43)}`)],
    [
      "with a key of somebody else's page",
      async (path, gateway) => `form_key=${formKeyIn(await gateway.get(path, { 'X-Forwarded-User': 'juma' }))}`,
    ],
    [
      "with another link's key",
      async (_, gateway) => {
        const other = pathOf('link-identity', { slack_user_id: 'U0JUMA00001' })
        return `form_key=${formKeyIn(await gateway.get(other, { 'X-Forwarded-User': user }))}`
      },
    ],
  ])('%s gets a 400 page and changes nothing', async (_, body) => {
    const gateway = await silo()
    const path = pathOf('link-identity')
    const reply = await post(gateway, path, await body(path, gateway), { 'X-Forwarded-User': user })
    expectPage(reply, 400, invalidLink)
    expect(await identityIn(gateway)).toBeUndefined()
  })

  it('sent by another site is refused even with the right key', async () => {
    const gateway = await silo()
    const path = pathOf('link-identity')
    expectPage(await submit(gateway, path, { Origin: 'https://evil.example' }), 400, invalidLink)
    expectPage(await submit(gateway, path, { 'Sec-Fetch-Site': 'cross-site' }), 400, invalidLink)
    expect(await identityIn(gateway)).toBeUndefined()
  })

  it('is told from ours by the host that the trusted proxy was asked for', async () => {
    const gateway = await silo()
    const headers = { 'X-Forwarded-Host': 'hooks.example.com', Origin: 'https://hooks.example.com' }
    expectPage(await submit(gateway, pathOf('link-identity'), headers), 200, 'Your Slack account is linked')
  })

  it('of more than 4 KiB is not read', async () => {
    const gateway = await silo()
    const reply = await post(gateway, pathOf('link-identity'), `x=${'y'.repeat(5000)}`, { 'X-Forwarded-User': user })
    expectPage(reply, 413, 'The body is too large')
  })
})

describe.each(purposes)('a token that is not good (%s)', (purpose) => {
  const now = Math.floor(Date.now() / 1000)
  const claims = { exp: inAnHour(), integration_id: 1, slack_user_id: slackUser }
  const unsigned = [{ alg: 'none' }, claims].map((value) => Buffer.from(JSON.stringify(value)).toString('base64url'))

  it.each<[string, string]>([
    ['expired', signToken({ ...claims, exp: now - 1 })],
    ['without an end', signToken({ ...claims, exp: undefined })],
    ['that lives longer than 48 hours', signToken({ ...claims, exp: now + 48 * 3600 + 60 })],
    ['signed with a foreign secret', signToken(claims, { secret: 'another secret of more than thirty-two bytes' })],
    ['changed after it was signed', changed(signToken(claims))],
    ['with alg none', `${unsigned.join('.')}.`],
    ['signed with another algorithm', signToken(claims, { header: { alg: 'HS512' }, hash: 'sha512' })],
    ['without an integration', signToken({ ...claims, integration_id: undefined })],
    ['of an integration that is not known', signToken({ ...claims, integration_id: 2 })],
    ['that is no token', 'hello'],
  ])('%s gets a 400 page, on GET and POST', async (_, token) => {
    const { asked, answers } = recordingRegions()
    const gateway = await silo({ answers })
    const path = `/extensions/slack/${purpose}/${token}/`
    expectPage(await gateway.get(path, { 'X-Forwarded-User': user }), 400, invalidLink)
    expectPage(await post(gateway, path, '', { 'X-Forwarded-User': user }), 400, invalidLink)
    expect(asked).toEqual([])
  })

  function changed(token: string): string {
    const [header = '', , signature = ''] = token.split('.')
    const other = Buffer.from(JSON.stringify({ ...claims, integration_id: 7 })).toString('base64url')
    return [header, other, signature].join('.')
  }
})

describe('a token for an identity page', () => {
  it('that names no Slack user gets a 400 page', async () => {
    const gateway = await silo()
    const path = pathOf('link-identity', { slack_user_id: undefined })
    expectPage(await gateway.get(path, { 'X-Forwarded-User': user }), 400, invalidLink)
  })

  it('may carry other claims, and ids as text', async () => {
    const gateway = await silo()
    const path = pathOf('link-identity', { integration_id: '1', iss: 'us', scope: ['a'] })
    expectPage(await gateway.get(path, { 'X-Forwarded-User': user }), 200, 'Link your Slack account?')
  })
})

describe('the page paths', () => {
  it.each(purposes)('answer 404 without PAGE_SIGNING_SECRET: %s', async (purpose) => {
    const gateway = await silo({ env: { PAGE_SIGNING_SECRET: undefined } })
    const reply = await gateway.get(pathOf(purpose), { 'X-Forwarded-User': user })
    expect([reply.status, reply.json()]).toMatchObject([404, { code: 'not_found' }])
  })

  it.each(purposes)('take GET and POST only: %s', async (purpose) => {
    const gateway = await silo()
    const reply = await gateway.post(pathOf(purpose), '', { secret: null, method: 'DELETE' })
    expectPage(reply, 405, 'This path does not take this method')
    expect(reply.headers.allow).toBe('GET, POST')
  })
})

describe.each(['link-team', 'unlink-team'])('%s', (purpose) => {
  const echo: Answer = (res, { method, url, headers, body }) => {
    res.setHeader('Set-Cookie', ['session=1; HttpOnly', 'theme=dark'])
    res.setHeader('Content-Type', 'text/html')
    res.end(`<p>${method} ${url} ${headers.cookie} ${body.toString()}</p>`)
  }

  it('goes to the first region with its path, its query and its cookies, and cookies come back', async () => {
    const gateway = await silo({ answers: { us: echo, eu: echo } })
    const path = `${pathOf(purpose)}?step=2&x=%2F`
    const reply = await gateway.get(path, { Cookie: 'session=0; a=b' })
    expect([reply.status, reply.text]).toEqual([200, `<p>GET ${path} session=0; a=b </p>`])
    expect(reply.headers['set-cookie']).toEqual(['session=1; HttpOnly', 'theme=dark'])
  })

  it('takes a form there, more than 4 KiB of it', async () => {
    const gateway = await silo({ answers: { us: echo, eu: echo } })
    const body = `channel=${'C'.repeat(10_000)}`
    const reply = await post(gateway, pathOf(purpose), body, { Cookie: 'a=b' })
    expect(reply.status).toBe(200)
    expect(reply.text).toContain(body)
  })

  it("goes to the region of the token's organization only", async () => {
    const { asked, answers } = recordingRegions()
    const gateway = await silo({ answers })
    expect((await gateway.get(pathOf(purpose, { organization_id: 11 }))).text).toBe('eu')
    expect((await gateway.get(pathOf(purpose, { organization_id: '11' }))).text).toBe('eu')
    expect((await gateway.get(pathOf(purpose, { organization_id: 99 }))).text).toBe('us')
    expect(asked).toEqual(['eu', 'eu', 'us'])
  })

  it('needs nobody to be signed in', async () => {
    const gateway = await silo({ env: { TRUSTED_PROXIES: undefined } })
    expect((await gateway.get(pathOf(purpose))).status).toBe(200)
  })

  it("makes a Location on the region's own address relative, and leaves another", async () => {
    const redirect: Answer = (res, _, req) => {
      const own = new URL(req.url ?? '', `http://${req.headers.host}`).searchParams.has('own')
      res.writeHead(303, { Location: own ? `http://${req.headers.host}/done?a=1#b` : 'https://slack.com/app_redirect' })
      res.end()
    }
    const gateway = await silo({ answers: { us: redirect } })
    const own = await gateway.get(`${pathOf(purpose)}?own`)
    expect([own.status, own.headers.location]).toEqual([303, '/done?a=1#b'])
    const foreign = await gateway.get(pathOf(purpose))
    expect([foreign.status, foreign.headers.location]).toEqual([303, 'https://slack.com/app_redirect'])
  })

  it('passes the answer of a region through that is no success, as it is', async () => {
    const gateway = await silo({ answers: { us: (res) => res.writeHead(403).end('not yours') } })
    const reply = await gateway.get(pathOf(purpose))
    expect([reply.status, reply.text]).toEqual([403, 'not yours'])
  })

  it('shows an error page when the region fails: 502', async () => {
    const gateway = await silo({ answers: { us: (res) => res.writeHead(500).end('stack trace at us.internal:1') } })
    expectPage(await gateway.get(pathOf(purpose)), 502, failed)
  })

  it('shows an error page when the region cannot be reached: 502', async () => {
    const refusing = await startTestGateway({
      regions: [{ name: 'us', address: `http://127.0.0.1:${await freePort()}` }],
      directory: workspace({ acme: 'us' }),
      env: { PAGE_SIGNING_SECRET: PAGE_SECRET },
    })
    opened.push(refusing)
    expectPage(await refusing.get(pathOf(purpose)), 502, failed)
  })

  it('shows an error page when the region is switched off: 503', async () => {
    const gateway = await silo({ regions: { us: { state: 'down' }, eu: {} } })
    expectPage(await gateway.get(pathOf(purpose)), 503, failed)
  })

  it('shows an error page when the region is late: 504', async () => {
    const silent = await startFakeRegion(() => {})
    const impatient = await startTestGateway({
      regions: [{ name: 'us', address: silent.url }],
      directory: workspace({ acme: 'us' }),
      env: { PAGE_SIGNING_SECRET: PAGE_SECRET, SLACK_BUDGET_MS: '50' },
    })
    opened.push(silent, impatient)
    expectPage(await impatient.get(pathOf(purpose)), 504, failed)
  })

  it.each<[string, Partial<DirectoryContent>]>([
    ['is disabled', { ...workspace({ acme: 'us' }, { status: 'disabled' }) }],
    ['has no active organization', { ...workspace({ acme: 'us' }), organization_integrations: [] }],
  ])('shows an error page when its integration %s: 400', async (_, directory) => {
    const gateway = await silo({ directory: { ...workspace({ acme: 'us' }), ...directory } })
    expectPage(await gateway.get(pathOf(purpose)), 400, invalidLink)
  })
})
