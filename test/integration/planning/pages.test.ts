import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSilo, type Silo } from '../../support/silo.ts'
import { bothSpellings } from '../../support/slack-surfaces.ts'
import { FORM } from '../../support/slack-payloads.ts'
import type { DirectoryContent } from '../../support/test-gateway.ts'

const SECRET = 'a-page-signing-secret-of-32-bytes'

const link = (integration_id: number, organization_id: number) => ({
  integration_id,
  organization_id,
  status: 'active',
})
const directory: DirectoryContent = {
  integrations: [
    { id: 1, provider: 'slack', external_id: 'T0ACME00001' },
    { id: 2, provider: 'slack', external_id: 'T0BETA00001', status: 'disabled' },
    { id: 3, provider: 'slack', external_id: 'T0DOWN00001' },
  ],
  organizations: [
    { id: 10, slug: 'acme', region: 'us' },
    { id: 11, slug: 'beta', region: 'eu' },
    { id: 12, slug: 'gamma', region: 'ap' },
  ],
  organization_integrations: [link(1, 10), link(1, 11), link(2, 10), link(3, 12), link(3, 11)],
}

let silo: Silo
beforeAll(async () => {
  silo = await startSilo({
    regions: { us: {}, ap: { state: 'down' }, eu: {} },
    directory,
    env: { PAGE_SIGNING_SECRET: SECRET },
  })
})
afterAll(() => silo.close())

/** A JWT made by hand (RFC 7515), so that the pages are not held to their own signing. */
function token(claims: Record<string, unknown>): string {
  const exp = Math.floor(silo.gateway.clock.now() / 1000) + 3600
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ exp, ...claims })}`
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`
}

const form = { contentType: FORM, body: 'team=1' }
const unsigned = { secret: null }

const pages = ['link-team', 'unlink-team'].flatMap((page) => ['GET', 'POST'].map((method) => ({ page, method })))

describe.each(pages)('$method $page', ({ page, method }) => {
  const at = (claims: Record<string, unknown>) => bothSpellings(`/extensions/slack/${page}/${token(claims)}/`)
  const open = (path: string) =>
    silo.deliver(path, method === 'GET' ? { ...form, body: '' } : form, { ...unsigned, method })

  it('goes to the first region of the integration, path and query as they came', async () => {
    for (const path of at({ integration_id: 1 })) {
      const { reply, asked, sent } = await open(`${path}?a=%2F&b=+c&&d`)
      expect([reply.status, reply.text, asked]).toEqual([200, 'us', ['us']])
      expect(sent['us']).toMatchObject({ method, url: `${path}?a=%2F&b=+c&&d` })
      expect(sent['us']?.headers['silo-organizations']).toBe('10')
    }
  })

  it.each([11, '11'])('goes to the region of the token’s organization: %j', async (organization_id) => {
    for (const path of at({ integration_id: '1', organization_id })) {
      const { asked, sent } = await open(path)
      expect(asked).toEqual(['eu'])
      expect(sent['eu']?.headers['silo-organizations']).toBe('11')
    }
  })

  it('ignores an organization that is not the integration’s, and counts it', async () => {
    const ignored = () => silo.gateway.counters.read().get('hints_total{use="ignored"}') ?? 0
    const before = ignored()
    const [path = ''] = at({ integration_id: 1, organization_id: 12 })
    expect((await open(path)).asked).toEqual(['us'])
    expect(ignored()).toBe(before + 1)
  })

  it.each([
    ['a disabled integration', { integration_id: 2 }, 400],
    ['an integration nobody knows', { integration_id: 99 }, 400],
    ['a first region that is down', { integration_id: 3 }, 503],
  ])('asks no region for %s, and names none', async (_, claims, status) => {
    for (const path of at(claims)) {
      const { reply, asked } = await open(path)
      expect([reply.status, asked]).toEqual([status, []])
      expect(reply.headers['content-type']).toMatch(/^text\/html/)
      expect(reply.headers['x-request-id']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
      expect(reply.text).not.toMatch(/127\.0\.0\.1|\bap\b|\beu\b|region_down/)
    }
  })

  it.each([
    ['expired', { exp: 1 }],
    ['without an expiry', { exp: undefined }],
    ['that lives longer than 48 hours', { exp: Math.floor(Date.now() / 1000) + 48 * 3600 + 60 }],
    ['without an integration', { integration_id: undefined }],
  ])('is 400 with a token %s', async (_, claims) => {
    for (const path of at({ integration_id: 1, ...claims })) {
      const { reply, asked } = await open(path)
      expect([reply.status, asked]).toEqual([400, []])
      expect(reply.headers['content-type']).toMatch(/^text\/html/)
    }
  })
})

describe('a page', () => {
  it.each(
    ['link-team', 'unlink-team', 'link-identity', 'unlink-identity'].flatMap((page) =>
      ['PUT', 'DELETE', 'HEAD', 'OPTIONS'].map((method) => ({ page, method })),
    ),
  )('$page answers $method with 405 and Allow', async ({ page, method }) => {
    for (const path of bothSpellings(`/extensions/slack/${page}/${token({ integration_id: 1 })}`)) {
      const { reply, asked } = await silo.deliver(path, { ...form, body: '' }, { ...unsigned, method })
      expect([reply.status, reply.headers.allow, asked]).toEqual([405, 'GET, POST', []])
    }
  })

  it.each(['Link-Team', 'link-teams', 'link_team', 'LINK-TEAM'])('is not called %s', async (page) => {
    expect((await silo.get(`/extensions/slack/${page}/${token({ integration_id: 1 })}/`)).status).toBe(404)
  })
})
