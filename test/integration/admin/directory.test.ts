import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { workspace } from '../../support/test-gateway.ts'
import { startAdmin, type AdminRig } from './admin-rig.ts'

let rig: AdminRig

async function start(): Promise<void> {
  rig = await startAdmin({ directory: workspace({ acme: 'us', beta: 'eu' }) })
}

/** A gateway for each test. */
function eachItsOwn(): void {
  beforeEach(start)
  afterEach(() => rig.close())
}

/** One gateway for tests that leave it as it was. */
function oneForAll(): void {
  beforeAll(start)
  afterAll(() => rig.close())
}

const acme = { id: '10', slug: 'acme', name: 'acme', region: 'us', status: 'active', epoch: 0, held: false }
const organization = { slug: 'new', region: 'us' }
const pathOf = (json: unknown) => (json as { errors: { path: string }[] }).errors.map(({ path }) => path)
const itemsOf = (json: unknown) => (json as { items: Record<string, unknown>[] }).items
const auditOf = async () => itemsOf((await rig.ask('GET', '/api/audit')).json)

describe('a row', () => {
  oneForAll()

  it('is read, ids as text, with its entity tag', async () => {
    const reply = await rig.ask('GET', '/api/organizations/10')
    expect(reply).toMatchObject({ status: 200, json: acme })
    expect(reply.headers['etag']).toMatch(/^"\d+"$/)
    expect(reply.headers['content-type']).toBe('application/json; charset=utf-8')
  })

  it.each([
    ['/api/integrations/1', { id: '1', provider: 'slack', app_id: null, external_id: 'T0ACME00001' }],
    ['/api/organization-integrations/1/10', { integration_id: '1', organization_id: '10', status: 'active' }],
  ])('%s is read', async (path, row) => {
    expect(await rig.ask('GET', path)).toMatchObject({ status: 200, json: row })
  })

  it.each(['/api/integrations/99', '/api/organizations/9223372036854775807', '/api/organization-integrations/1/99'])(
    '%s is not there: 404',
    async (path) => {
      expect(await rig.ask('GET', path)).toMatchObject({ status: 404, json: { code: 'not_found' } })
      expect(await rig.ask('DELETE', path)).toMatchObject({ status: 404, json: { code: 'not_found' } })
    },
  )

  it.each(['abc', '0', '-1', '9223372036854775808', '1e3'])('with the id %s can be none: 400', async (id) => {
    const reply = await rig.ask('GET', `/api/organizations/${id}`)
    expect(reply).toMatchObject({ status: 400, json: { code: 'invalid_request', errors: [{ path: 'id' }] } })
  })

  it('is made by PUT with 201, changed with 200, and found afterwards', async () => {
    const made = await rig.ask('PUT', '/api/organizations/9007199254740993', { body: organization })
    const row = { id: '9007199254740993', ...organization, name: '', status: 'active', epoch: 0, held: false }
    expect(made).toMatchObject({ status: 201, json: row })
    expect(made.headers['etag']).toMatch(/^"\d+"$/)
    const changed = await rig.ask('PUT', '/api/organizations/9007199254740993', {
      body: { ...organization, name: 'New', status: 'disabled' },
    })
    expect(changed).toMatchObject({ status: 200, json: { ...row, name: 'New', status: 'disabled' } })
    expect(changed.headers['etag']).not.toBe(made.headers['etag'])
    expect((await rig.ask('GET', '/api/organizations/9007199254740993')).json).toEqual(changed.json)
    await rig.ask('DELETE', '/api/organizations/9007199254740993')
  })

  it.each(['/api/integrations/1', '/api/organizations/10', '/api/organization-integrations/1/10'])(
    '%s can be written as it was read, which changes nothing',
    async (path) => {
      const before = await rig.ask('GET', path)
      const again = await rig.ask('PUT', path, { body: before.json })
      expect(again).toMatchObject({ status: 200, json: before.json })
      expect(again.headers['etag']).toBe(before.headers['etag'])
    },
  )

  it('that contradicts another is refused with 409, and says where', async () => {
    const body = { provider: 'slack', external_id: 'T0ACME00001' }
    expect(await rig.ask('PUT', '/api/integrations/2', { body })).toMatchObject({
      status: 409,
      json: { code: 'conflict', errors: [{ path: 'external_id' }] },
    })
    expect(await rig.ask('PUT', '/api/organization-integrations/1/99')).toMatchObject({
      status: 409,
      json: { code: 'conflict', errors: [{ path: 'organization_id' }] },
    })
  })
})

