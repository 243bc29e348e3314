import { writeFile } from 'node:fs/promises'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../../support/manual-clock.ts'
import { workspace } from '../../support/test-gateway.ts'
import { startAdmin, type AdminReply, type AdminRig } from './admin-rig.ts'

const clock = createManualClock()
let rig: AdminRig
let folder: string

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'admin-session-'))
  await writeFile(join(folder, 'token'), 'open-sesame')
  const env = { ADMIN_TOKEN_FILE: join(folder, 'token'), TRUSTED_PROXIES: '127.0.0.1' }
  rig = await startAdmin({ env, clock, directory: workspace({ acme: 'us' }) })
})
afterEach(async () => {
  await rig.close()
  rmSync(folder, { recursive: true })
})

const session = (headers: Record<string, string> = {}) => rig.ask('GET', '/api/session', { headers })
const logIn = (token = 'open-sesame', headers: Record<string, string> = {}) =>
  rig.ask('POST', '/api/session', { body: { token }, headers })
const cookieIn = (reply: AdminReply): string => String(reply.headers['set-cookie']).replace(/;.*/, '')

/** What a browser sends after a login, and what the page adds when it writes. */
async function loggedIn(headers: Record<string, string> = {}) {
  const reply = await logIn('open-sesame', headers)
  expect(reply.status).toBe(200)
  const cookie = { Cookie: cookieIn(reply) }
  return { reply, cookie, csrf: { 'X-CSRF-Token': (reply.json as { csrf: string }).csrf } }
}

const drain = (headers: Record<string, string>) => rig.ask('POST', '/api/regions/us/drain', { headers })

describe('without a session', () => {
  it('anybody is told that a token is wanted, and nothing else', async () => {
    expect((await session()).json).toEqual({
      login: 'token',
      authenticated: false,
      author: null,
      csrf: null,
      expires_at: null,
      version: '0.1.0',
      demo: false,
    })
  })

  it('whoever brings the token is let in as before, and has no CSRF token to send', async () => {
    const token = { Authorization: 'Bearer open-sesame' }
    expect((await session(token)).json).toMatchObject({ authenticated: true, csrf: null, expires_at: null })
    expect((await drain(token)).status).toBe(200)
  })
})

