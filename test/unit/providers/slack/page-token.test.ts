import { createHmac } from 'node:crypto'
import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { createSlackRig, NOW, PAGE_SECRET } from './rig.ts'

const env = { PAGE_SIGNING_SECRET: PAGE_SECRET }
const seconds = NOW / 1000
const hours48 = 48 * 60 * 60

/** Signs whatever is given, the way somebody else's library might. */
async function sign(claims: object, { secret = PAGE_SECRET, alg = 'HS256' } = {}): Promise<string> {
  return await new SignJWT({ exp: seconds + 60, integration_id: 1, ...claims })
    .setProtectedHeader({ alg })
    .sign(Buffer.from(secret.padEnd(64, '-').slice(0, alg === 'HS256' ? secret.length : 64)))
}

/** A token whose payload is this text, correctly signed. */
function signText(payload: string | Buffer, header: object = { alg: 'HS256' }): string {
  const input = [JSON.stringify(header), payload].map((part) => Buffer.from(part).toString('base64url')).join('.')
  return `${input}.${createHmac('sha256', PAGE_SECRET).update(input).digest('base64url')}`
}

const at = (token: string, rig = createSlackRig({ env })) =>
  rig.request({ path: `/extensions/slack/link-team/${token}`, method: 'GET', secret: null })

/** What comes of a token when the head is judged. */
async function verdictOn(token: string, rig = createSlackRig({ env })): Promise<string> {
  return await rig.admit({ path: `/extensions/slack/link-team/${token}`, secret: null, method: 'GET' }).then(
    () => 'taken',
    (error: { code?: string; close?: boolean }) => `${error.code}${error.close ? ', close' : ''}`,
  )
}
const invalid = 'invalid_page_token, close'

