import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { catalogue, Refusal, SiloClientError } from '../../../../src/errors.ts'
import type { Reply } from '../../../../src/provider.ts'
import { FORM } from '../../../support/slack-payloads.ts'
import { createSlackRig, headerOf, PAGE_SECRET, refusal, timedOut, type Sent, type SlackRig } from './rig.ts'

const env = { PAGE_SIGNING_SECRET: PAGE_SECRET }
const user = 'wanda@example.com'

async function pathTo(rig: SlackRig, purpose: string, claims: object = {}): Promise<string> {
  const all = { integrationId: '1', externalUserId: 'U0<WANDA>', ...claims }
  return `/extensions/slack/${purpose}/${await rig.provider.pageToken?.(all, 600)}`
}

const text = (reply: Reply) => reply.body.toString()
const formKeyIn = (reply: Reply) => /name="form_key" value="([^"]+)"/.exec(text(reply))?.[1] ?? ''
const formWith = (key: string) => ({ contentType: FORM, body: `x=y&form_key=${key}` })

function errorPage(rig: SlackRig, path: string, error: Refusal | SiloClientError): Reply {
  const reply = rig.provider.renderError(rig.door(path), error)
  if (reply === undefined) throw new Error('No page')
  return reply
}

/** Opens the page and sends its form back, with whatever `sent` changes. */
async function submit(rig: SlackRig, path: string, sent: Partial<Sent> = {}): Promise<Reply> {
  const shown = await rig.page({ path, method: 'GET', user })
  return await rig.page({ path, user, body: formWith(formKeyIn(shown)), ...sent })
}

describe.each([
  ['link-identity', 'Link your Slack account?', 'Link'],
  ['unlink-identity', 'Unlink your Slack account?', 'Unlink'],
] as const)('opening %s', (purpose, title, button) => {
  it('asks: who, which workspace, which Slack user', async () => {
    const rig = createSlackRig({ env })
    const reply = await rig.page({ path: await pathTo(rig, purpose), method: 'GET', user })
    expect(reply.status).toBe(200)
    const page = text(reply)
    expect(page).toContain(`<title>${title}</title>`)
    expect(page).toContain(`<h1>${title}</h1>`)
    expect(page).toContain('<dd>wanda@example.com</dd>')
    expect(page).toContain('<dd>Acme &lt;&amp; Söhne&gt;</dd>')
    expect(page).toContain('<dd>U0&lt;WANDA&gt;</dd>')
    expect(page).toContain(`<button type="submit">${button}</button>`)
    expect(page).toMatch(/<form method="post">/)
  })

  it('changes nothing', async () => {
    const rig = createSlackRig({ env })
    await rig.identities.link({ integrationId: '1', externalUserId: 'U0<WANDA>', user })
    const before = [...rig.identities.links]
    await rig.page({ path: await pathTo(rig, purpose), method: 'GET', user })
    expect(rig.identities.links).toEqual(before)
  })

  it('without being signed in: 401', async () => {
    const rig = createSlackRig({ env })
    const path = await pathTo(rig, purpose)
    await expect(rig.page({ path, method: 'GET' })).rejects.toMatchObject(refusal('not_signed_in'))
    await expect(submit(rig, path, { user: undefined as never })).rejects.toMatchObject(refusal('not_signed_in'))
  })

  it.for([
    ['without a Slack user', { externalUserId: undefined }],
    ['for an integration that is unknown or not active', { integrationId: '2' }],
  ] as const)('with a token %s: not valid', async ([, claims]) => {
    const rig = createSlackRig({ env })
    const path = await pathTo(rig, purpose, claims)
    await expect(rig.page({ path, method: 'GET', user })).rejects.toMatchObject(refusal('invalid_page_token'))
    await expect(rig.page({ path, user, body: formWith('x') })).rejects.toMatchObject(refusal('invalid_page_token'))
    expect(rig.identities.links).toEqual([])
  })

  it('with a token that has ended: not valid', async () => {
    const rig = createSlackRig({ env })
    const path = await pathTo(rig, purpose)
    rig.clock.advance(600_000)
    await expect(rig.page({ path, method: 'GET', user })).rejects.toMatchObject(refusal('invalid_page_token'))
  })

  it('reads only a small form', async () => {
    const rig = createSlackRig({ env })
    expect(await rig.admit({ path: await pathTo(rig, purpose), secret: null })).toMatchObject({ signed: false })
  })
})