describe('a login', () => {
  it('turns the token into a session that is known by its cookie alone', async () => {
    const { reply, cookie } = await loggedIn()
    expect(reply.json).toMatchObject({
      login: 'token',
      authenticated: true,
      author: 'session from 127.0.0.1',
      expires_at: new Date(clock.now() + 12 * 3_600_000).toISOString(),
    })
    expect((await session(cookie)).json).toEqual(reply.json)
    expect((await rig.ask('GET', '/api/regions', { headers: cookie })).status).toBe(200)
  })

  it('sets a cookie for this site and no script, and through a proxy’s https for https alone', async () => {
    const [line] = (await logIn()).headers['set-cookie'] ?? []
    expect(line).toMatch(/^silo_session_\d+=\S+; HttpOnly; SameSite=Strict; Path=\/; Max-Age=43200$/)
    const [secure] = (await logIn('open-sesame', { 'X-Forwarded-Proto': 'https' })).headers['set-cookie'] ?? []
    expect(secure).toMatch(/; Secure$/)
  })

  it.each(['open-sesamE', '', 'open-sesame2'])(
    'with the wrong token "%s" is a 401, without a cookie',
    async (token) => {
      const reply = await logIn(token)
      expect(reply).toMatchObject({ status: 401, json: { code: 'unauthorized' } })
      expect(reply.headers['set-cookie']).toBeUndefined()
    },
  )

  it('is not taken from a page of another origin, or as a form', async () => {
    expect((await logIn('open-sesame', { Origin: 'https://evil.example' })).status).toBe(403)
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
    expect((await rig.ask('POST', '/api/session', { text: 'token=open-sesame', headers: form })).status).toBe(415)
  })

  it('is refused after 10 wrong tokens, the right one too, with the time to wait; and then is not', async () => {
    for (let wrong = 0; wrong < 10; wrong++) expect((await logIn('wrong')).status).toBe(401)
    const refused = await logIn()
    expect(refused).toMatchObject({ status: 429, json: { code: 'too_many_attempts' } })
    expect(refused.headers['retry-after']).toBe('6')
    clock.advance(6000)
    expect((await logIn()).status).toBe(200)
  })

  it('with a wrong token is logged, and refused ones as well; of an address once in 10 s, however often it tries', async () => {
    const warnings = () => rig.test.logs.filter(({ level, fields }) => level === 'warn' && 'from' in fields)
    for (let wrong = 0; wrong < 30; wrong++) await logIn('wrong')
    expect(warnings().map(({ fields }) => fields)).toEqual([
      { from: '127.0.0.1', leftOut: 0 },
      { from: '127.0.0.1', leftOut: 0 },
    ])
    clock.advance(10_000)
    await logIn('wrong')
    expect(warnings().slice(2)).toMatchObject([{ fields: { from: '127.0.0.1', leftOut: 9 } }])
  })

  it('with the right token makes up for the wrong ones before it', async () => {
    for (let round = 0; round < 3; round++) {
      for (let wrong = 0; wrong < 9; wrong++) await logIn('wrong')
      expect((await logIn()).status).toBe(200)
    }
  })

  it('of somebody behind a proxy is not refused for what another behind it tries', async () => {
    const from = (address: string) => ({ 'X-Forwarded-For': `198.51.100.7, ${address}` })
    for (let wrong = 0; wrong < 10; wrong++) await logIn('wrong', from('192.0.2.1'))
    expect((await logIn('open-sesame', from('192.0.2.1'))).status).toBe(429)
    expect((await logIn('open-sesame', from('192.0.2.2'))).status).toBe(200)
  })

  it('from another port of an address that was refused is refused as well, where a proxy names ports', async () => {
    const from = (address: string) => ({ 'X-Forwarded-For': address })
    for (let wrong = 0; wrong < 5; wrong++) {
      await logIn('wrong', from(`192.0.2.1:${5000 + wrong}`))
      await logIn('wrong', from('192.0.2.1'))
      await logIn('wrong', from(`[2001:db8::1]:${5000 + wrong}`))
      await logIn('wrong', from('2001:db8::2'))
    }
    expect((await logIn('open-sesame', from('192.0.2.1:6000'))).status).toBe(429)
    expect((await logIn('open-sesame', from('[2001:db8::3]'))).status).toBe(429)
  })

  it('that is refused ends no session, and keeps nobody out who brings the token', async () => {
    const { cookie } = await loggedIn()
    for (let wrong = 0; wrong < 11; wrong++) await logIn('wrong')
    expect((await rig.ask('GET', '/api/regions', { headers: cookie })).status).toBe(200)
    const token = { Authorization: 'Bearer open-sesame' }
    expect((await rig.ask('GET', '/api/regions', { headers: token })).status).toBe(200)
  })
})