describe("a region page's token", () => {
  it('names the installation by id and the organization that is meant', async () => {
    expect(await at(await sign({ integration_id: 7, organization_id: 10, slack_user_id: 'U1' }))).toEqual({
      kind: 'page',
      surface: 'page',
      type: 'link-team',
      installation: { by: 'id', provider: 'slack', id: '7' },
      foundIn: 'token.integration_id',
      hint: { by: 'id', ids: ['10'] },
      dedupKey: 'delivery-1',
      remember: 'nothing',
      signedBy: '',
    })
  })

  it.for([
    [{ integration_id: '9223372036854775807' }, '9223372036854775807', undefined],
    [{ integration_id: '007' }, '7', undefined],
    [{ organization_id: null, slack_user_id: null }, '1', undefined],
    [{ organization_id: '12' }, '1', { by: 'id', ids: ['12'] }],
    [{ nbf: seconds + 1000, iss: 7, aud: ['x'], integration: 'x' }, '1', undefined],
  ] as const)('reads %j', async ([claims, id, hint]) => {
    expect(await at(await sign(claims))).toMatchObject({ installation: { id }, hint })
  })

  it('is taken before the body is read, and its form may be long', async () => {
    const rig = createSlackRig({ env })
    const token = await sign({})
    expect(await rig.admit({ path: `/extensions/slack/unlink-team/${token}`, secret: null })).toMatchObject({
      signed: true,
    })
  })

  it('is judged once: a link that ends while the form is on its way was good', async () => {
    const rig = createSlackRig({ env })
    const door = rig.door(`/extensions/slack/link-team/${await sign({})}`)
    const webhook = rig.receive({ secret: null, method: 'GET' })
    const admission = await rig.provider.admit(door, webhook)
    rig.clock.advance(hours48 * 1000)
    expect(await rig.provider.identify(admission, webhook)).toMatchObject({ kind: 'request' })
  })

  it.for([
    { integration_id: undefined },
    { integration_id: null },
    { integration_id: '' },
    { integration_id: 'x' },
    { integration_id: -1 },
    { integration_id: 1.5 },
    { integration_id: 2 ** 53 },
    { integration_id: '9223372036854775808' },
    { integration_id: [1] },
    { organization_id: 'acme' },
    { organization_id: '' },
    { organization_id: 1.5 },
    { slack_user_id: 7 },
    { slack_user_id: '' },
    { exp: undefined },
    { exp: null },
    { exp: String(seconds + 60) },
  ])('is refused with %j', async (claims) => {
    expect(await verdictOn(signText(JSON.stringify({ exp: seconds + 60, integration_id: 1, ...claims })))).toBe(invalid)
  })

  it('lives until its last second', async () => {
    const token = await sign({ exp: seconds + 60 })
    const rig = createSlackRig({ env })
    rig.clock.advance(59_999)
    expect(await at(token, rig)).toBeDefined()
    rig.clock.advance(1)
    expect(await verdictOn(token, rig)).toBe(invalid)
    rig.clock.advance(3_600_000)
    expect(await verdictOn(token, rig)).toBe(invalid)
  })

  it('may live 48 hours and no longer', async () => {
    expect(await at(await sign({ exp: seconds + hours48 }))).toBeDefined()
    expect(await verdictOn(await sign({ exp: seconds + hours48 + 1 }))).toBe(invalid)
  })

  it('is refused when another secret signed it', async () => {
    expect(await verdictOn(await sign({}, { secret: PAGE_SECRET.toUpperCase() }))).toBe(invalid)
  })

  it.for(['HS384', 'HS512'])('is refused under %s', async (alg) => {
    const secret = PAGE_SECRET.padEnd(64, '-')
    expect(
      await verdictOn(await sign({}, { secret, alg }), createSlackRig({ env: { PAGE_SIGNING_SECRET: secret } })),
    ).toBe(invalid)
  })

  it('is refused without a signature', async () => {
    const [, payload] = (await sign({})).split('.')
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    expect(await verdictOn(`${none}.${payload}.`)).toBe(invalid)
    expect(await verdictOn(signText(JSON.stringify({ exp: seconds + 60, integration_id: 1 }), { alg: 'none' }))).toBe(
      invalid,
    )
  })

  it('is refused when a character of it is changed', async () => {
    const token = await sign({})
    for (let at = 0; at < token.length - 1; at += 7) {
      const other = token[at] === 'A' ? 'B' : 'A'
      expect(await verdictOn(`${token.slice(0, at)}${other}${token.slice(at + 1)}`)).toBe(invalid)
    }
  })

  it.for(['x', 'a.b', 'a.b.c', '..', '%', 'a.b.c.d.e', 'constructor'])('is refused when it is %s', async (token) => {
    expect(await verdictOn(token)).toBe(invalid)
  })

  it.for(['null', '[]', '7', '{', '"x"', Buffer.from([0xff])])('is refused when it holds %s', async (payload) => {
    expect(await verdictOn(signText(payload))).toBe(invalid)
  })
})

describe('signing a page token', () => {
  const rig = createSlackRig({ env })
  const sign = (claims: object, expiresInSeconds: number) =>
    rig.provider.pageToken?.({ integrationId: '1', ...claims }, expiresInSeconds) ?? Promise.reject(new Error('none'))
  const claimsIn = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as object

  it('writes the claims that are given and the time it ends', async () => {
    const token = await sign({ organizationId: '10', externalUserId: 'U1' }, 60)
    expect(claimsIn(token)).toEqual({
      integration_id: '1',
      organization_id: '10',
      slack_user_id: 'U1',
      exp: seconds + 60,
    })
    expect(claimsIn(await sign({}, 1))).toEqual({ integration_id: '1', exp: seconds + 1 })
    expect(JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString())).toEqual({ alg: 'HS256', typ: 'JWT' })
  })

  it('makes tokens that its own pages take', async () => {
    expect(await at(await sign({ organizationId: '10' }, hours48), rig)).toMatchObject({ hint: { ids: ['10'] } })
  })

  it.for([0, -1, 1.5, Number.NaN, hours48 + 1])('refuses a lifetime of %d s', async (lifetime) => {
    await expect(sign({}, lifetime)).rejects.toThrow(RangeError)
  })
})
