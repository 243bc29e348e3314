import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { route } from '../../../src/admin/route.ts'
import { startAdmin, type AdminRig } from './admin-rig.ts'

/** Says who asks. */
const whoAmI = [
  route({
    method: 'get',
    path: '/api/me',
    summary: 'Who asks',
    writes: false,
    responses: { 200: { description: 'The author', body: z.object({ author: z.string() }) } },
    handle: ({ author }) => ({ status: 200, body: { author } }),
  }),
]

describe('with a token', () => {
  let rig: AdminRig
  let folder: string
  const token = (value: string) => ({ headers: { Authorization: `Bearer ${value}` } })

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'admin-token-'))
    await writeFile(join(folder, 'token'), 'open-sesame')
    const env = {
      ADMIN_TOKEN_FILE: join(folder, 'token'),
      TRUSTED_PROXIES: '127.0.0.1',
      IDENTITY_HEADER: 'X-Forwarded-User',
    }
    rig = await startAdmin({ env }, { extraRoutes: whoAmI })
  })

  afterAll(async () => {
    await rig.close()
    rmSync(folder, { recursive: true })
  })

  it('lets in who brings it', async () => {
    expect((await rig.ask('GET', '/api/me', token('open-sesame'))).json).toEqual({
      author: 'admin token from 127.0.0.1',
    })
  })

  it.each([
    ['none', {}],
    ['another', token('open-sesamE')],
    ['a longer one', token('open-sesame2')],
    ['an empty one', token('')],
    ['another scheme', { headers: { Authorization: 'Basic open-sesame' } }],
  ])('refuses %s with 401, and says how to authenticate', async (_, what) => {
    const reply = await rig.ask('GET', '/api/me', what)
    expect(reply).toMatchObject({ status: 401, json: { code: 'unauthorized' } })
    expect(reply.headers['www-authenticate']).toMatch(/^Bearer/)
  })

  it('tells nobody without it what there is', async () => {
    expect((await rig.ask('GET', '/api/nothing')).status).toBe(401)
    expect((await rig.ask('GET', '/openapi.json')).status).toBe(401)
  })

  it.each(['/health/live', '/health/ready'])('%s needs none', async (path) => {
    const reply = await rig.ask('GET', path, { headers: { Host: 'probe.example' } })
    expect(reply.status).toBe(200)
    expect(reply.headers['etag']).toBeUndefined()
  })

  it('knows by a trusted proxy who is behind it', async () => {
    const { headers } = token('open-sesame')
    const reply = await rig.ask('GET', '/api/me', { headers: { ...headers, 'X-Forwarded-User': 'jane@acme.example' } })
    expect(reply.json).toEqual({ author: 'admin token from 127.0.0.1 (jane@acme.example)' })
  })

  it.each([
    'evil.example',
    'localhost.evil.example',
    'evil.example:8081',
    '127.0.0.1.evil.example',
    'evil.example@127.0.0.1',
    'localhost/evil.example',
    'localhost#evil.example',
    'localhost?evil.example',
    'localhost\\evil.example',
    'loc\talhost',
    '%6cocalhost',
  ])('refuses the foreign Host %s, with the token, too', async (host) => {
    const { headers } = token('open-sesame')
    const reply = await rig.ask('GET', '/api/me', { headers: { ...headers, Host: host } })
    expect(reply).toMatchObject({ status: 403, json: { code: 'foreign_host' } })
  })

  it.each(['localhost', 'LOCALHOST:1', '127.0.0.1:8081', '127.8.8.8', '[::1]:8081', '192.0.2.1'])(
    'is reached as %s',
    async (host) => {
      const { headers } = token('open-sesame')
      expect((await rig.ask('GET', '/api/me', { headers: { ...headers, Host: host } })).status).toBe(200)
    },
  )

  it.each(['https://evil.example', 'http://127.0.0.1:1', 'null', 'http://127.0.0.1'])(
    'refuses the foreign Origin %s',
    async (origin) => {
      const { headers } = token('open-sesame')
      const reply = await rig.ask('GET', '/api/me', { headers: { ...headers, Origin: origin } })
      expect(reply).toMatchObject({ status: 403, json: { code: 'foreign_origin' } })
    },
  )

  it('serves pages of the origin that a trusted proxy is reached by, which calls us by our own address', async () => {
    const { headers } = token('open-sesame')
    const proxied = { ...headers, 'X-Forwarded-Host': 'gateway.example', 'X-Forwarded-Proto': 'https' }
    const from = async (origin: string) =>
      (await rig.ask('GET', '/api/me', { headers: { ...proxied, Origin: origin } })).status
    expect(await from('https://gateway.example')).toBe(200)
    expect(await from('https://evil.example')).toBe(403)
  })

  it('serves pages of its own origin', async () => {
    const { headers } = token('open-sesame')
    const own = `http://127.0.0.1:${rig.port}`
    expect((await rig.ask('GET', '/api/me', { headers: { ...headers, Origin: own } })).status).toBe(200)
  })

  it('says of what it answers that it is not to be kept, guessed at or framed', async () => {
    const { headers } = await rig.ask('GET', '/api/me', token('open-sesame'))
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-request-id': expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
    })
    expect(headers['x-powered-by']).toBeUndefined()
  })

  it('takes a new token after a reload, and the old one no longer', async () => {
    await writeFile(join(folder, 'token'), 'shut-sesame')
    expect(rig.gateway.reload()).toEqual([])
    expect((await rig.ask('GET', '/api/me', token('shut-sesame'))).status).toBe(200)
    expect((await rig.ask('GET', '/api/me', token('open-sesame'))).status).toBe(401)
    await writeFile(join(folder, 'token'), 'open-sesame')
    rig.gateway.reload()
  })
})