describe('a session', () => {
  it('reads without more, and writes with its CSRF token only', async () => {
    const { cookie, csrf } = await loggedIn()
    expect(await drain(cookie)).toMatchObject({ status: 403, json: { code: 'csrf' } })
    expect(await drain({ ...cookie, 'X-CSRF-Token': '' })).toMatchObject({ status: 403, json: { code: 'csrf' } })
    const other = await loggedIn()
    expect((await drain({ ...cookie, ...other.csrf })).status).toBe(403)
    expect((await drain({ ...cookie, ...csrf })).status).toBe(200)
  })

  it('needs it for whatever is no read, be it a path that there is not', async () => {
    const { cookie, csrf } = await loggedIn()
    for (const method of ['PUT', 'DELETE', 'PATCH', 'POST']) {
      expect((await rig.ask(method, '/api/nothing', { headers: cookie })).status, method).toBe(403)
      expect((await rig.ask(method, '/api/nothing', { headers: { ...cookie, ...csrf } })).status, method).toBe(404)
    }
    expect((await rig.ask('HEAD', '/api/regions', { headers: cookie })).status).toBe(200)
  })

  it('is named in the audit, with who a trusted proxy says it is', async () => {
    const { cookie, csrf } = await loggedIn()
    await drain({ ...cookie, ...csrf, 'X-Forwarded-User': 'jane@acme.example' })
    const audit = (await rig.ask('GET', '/api/audit', { headers: cookie })).json as { items: { author: string }[] }
    expect(audit.items[0]).toMatchObject({ author: 'session from 127.0.0.1 (jane@acme.example)' })
  })

  it('counts beside the password that a proxy asks for, and for nothing beside a wrong token', async () => {
    const { cookie } = await loggedIn()
    const ask = (authorization: string) =>
      rig.ask('GET', '/api/regions', { headers: { ...cookie, Authorization: authorization } })
    expect((await ask('Basic amFuZTpwYXNz')).status).toBe(200)
    expect((await ask('Bearer wrong')).status).toBe(401)
  })

  it('ends after 12 hours', async () => {
    const { cookie } = await loggedIn()
    clock.advance(12 * 3_600_000)
    expect((await rig.ask('GET', '/api/regions', { headers: cookie })).status).toBe(401)
    expect((await session(cookie)).json).toMatchObject({ authenticated: false })
  })

  it('ends when the token is another', async () => {
    const { cookie } = await loggedIn()
    await writeFile(join(folder, 'token'), 'shut-sesame')
    expect(rig.gateway.reload()).toEqual([])
    expect((await rig.ask('GET', '/api/regions', { headers: cookie })).status).toBe(401)
  })

  it('is taken out of the browser by a logout, which needs its CSRF token as well', async () => {
    const { cookie, csrf } = await loggedIn()
    const logOut = (headers: Record<string, string>) => rig.ask('DELETE', '/api/session', { headers })
    expect((await logOut(cookie)).status).toBe(403)
    const reply = await logOut({ ...cookie, ...csrf })
    expect(reply).toMatchObject({ status: 204, text: '' })
    expect(reply.headers['set-cookie']).toEqual([
      `silo_session_${rig.port}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0`,
    ])
    expect((await logOut({})).status).toBe(204)
  })
})

describe('the cookie of a session', () => {
  const at = (host: string) => ({ Host: host, Origin: `http://${host}` })
  const nameIn = (reply: AdminReply) => cookieIn(reply).replace(/=.*/, '')

  it('is named by the port that the browser has called: cookies know none, and another gateway may be at the next', async () => {
    const [here, there] = [at('localhost:9001'), at('localhost:9002')]
    const [one, other] = [await logIn('open-sesame', here), await logIn('open-sesame', there)]
    expect([one, other].map(nameIn)).toEqual(['silo_session_9001', 'silo_session_9002'])
    const both = { Cookie: [one, other].map(cookieIn).join('; ') }
    expect((await session({ ...both, ...here })).json).toEqual(one.json)
    expect((await session({ ...both, ...there })).json).toEqual(other.json)
    // What is at one port is asked for at the other in vain, so that neither ends the other's.
    expect((await session({ Cookie: cookieIn(one), ...there })).json).toMatchObject({ authenticated: false })
  })

  it('is named by what a proxy says that the browser has called, and without a port where that has none', async () => {
    const behind = (host: string) => ({
      'X-Forwarded-Host': host,
      Origin: `https://${host}`,
      'X-Forwarded-Proto': 'https',
    })
    expect(nameIn(await logIn('open-sesame', behind('gateway.acme.example:8443')))).toBe('silo_session_8443')
    const reply = await logIn('open-sesame', behind('gateway.acme.example'))
    expect(nameIn(reply)).toBe('silo_session')
    const cookie = { Cookie: cookieIn(reply) }
    expect((await session({ ...cookie, ...behind('gateway.acme.example') })).json).toMatchObject({
      authenticated: true,
    })
  })

  it('of the time when it had the same name at every port counts for nothing there, and goes by itself', async () => {
    const { reply } = await loggedIn()
    const old = { Cookie: cookieIn(reply).replace(/^silo_session_\d+/, 'silo_session') }
    expect((await session(old)).json).toMatchObject({ authenticated: false })
  })
})

describe('a gateway without a token', () => {
  it('says that loopback needs no login, and gives no session', async () => {
    const open = await startAdmin({}, { demo: true })
    try {
      const expected = { login: 'none', authenticated: true, author: 'loopback 127.0.0.1', csrf: null, demo: true }
      expect((await open.ask('GET', '/api/session')).json).toMatchObject(expected)
      const reply = await open.ask('POST', '/api/session', { body: { token: 'any' } })
      expect(reply).toMatchObject({ status: 200, json: expected })
      expect(reply.headers['set-cookie']).toBeUndefined()
    } finally {
      await open.close()
    }
  })
})
