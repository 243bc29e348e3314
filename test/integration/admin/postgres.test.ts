import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'
import { workspace } from '../../support/test-gateway.ts'
import { openAdmin, startAdmin, type Admin, type AdminRig } from './admin-rig.ts'

describe.skipIf(!testsPostgres())('the admin API on PostgreSQL', () => {
  let server: PostgresServer
  let rig: AdminRig
  let other: AdminRig
  let admin: Admin

  beforeAll(async () => {
    server = await startPostgres()
    const env = { DATABASE_URL: await server.createDatabase() }
    rig = await startAdmin({ directory: workspace({ acme: 'us' }), env })
    other = await startAdmin({ env: { DATABASE_URL: await server.createDatabase() } })
    admin = await openAdmin(rig.gateway)
  }, 60_000)
  afterAll(async () => {
    await admin.close()
    await rig.close()
    await other.close()
    await server.close()
  })

  it('changes rows, tells who did, and tells one database from another', async () => {
    const put = await rig.ask('PUT', '/api/organizations/10', { body: { slug: 'acme', region: 'eu' } })
    expect(put).toMatchObject({ status: 200, json: { region: 'eu', epoch: 1, moved_deliveries: 0 } })
    expect((await rig.ask('GET', '/api/organizations?limit=1')).json).toMatchObject({ items: [{ region: 'eu' }] })
    expect((await rig.ask('GET', '/api/audit')).json).toMatchObject({ items: [{ action: 'organization.move' }, {}] })
    const marks = [rig, admin, other].map(async (one) => (await one.ask('GET', '/api/instance')).json)
    const [here, again, elsewhere] = await Promise.all(marks)
    expect(again).toEqual(here)
    expect(elsewhere).not.toEqual(here)
  })

  it('lists mailboxes and dead letters', async () => {
    for (const path of ['/api/mailboxes', '/api/dead-letters']) {
      expect(await rig.ask('GET', path)).toMatchObject({ status: 200, json: { items: [], next_cursor: null } })
    }
    expect(await rig.ask('POST', '/api/mailboxes/1/pause')).toMatchObject({ status: 404 })
    expect(await rig.ask('POST', '/api/dead-letters/replay', { body: { all: true } })).toMatchObject({
      json: { replayed: 0 },
    })
    expect(await rig.ask('DELETE', '/api/integrations/1/data')).toMatchObject({ json: { erased: 0 } })
  })

  it.each([
    ['a user', 'user=a%00b', 'user'],
    ['the user of a cursor', `cursor=${Buffer.from('["1","U\\u0000"]').toString('base64url')}`, 'cursor'],
    ['half a character of a cursor', `cursor=${Buffer.from('["1","U\\ud800"]').toString('base64url')}`, 'cursor'],
  ])('refuses %s that it cannot store, and does not call the database away', async (_, query, path) => {
    const refused = { status: 400, json: { code: 'invalid_request', errors: [{ path }] } }
    expect(await rig.ask('GET', `/api/identities?${query}`)).toMatchObject(refused)
  })

  it('says 503 while the server is away, and works again once it is back', async () => {
    await server.stop('SIGINT')
    const away = await rig.ask('GET', '/api/organizations/10')
    expect(away).toMatchObject({ status: 503, json: { code: 'store_unavailable' } })
    expect(away.text).not.toMatch(/127\.0\.0\.1|ECONN|postgres:/)
    await server.start()
    for (;;) if ((await rig.ask('GET', '/api/organizations/10')).status === 200) break
  })
})