describe('without a token', () => {
  let rig: AdminRig
  beforeAll(async () => {
    rig = await startAdmin({ env: { TRUSTED_PROXIES: '127.0.0.1' } }, { extraRoutes: whoAmI })
  })
  afterAll(() => rig.close())

  it('is open on loopback', async () => {
    expect((await rig.ask('GET', '/api/me')).json).toEqual({ author: 'loopback 127.0.0.1' })
  })

  it.each(['http://evil.example', 'null', ''])(
    'is not open to a page of the origin "%s", whatever a proxy says of itself',
    async (origin) => {
      const headers = { Origin: origin, 'X-Forwarded-Host': 'evil.example' }
      expect((await rig.ask('GET', '/api/me', { headers })).status).toBe(403)
    },
  )

  it.each([
    ['a picture', 'cross-site', 'image'],
    ['a frame', 'cross-site', 'iframe'],
    ['a script, on another port of this host,', 'same-site', 'script'],
  ])('serves nothing as %s of a page of another origin, which a browser asks for without an Origin', async (...of) => {
    const [, site, dest] = of
    const headers = { 'Sec-Fetch-Site': site, 'Sec-Fetch-Dest': dest, 'Sec-Fetch-Mode': 'no-cors' }
    expect(await rig.ask('GET', '/api/me', { headers })).toMatchObject({
      status: 403,
      json: { code: 'foreign_origin' },
    })
  })

  it.each([
    ['a link of another site that is followed', 'cross-site', 'document'],
    ['an address that is typed', 'none', 'document'],
    ['a page of its own', 'same-origin', 'empty'],
  ])('is open to %s', async (...of) => {
    const [, site, dest] = of
    const headers = { 'Sec-Fetch-Site': site, 'Sec-Fetch-Dest': dest }
    expect((await rig.ask('GET', '/api/me', { headers })).status).toBe(200)
  })

  it('is not open to a page that a name of somebody else has led here', async () => {
    expect((await rig.ask('GET', '/api/me', { headers: { Host: 'evil.example' } })).status).toBe(403)
    expect((await rig.ask('GET', '/api/me', { headers: { Host: '192.0.2.1' } })).status).toBe(403)
  })
})

describe('what goes wrong inside', () => {
  it('is a 500 that tells nothing, and the log tells why, without what was asked', async () => {
    const broken = route({
      method: 'get',
      path: '/api/broken',
      summary: 'Fails',
      writes: false,
      query: z.strictObject({ of: z.string() }),
      responses: { 204: { description: 'Never' } },
      handle() {
        throw new TypeError('the inside')
      },
    })
    const rig = await startAdmin({}, { extraRoutes: [broken] })
    try {
      const reply = await rig.ask('GET', '/api/broken?of=somebody')
      expect(reply).toMatchObject({ status: 500, json: { code: 'internal_error' } })
      expect(reply.text).not.toContain('the inside')
      const errors = rig.test.logs.filter(({ level }) => level === 'error')
      expect(errors).toMatchObject([{ fields: { err: { message: 'the inside' }, path: '/api/broken' } }])
    } finally {
      await rig.close()
    }
  })
})