describe('sending the form', () => {
  it('of link-identity stores who the Slack user is, in place of anybody before', async () => {
    const rig = createSlackRig({ env })
    await rig.identities.link({ integrationId: '1', externalUserId: 'U0<WANDA>', user: 'somebody' })
    const reply = await submit(rig, await pathTo(rig, 'link-identity'))
    expect(reply.status).toBe(200)
    expect(text(reply)).toContain('<h1>Your Slack account is linked</h1>')
    expect(text(reply)).toContain('<dd>wanda@example.com</dd>')
    expect(text(reply)).not.toContain('<form')
    expect(rig.identities.links).toEqual([{ integrationId: '1', externalUserId: 'U0<WANDA>', user }])
  })

  it('of unlink-identity removes it', async () => {
    const rig = createSlackRig({ env })
    await rig.identities.link({ integrationId: '1', externalUserId: 'U0<WANDA>', user })
    const reply = await submit(rig, await pathTo(rig, 'unlink-identity'))
    expect(text(reply)).toContain('<h1>Your Slack account is unlinked</h1>')
    expect(rig.identities.links).toEqual([])
  })

  it("of unlink-identity leaves somebody else's alone, and says that there was none", async () => {
    const rig = createSlackRig({ env })
    const other = { integrationId: '1', externalUserId: 'U0<WANDA>', user: 'somebody' }
    await rig.identities.link(other)
    const reply = await submit(rig, await pathTo(rig, 'unlink-identity'))
    expect(text(reply)).toContain('<h1>Your Slack account was not linked</h1>')
    expect(rig.identities.links).toEqual([other])
  })

  it.for([
    ['no key', { contentType: FORM, body: '' }],
    ['an empty key', formWith('')],
    ['another key of the same length', formWith('A'.repeat(43))],
    ['a longer key', formWith('A'.repeat(44))],
    ['bytes that are no text', { contentType: FORM, body: Buffer.from([0xff]) }],
    ['a broken form', { contentType: FORM, body: 'form_key=%ff' }],
  ] as const)('with %s is refused', async ([, body]) => {
    const rig = createSlackRig({ env })
    const path = await pathTo(rig, 'link-identity')
    await expect(rig.page({ path, user, body })).rejects.toMatchObject(refusal('invalid_page_token'))
    expect(rig.identities.links).toEqual([])
  })

  it('with a key that was made for somebody else, another link or another page is refused', async () => {
    const rig = createSlackRig({ env })
    const path = await pathTo(rig, 'link-identity')
    const others = [
      { path, user: 'somebody' },
      { path: await pathTo(rig, 'link-identity', { externalUserId: 'U2' }), user },
      { path: path.replace('/link-', '/unlink-'), user },
    ]
    for (const other of others) {
      const key = formKeyIn(await rig.page({ ...other, method: 'GET' }))
      expect(key).toHaveLength(43)
      await expect(rig.page({ path, user, body: formWith(key) })).rejects.toMatchObject(refusal('invalid_page_token'))
    }
    expect(rig.identities.links).toEqual([])
  })

  it.for([
    [{ origin: 'https://evil.example' }],
    [{ origin: 'https://hooks.example.com.evil.example' }],
    [{ origin: 'https://hooks.example.com:8443' }],
    [{ origin: 'not an origin' }],
    [{ origin: '' }],
    [{ 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'same-site' }],
    [{ 'sec-fetch-site': 'none' }],
    [{ origin: 'https://hooks.example.com', 'sec-fetch-site': 'cross-site' }],
    [{ origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' }],
  ] as const)('from elsewhere (%j) is refused, even with the right key', async ([headers]) => {
    const rig = createSlackRig({ env })
    const path = await pathTo(rig, 'link-identity')
    await expect(submit(rig, path, { headers })).rejects.toMatchObject(refusal('invalid_page_token'))
    expect(rig.identities.links).toEqual([])
  })

  it.for([
    [{}, undefined],
    [{ origin: 'https://hooks.example.com' }, undefined],
    [{ origin: 'https://hooks.example.com', 'sec-fetch-site': 'same-origin' }, undefined],
    [{ origin: 'null', 'sec-fetch-site': 'same-origin' }, undefined],
    [{ origin: 'null' }, undefined],
    [{ origin: 'https://hooks.example.com' }, 'Hooks.Example.com:443'],
    [{ origin: 'http://127.0.0.1:8080' }, '127.0.0.1:8080'],
  ] as const)('from our own page (%j at %s) is taken', async ([headers, host]) => {
    const rig = createSlackRig({ env })
    const path = await pathTo(rig, 'link-identity')
    const reply = await submit(rig, path, { headers, ...(host && { host }) })
    expect(reply.status).toBe(200)
    expect(rig.identities.links).toHaveLength(1)
  })
})

describe('the pages', () => {
  const expectedHeaders = [
    ['content-type', 'text/html; charset=utf-8'],
    ['x-content-type-options', 'nosniff'],
    ['x-frame-options', 'DENY'],
    ['referrer-policy', 'no-referrer'],
    ['cache-control', 'no-store'],
    ['x-robots-tag', 'noindex'],
    ['cross-origin-opener-policy', 'same-origin'],
    ['cross-origin-resource-policy', 'same-origin'],
  ] as const

  it('say to the browser that nothing may come in and nothing may leak out', async () => {
    const rig = createSlackRig({ env })
    const path = await pathTo(rig, 'link-identity')
    const error = errorPage(rig, path, new Refusal('not_signed_in', 'x'))
    for (const reply of [await rig.page({ path, method: 'GET', user }), await submit(rig, path), error]) {
      for (const [name, value] of expectedHeaders) expect([name, headerOf(reply, name)]).toEqual([name, value])
      const style = /<style>(.*)<\/style>/s.exec(text(reply))?.[1] ?? ''
      expect(style).toContain('prefers-color-scheme: dark')
      expect(headerOf(reply, 'content-security-policy')).toBe(
        `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; ` +
          "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      )
      expect(text(reply)).not.toMatch(/https?:|<script|<img|style=|\son\w+=/)
    }
  })

  it('are whole documents, readable by a screen reader and on a narrow window', async () => {
    const rig = createSlackRig({ env })
    const page = text(await rig.page({ path: await pathTo(rig, 'link-identity'), method: 'GET', user }))
    expect(page).toMatch(/^<!doctype html>\n/)
    expect(page).toContain('<html lang="en">')
    expect(page).toContain('<meta name="viewport" content="width=device-width, initial-scale=1" />')
    expect(page).toContain('<main>')
  })

  it('escape every name', async () => {
    const rig = createSlackRig({ env })
    const path = await pathTo(rig, 'link-identity', { externalUserId: `"'><script>alert(1)</script>&amp;` })
    const page = text(await rig.page({ path, method: 'GET', user: '<b>wanda</b>' }))
    expect(page).toContain('&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;')
    expect(page).toContain('&lt;b&gt;wanda&lt;/b&gt;')
    expect(page).not.toContain('<script')
  })
})

describe('errors', () => {
  const rig = createSlackRig({ env })
  const path = '/extensions/slack/link-team/a.b.c'
  const page = rig.door(path)

  it.for(['invalid_page_token', 'not_signed_in', 'method_not_allowed', 'internal_error'] as const)(
    '%s on a page is a page',
    (code) => {
      const reply = errorPage(rig, path, new Refusal(code, 'Say <this>.', { headers: { Allow: 'GET' } }))
      expect(reply.status).toBe(catalogue[code].status)
      expect(text(reply)).toContain(`<h1>${catalogue[code].title}</h1>`)
      expect(text(reply)).toContain('<p>Say &lt;this&gt;.</p>')
      expect(headerOf(reply, 'allow')).toBe('GET')
    },
  )

  it('that no region could answer is a page that names none', () => {
    const reply = errorPage(rig, path, new SiloClientError([timedOut]))
    expect(reply.status).toBe(504)
    expect(text(reply)).toContain('<h1>Something went wrong</h1>')
    expect(text(reply)).toContain('could not be completed')
    expect(text(reply)).not.toMatch(/\bus\b|timeout|region/i)
  })

  it('on a webhook are left to the core', () => {
    const door = rig.door('/slack/events')
    expect(rig.provider.renderError(door, new Refusal('invalid_signature', 'x'))).toBeUndefined()
    expect(rig.provider.renderError(door, new SiloClientError([]))).toBeUndefined()
  })

  it('without a secret there is nothing behind a page door', async () => {
    const bare = createSlackRig()
    const webhook = bare.receive({ secret: null })
    const nothing = refusal('not_found')
    await expect((async () => await bare.provider.admit(page, webhook))()).rejects.toMatchObject(nothing)
  })
})