describe('a row that is changed or deleted', () => {
  eachItsOwn()

  it('is gone with its links', async () => {
    const reply = await rig.ask('DELETE', '/api/organizations/10')
    expect(reply).toMatchObject({ status: 204, text: '' })
    expect((await rig.ask('GET', '/api/organizations/10')).status).toBe(404)
    expect((await rig.ask('GET', '/api/organization-integrations/1/10')).status).toBe(404)
  })

  it('is in effect at once for what comes', async () => {
    const key = { by: 'external', provider: 'slack', appId: '', externalId: 'T0NEW000001' } as const
    const found = () => rig.gateway.doorAt('/slack/events')!.rooms.directory.find(key)
    expect(await found()).toMatchObject({ verdict: 'absent' })
    await rig.ask('PUT', '/api/integrations/7', { body: { provider: 'slack', external_id: 'T0NEW000001' } })
    expect(await found()).toMatchObject({ verdict: 'found', installation: { integration: { id: '7' } } })
  })
})

describe('what is strict', () => {
  oneForAll()

  it.each([
    ['an unknown key', { ...organization, colour: 'red' }, ['colour']],
    ['a missing key', { slug: 'new' }, ['region']],
    ['a value of another type', { ...organization, name: 7 }, ['name']],
    ['a word with blanks', { ...organization, slug: 'a b' }, ['slug']],
    ['an unknown status', { ...organization, status: 'gone' }, ['status']],
    ['several faults at once', { slug: '', status: 'gone' }, ['slug', 'region', 'status']],
    ['a list', [organization], ['']],
    ['null', null, ['']],
    ['no body', undefined, ['']],
    ['another id than the path has', { ...organization, id: 12 }, ['id']],
  ])('%s in a body is refused with its place', async (_, body, paths) => {
    const reply = await rig.ask('PUT', '/api/organizations/11', { body })
    expect(reply).toMatchObject({ status: 400, json: { code: 'invalid_request', status: 400 } })
    expect(reply.headers['content-type']).toBe('application/problem+json')
    expect(pathOf(reply.json).toSorted()).toEqual(paths.toSorted())
    expect((await rig.ask('GET', '/api/organizations/11')).json).toMatchObject({ slug: 'beta' })
  })

  it.each([
    ['/api/integrations/1', { id: 2, provider: 'slack', external_id: 'T0ACME00001' }, ['id']],
    [
      '/api/organization-integrations/1/10',
      { integration_id: '2', organization_id: 11 },
      ['integration_id', 'organization_id'],
    ],
  ])('a body that names another row than %s is refused', async (path, body, paths) => {
    const reply = await rig.ask('PUT', path, { body })
    expect(reply).toMatchObject({ status: 400, json: { code: 'invalid_request' } })
    expect(pathOf(reply.json)).toEqual(paths)
  })

  it.each([
    ['an unknown parameter', '?colour=red', 'colour'],
    ['a parameter twice', '?region=us&region=eu', 'region'],
    ['a limit of nothing', '?limit=0', 'limit'],
    ['a limit beyond what there is', '?limit=1001', 'limit'],
    ['a limit that is no number', '?limit=ten', 'limit'],
    ['an empty value', '?region=', 'region'],
    ['a cursor of nobody', '?cursor=abc', 'cursor'],
    ['a cursor of another list', `?cursor=${Buffer.from('["1","10"]').toString('base64url')}`, 'cursor'],
  ])('%s in a query is refused', async (_, query, path) => {
    const reply = await rig.ask('GET', `/api/organizations${query}`)
    expect(reply).toMatchObject({ status: 400, json: { code: 'invalid_request', errors: [{ path }] } })
  })

  it('a parameter of a single row is refused', async () => {
    expect((await rig.ask('GET', '/api/organizations/10?verbose=1')).status).toBe(400)
  })

  it.each([
    ['what is not JSON', '{"slug":', 400, 'invalid_request'],
    ['what is not UTF-8', Buffer.from('{"slug":"\xff","region":"us"}', 'latin1'), 400, 'invalid_request'],
    ['too much', `{"slug":"${'a'.repeat(1024 * 1024)}"}`, 413, 'body_too_large'],
  ])('%s is refused', async (_, text, status, code) => {
    expect(await rig.ask('PUT', '/api/organizations/11', { text })).toMatchObject({ status, json: { code } })
  })

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=latin1', undefined])(
    'a body of the type %s is refused',
    async (type) => {
      const what = { text: JSON.stringify(organization), headers: { 'Content-Type': type } }
      expect(await rig.ask('PUT', '/api/organizations/11', what)).toMatchObject({
        status: 415,
        json: { code: 'unsupported_media_type' },
      })
    },
  )

  it.each(['application/json', 'Application/JSON; charset=utf-8', 'application/json;charset="UTF-8"'])(
    'a body of the type %s is taken',
    async (type) => {
      const text = JSON.stringify((await rig.ask('GET', '/api/organizations/11')).json)
      const what = { text, headers: { 'Content-Type': type } }
      expect((await rig.ask('PUT', '/api/organizations/11', what)).status).toBe(200)
    },
  )

  it('an integration of a provider that there is none of is refused, as an import refuses it', async () => {
    const body = { provider: 'teams', external_id: 'T0NEW000001' }
    expect(await rig.ask('PUT', '/api/integrations/7', { body })).toMatchObject({
      status: 400,
      json: { code: 'invalid_request', errors: [{ path: 'provider', message: 'must be slack' }] },
    })
  })

  it('a path that cannot be decoded is refused, and is no error of the gateway', async () => {
    expect(await rig.ask('GET', '/api/organizations/%zz')).toMatchObject({
      status: 400,
      json: { code: 'invalid_request' },
    })
    expect(rig.test.logs.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('a compressed body is refused', async () => {
    const what = { body: organization, headers: { 'Content-Encoding': 'gzip' } }
    expect((await rig.ask('PUT', '/api/organizations/11', what)).status).toBe(415)
  })

  it('another method is refused, and says which there are', async () => {
    const reply = await rig.ask('POST', '/api/organizations/10', { body: {} })
    expect(reply).toMatchObject({ status: 405, json: { code: 'method_not_allowed' } })
    expect(reply.headers['allow']).toBe('GET, HEAD, PUT, DELETE')
  })

  it.each(['/api/nothing', '/API/organizations', '/nothing'])('%s is not there', async (path) => {
    expect(await rig.ask('GET', path)).toMatchObject({ status: 404, json: { code: 'not_found' } })
  })

  it('a path that cannot be decoded is refused', async () => {
    expect(await rig.ask('GET', '/api/organizations/%ff')).toMatchObject({ status: 400 })
  })
})

describe('a write with a condition', () => {
  eachItsOwn()

  const tag = async () => String((await rig.ask('GET', '/api/organizations/10')).headers['etag'])
  const put = (headers: Record<string, string>, path = '/api/organizations/10') =>
    rig.ask('PUT', path, { body: { ...organization, name: 'changed' }, headers })

  it('is carried out while the row is as it was read', async () => {
    expect((await put({ 'If-Match': await tag() })).status).toBe(200)
  })

  it('is refused once it is not, with the tag that it has', async () => {
    const old = await tag()
    await put({})
    const now = await tag()
    for (const what of [await put({ 'If-Match': old }), await put({ 'If-Match': '"never"' })]) {
      expect(what).toMatchObject({ status: 412, json: { code: 'precondition_failed' } })
      expect(what.headers['etag']).toBe(now)
    }
    const deleted = await rig.ask('DELETE', '/api/organizations/10', { headers: { 'If-Match': old } })
    expect(deleted).toMatchObject({ status: 412, json: { code: 'precondition_failed' } })
    expect((await rig.ask('DELETE', '/api/organizations/10', { headers: { 'If-Match': now } })).status).toBe(204)
  })

  it('If-Match: * wants a row, If-None-Match: * wants none', async () => {
    expect((await put({ 'If-Match': '*' }, '/api/organizations/77')).status).toBe(412)
    expect((await put({ 'If-None-Match': '*' })).status).toBe(412)
    expect((await put({ 'If-None-Match': '*' }, '/api/organizations/77')).status).toBe(201)
    expect((await put({ 'If-Match': '*' })).status).toBe(200)
  })

  it.each([
    [{ 'If-Match': '5' }],
    [{ 'If-Match': '"5' }],
    [{ 'If-Match': '"5", "6"' }],
    [{ 'If-Match': '' }],
    [{ 'If-None-Match': '"5"' }],
    [{ 'If-Match': '*', 'If-None-Match': '*' }],
  ])('that is malformed is refused: %j', async (headers) => {
    expect(await put(headers)).toMatchObject({ status: 400, json: { code: 'invalid_request' } })
    expect((await rig.ask('GET', '/api/organizations/10')).json).toEqual(acme)
  })

  it('never matches a weak tag, nor another spelling of the one there is', async () => {
    expect((await put({ 'If-Match': `W/${await tag()}` })).status).toBe(412)
    expect((await put({ 'If-Match': (await tag()).replace('"', '"0') })).status).toBe(412)
  })

  it('a read with the tag that it has gets 304', async () => {
    const known = await tag()
    for (const tags of [known, `"0", W/${known}`, '*']) {
      const headers = { 'If-None-Match': tags }
      const reply = await rig.ask('GET', '/api/organizations/10', { headers })
      expect(reply).toMatchObject({ status: 304, text: '' })
      expect(reply.headers['etag']).toBe(known)
    }
    const other = await rig.ask('GET', '/api/organizations/10', { headers: { 'If-None-Match': '"0"' } })
    expect(other).toMatchObject({ status: 200, json: acme })
  })

  it.each(['5', '"5', '"5" "6"', ''])('a read with the malformed tags %s is refused', async (tags) => {
    const reply = await rig.ask('GET', '/api/organizations/10', { headers: { 'If-None-Match': tags } })
    expect(reply).toMatchObject({ status: 400, json: { errors: [{ path: 'If-None-Match' }] } })
  })
})

describe('a list', () => {
  oneForAll()

  const slugs = (json: unknown) => itemsOf(json).map(({ slug }) => slug)

  it('goes page by page, each item once', async () => {
    for (let id = 20; id < 25; id++) {
      await rig.ask('PUT', `/api/organizations/${id}`, { body: { slug: `o${id}`, region: 'us' } })
    }
    const seen: unknown[] = []
    let cursor: string | null = ''
    for (let pages = 0; cursor !== null; pages++) {
      expect(pages).toBeLessThan(5)
      const { json } = await rig.ask('GET', `/api/organizations?limit=2${cursor && `&cursor=${cursor}`}`)
      seen.push(...slugs(json))
      cursor = (json as { next_cursor: string | null }).next_cursor
    }
    expect(seen).toEqual(['acme', 'beta', 'o20', 'o21', 'o22', 'o23', 'o24'])
    for (let id = 20; id < 25; id++) await rig.ask('DELETE', `/api/organizations/${id}`)
  })

  it('has no next page where it ends with the last item', async () => {
    expect((await rig.ask('GET', '/api/organizations?limit=2')).json).toMatchObject({ next_cursor: null })
  })

  it('of links goes on by its cursor', async () => {
    const first = (await rig.ask('GET', '/api/organization-integrations?limit=1')).json as { next_cursor: string }
    const second = await rig.ask('GET', `/api/organization-integrations?limit=1&cursor=${first.next_cursor}`)
    expect(second.json).toMatchObject({ items: [{ organization_id: '11' }], next_cursor: null })
  })
})

describe('a list that is asked for', () => {
  const acmeAndBeta = workspace({ acme: 'us', beta: 'eu' })
  const twoApps = {
    integrations: [
      ...acmeAndBeta.integrations,
      {
        id: 2,
        provider: 'slack',
        app_id: 'A0TWO000001',
        external_id: 'T0BETA00001',
        enterprise_id: 'E0BETA00001',
        status: 'disabled',
      },
    ],
    organizations: [
      ...acmeAndBeta.organizations,
      { id: 12, slug: 'gone', region: 'us', status: 'disabled', held: true },
    ],
    organization_integrations: [
      ...acmeAndBeta.organization_integrations,
      { integration_id: 2, organization_id: 11, status: 'disabled' },
    ],
  }
  beforeAll(async () => {
    rig = await startAdmin({ directory: twoApps })
    for (const [integrationId, externalUserId, user] of [
      ['1', 'U1', 'jane'],
      ['1', 'U2', 'joe'],
      ['2', 'U1', 'ann'],
    ] as const) {
      await rig.gateway.store.identities.link({ integrationId, externalUserId, user })
    }
  })
  afterAll(() => rig.close())

  it.each([
    ['/api/integrations?provider=slack', ['1', '2']],
    ['/api/integrations?provider=teams', []],
    ['/api/integrations?app_id=A0TWO000001', ['2']],
    ['/api/integrations?app_id=', ['1']],
    ['/api/integrations?external_id=T0ACME00001', ['1']],
    ['/api/integrations?enterprise_id=E0BETA00001', ['2']],
    ['/api/integrations?status=disabled', ['2']],
    ['/api/integrations?organization_id=10', ['1']],
    ['/api/integrations?organization_id=11&status=active', ['1']],
    ['/api/organizations?slug=acme', ['10']],
    ['/api/organizations?region=eu', ['11']],
    ['/api/organizations?status=disabled', ['12']],
    ['/api/organizations?held=true', ['12']],
    ['/api/organizations?status=active&held=false', ['10', '11']],
    ['/api/organizations?integration_id=2', ['11']],
  ])('%s has just those', async (path, ids) => {
    expect(itemsOf((await rig.ask('GET', path)).json).map(({ id }) => id)).toEqual(ids)
  })

  it.each([
    ['/api/organization-integrations?integration_id=2', [['2', '11']]],
    [
      '/api/organization-integrations?organization_id=11',
      [
        ['1', '11'],
        ['2', '11'],
      ],
    ],
    ['/api/organization-integrations?organization_id=11&status=active', [['1', '11']]],
  ])('%s has just those', async (path, ids) => {
    const links = itemsOf((await rig.ask('GET', path)).json)
    expect(links.map(({ integration_id, organization_id }) => [integration_id, organization_id])).toEqual(ids)
  })

  it.each([
    ['/api/identities?integration_id=1', ['jane', 'joe']],
    ['/api/identities?external_user_id=U1', ['jane', 'ann']],
    ['/api/identities?user=joe', ['joe']],
  ])('%s has just those', async (path, users) => {
    expect(itemsOf((await rig.ask('GET', path)).json).map(({ user }) => user)).toEqual(users)
  })

  it('of identities goes on by its cursor', async () => {
    const first = await rig.ask('GET', '/api/identities?limit=2')
    expect(itemsOf(first.json)).toMatchObject([{ user: 'jane' }, { user: 'joe' }])
    const { next_cursor } = first.json as { next_cursor: string }
    const second = await rig.ask('GET', `/api/identities?limit=2&cursor=${next_cursor}`)
    expect(second.json).toEqual({
      items: [{ integration_id: '2', external_user_id: 'U1', user: 'ann' }],
      next_cursor: null,
    })
  })
})

describe('an organization that moves', () => {
  eachItsOwn()

  it('has its epoch counted up, and says how much has followed', async () => {
    const body = { slug: 'acme', name: 'acme', region: 'eu' }
    const moved = await rig.ask('PUT', '/api/organizations/10', { body })
    expect(moved).toMatchObject({ status: 200, json: { region: 'eu', epoch: 1, moved_deliveries: 0 } })
    expect((await auditOf())[0]).toMatchObject({
      author: 'loopback 127.0.0.1',
      action: 'organization.move',
      subject: 'organization 10',
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      details: { before: { region: 'us', epoch: 0 }, after: { region: 'eu', epoch: 1 } },
    })
  })

  it('to a region that nobody knows, does so with a warning', async () => {
    const moved = await rig.ask('PUT', '/api/organizations/10', { body: { slug: 'acme', region: 'mars' } })
    expect(moved).toMatchObject({ status: 200, json: { region: 'mars', epoch: 1 } })
    expect(moved.json).toMatchObject({ warnings: [expect.stringContaining('mars')] })
  })

  it('stays held until it is said otherwise', async () => {
    const held = await rig.ask('PUT', '/api/organizations/10', { body: { slug: 'acme', region: 'eu', held: true } })
    expect(held.json).toMatchObject({ epoch: 1, held: true })
    const renamed = await rig.ask('PUT', '/api/organizations/10', { body: { slug: 'acme2', region: 'eu' } })
    expect(renamed.json).toMatchObject({ epoch: 1, held: true })
    const released = await rig.ask('PUT', '/api/organizations/10', { body: { slug: 'a', region: 'eu', held: false } })
    expect(released.json).toMatchObject({ epoch: 1, held: false })
  })
})

describe('the audit', () => {
  eachItsOwn()

  it('has every write, the newest first, and nothing of what was refused or only read', async () => {
    await rig.ask('PUT', '/api/organizations/12', { body: organization })
    await rig.ask('PUT', '/api/organizations/12', { body: { colour: 'red' } })
    await rig.ask('GET', '/api/organizations/12')
    await rig.ask('DELETE', '/api/organizations/12')
    await rig.ask('DELETE', '/api/organizations/12')
    const entries = (await auditOf()).filter(({ subject }) => subject === 'organization 12')
    expect(entries.map(({ action }) => action)).toEqual(['organization.delete', 'organization.put'])
  })

  it('goes page by page', async () => {
    await rig.ask('PUT', '/api/organizations/12', { body: organization })
    await rig.ask('DELETE', '/api/organizations/12')
    const first = (await rig.ask('GET', '/api/audit?limit=1')).json as { items: object[]; next_cursor: string }
    expect(first.items).toMatchObject([{ action: 'organization.delete' }])
    const next = await rig.ask('GET', `/api/audit?limit=1&cursor=${first.next_cursor}`)
    expect(next.json).toMatchObject({ items: [{ action: 'organization.put' }] })
  })
})

describe('while the database cannot be asked', () => {
  eachItsOwn()

  it('reads and writes get 503, and hear nothing of the inside', async () => {
    await rig.gateway.store.close()
    const replies = [
      await rig.ask('GET', '/api/organizations/10'),
      await rig.ask('GET', '/api/organizations'),
      await rig.ask('PUT', '/api/organizations/10', { body: organization }),
      await rig.ask('DELETE', '/api/organizations/10'),
      await rig.ask('GET', '/api/audit'),
      await rig.ask('GET', '/api/instance'),
    ]
    for (const reply of replies) {
      expect(reply).toMatchObject({
        status: 503,
        headers: { 'retry-after': '1' },
        json: { code: 'store_unavailable' },
      })
      expect(reply.text).not.toMatch(/sql|select|\.ts|kysely|destroyed/i)
    }
  })
})
