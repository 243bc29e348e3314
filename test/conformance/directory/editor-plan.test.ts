import { CompiledQuery, type Kysely } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Connections } from '../../../src/database/connections.ts'
import { migrate } from '../../../src/database/migrations.ts'
import { openPostgres } from '../../../src/database/postgres-connections.ts'
import { openSqlite } from '../../../src/database/sqlite-connections.ts'
import { compileLookUps } from '../../../src/directory/find-installation.ts'
import { identitiesQuery, integrationsQuery, linksQuery, organizationsQuery } from '../../../src/directory/list-rows.ts'
import type { DirectorySchema } from '../../../src/directory/schema.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'

type Db = Kysely<DirectorySchema>
const page = { limit: 10 }

/** Each looks up what it wants, or reads on from a cursor in the order of the ids; `by`: in either database's words. */
const lists: [what: string, query: (db: Db) => { compile(): CompiledQuery }, by: RegExp][] = [
  ['integrations', (db) => integrationsQuery(db, {}, { ...page, after: '7' }), /\(id ?>/],
  [
    'integrations by workspace',
    (db) => integrationsQuery(db, { externalId: 'T1' }, { ...page, after: '7' }),
    /external_id ?=.* AND \(?id ?>/,
  ],
  ['integrations by enterprise', (db) => integrationsQuery(db, { enterpriseId: 'E1' }, page), /enterprise_id ?=/],
  ['integrations by organization', (db) => integrationsQuery(db, { organization: '1' }, page), /organization_id ?=/],
  ['organizations', (db) => organizationsQuery(db, {}, { ...page, after: '7' }), /\(id ?>/],
  ['organizations by slug', (db) => organizationsQuery(db, { slug: 'acme' }, page), /slug ?=/],
  [
    'organizations by region',
    (db) => organizationsQuery(db, { region: 'eu' }, { ...page, after: '7' }),
    /region ?=.* AND \(?id ?>/,
  ],
  ['organizations that are held', (db) => organizationsQuery(db, { held: true }, page), /organizations_held/],
  ['organizations by integration', (db) => organizationsQuery(db, { integration: '1' }, page), /integration_id ?=/],
  [
    'links',
    (db) => linksQuery(db, {}, { ...page, after: { integration: '1', organization: '2' } }),
    /\(integration_id, ?organization_id\) ?>/,
  ],
  ['links by integration', (db) => linksQuery(db, { integration: '1' }, page), /integration_id ?=/],
  ['links by organization', (db) => linksQuery(db, { organization: '1' }, page), /organization_id ?=/],
  [
    'identities',
    (db) => identitiesQuery(db, {}, { ...page, after: { integration: '1', externalUserId: 'U1' } }),
    /\(integration_id, ?external_user_id\) ?>/,
  ],
  ['identities by integration', (db) => identitiesQuery(db, { integration: '1' }, page), /integration_id ?=/],
  ['identities by external user', (db) => identitiesQuery(db, { externalUserId: 'U1' }, page), /external_user_id ?=/],
  ['identities by user', (db) => identitiesQuery(db, { user: 'ada' }, page), /user_name ?=/],
]

describe('the time a page of a list takes, on SQLite', () => {
  let connections: Connections<DirectorySchema>
  beforeAll(async () => {
    connections = await openSqlite<DirectorySchema>(':memory:', createManualClock())
    await connections.aside((db) => migrate(db))
  })
  afterAll(() => connections.close())

  it.each(lists)('does not grow with the directory: %s', async (_, query, by) => {
    const { sql, parameters } = query(connections.lookUps).compile()
    const { rows } = await connections.lookUps.executeQuery<{ detail: string }>(
      CompiledQuery.raw(`explain query plan ${sql}`, [...parameters]),
    )
    const steps = rows.map(({ detail }) => detail)
    expect(steps.filter((step) => step.startsWith('SCAN') && !step.includes('organizations_held'))).toEqual([])
    expect(steps.filter((step) => step.includes(' USING ')).join('\n')).toMatch(by)
  })
})

describe.skipIf(!testsPostgres())('the time a page of a list takes, on PostgreSQL', () => {
  let server: PostgresServer
  let connections: Connections<DirectorySchema>
  beforeAll(async () => {
    server = await startPostgres()
    const url = await server.createDatabase()
    connections = await openPostgres<DirectorySchema>({ kind: 'postgres', url, poolMax: 1, statementTimeoutMs: 10_000 })
    await connections.aside((db) => migrate(db))
    // Empty tables are read whole where that can be helped at all.
    await connections.lookUps.executeQuery(CompiledQuery.raw('set enable_seqscan = off'))
  }, 60_000)
  afterAll(async () => {
    await connections.close()
    await server.close()
  })

  it.each(lists)('does not grow with the directory: %s', async (_, query, by) => {
    const { sql, parameters } = query(connections.lookUps).compile()
    const { rows } = await connections.lookUps.executeQuery<{ 'QUERY PLAN': string }>(
      CompiledQuery.raw(`explain ${sql}`, [...parameters]),
    )
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    expect(plan).not.toContain('Seq Scan')
    // It is looked up, not read through and filtered.
    const lookedUp = plan.split('\n').filter((line) => /Index (Cond|Scan|Only Scan)\b/.test(line))
    expect(lookedUp.join('\n')).toMatch(by)
  })

  it('of a look-up of a workspace does not grow with the enterprises: it is by the workspace', async () => {
    // Statistics from before an import: an index of few enterprises looks like the shortest way.
    const insert = `insert into integrations (id, provider, app_id, external_id, name, status)
      select id, 'slack', '', 'T' || id, '', 'active' from generate_series(1, 1000) as id`
    for (const statement of [insert, 'analyze integrations']) {
      await connections.lookUps.executeQuery(CompiledQuery.raw(statement))
    }
    const { sql, parameters } = compileLookUps(connections.lookUps, 'active').byExternalId
    const { rows } = await connections.lookUps.executeQuery<{ 'QUERY PLAN': string }>(
      CompiledQuery.raw(
        `explain ${sql}`,
        parameters.map((value) =>
          typeof value === 'symbol' ? (value.description === 'provider' ? 'slack' : 'T1') : value,
        ),
      ),
    )
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    expect(plan).toMatch(/external_id = /)
    expect(plan).not.toContain('integrations_enterprise_id')
  })
})
