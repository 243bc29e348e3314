import { CompiledQuery } from 'kysely'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import type { Connections } from '../../../src/database/connections.ts'
import { openPostgres } from '../../../src/database/postgres-connections.ts'
import { compileLookUps } from '../../../src/directory/find-installation.ts'
import type { DirectorySchema } from '../../../src/directory/schema.ts'
import { openDirectory, type DirectoryStore } from '../../../src/directory/store.ts'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'

const ROWS = 50_000

describe.skipIf(!testsPostgres())('a look-up on PostgreSQL', () => {
  let server: PostgresServer
  let store: DirectoryStore
  let connections: Connections<DirectorySchema>
  beforeAll(async () => {
    server = await startPostgres()
    const database = {
      kind: 'postgres',
      url: await server.createDatabase(),
      poolMax: 1,
      statementTimeoutMs: 10_000,
    } as const
    store = await openDirectory(database, { clock: systemClock })
    connections = await openPostgres<DirectorySchema>(database)
    await connections.aside(async (db) => {
      for (const statement of [
        `insert into organizations (id, slug, name, region, status, epoch)
          select n, 'org-' || n, '', 'region-' || n % 8, 'active', 0 from generate_series(1, ${ROWS}) n`,
        // Every second workspace belongs to one of a hundred enterprises.
        `insert into integrations (id, provider, app_id, external_id, enterprise_id, name, status)
          select n, 'slack', '', 'T' || n, case n % 2 when 0 then 'E' || n % 100 end, '', 'active'
          from generate_series(1, ${ROWS}) n`,
        `insert into organization_integrations (integration_id, organization_id, status)
          select n, n, 'active' from generate_series(1, ${ROWS}) n`,
        'analyze',
      ]) {
        await db.executeQuery(CompiledQuery.raw(statement))
      }
    })
  }, 120_000)
  afterAll(async () => {
    await Promise.all([store.close(), connections.close()])
    await server.close()
  })

  const keys = [
    { by: 'external', provider: 'slack', appId: '', externalId: 'T4711' },
    { by: 'external', provider: 'slack', appId: 'A1', externalId: 'T4712', enterpriseId: 'E12' },
    { by: 'external', provider: 'slack', appId: 'A1', externalId: 'Tnowhere' },
    { by: 'id', provider: 'slack', id: '4711' },
  ] as const

  it.each(keys)('of a key that is not cached is one round trip: %j', async (key) => {
    const query = vi.spyOn(Client.prototype, 'query')
    try {
      await store.find(key)
      expect(query.mock.calls).toHaveLength(1)
      await store.inspect(key)
      expect(query.mock.calls).toHaveLength(2)
    } finally {
      query.mockRestore()
    }
  })

  // What the server plans anew for each value, and what it keeps after it has been asked a few times.
  describe.each(['force_custom_plan', 'force_generic_plan'])('planned with %s', (mode) => {
    it.each([
      ['active', 'byId'],
      ['active', 'byExternalId'],
      ['all', 'byId'],
      ['all', 'byExternalId'],
    ] as const)('reads indexes only: %s organizations, %s', async (organizations, by) => {
      const { sql: text, parameters } = compileLookUps(connections.lookUps, organizations)[by]
      const values: Record<string, string> = {
        provider: 'slack',
        appId: 'A1',
        externalId: 'T4712',
        enterpriseId: 'E12',
        id: '4711',
      }
      const literals = parameters.map((value) => {
        const given = typeof value === 'symbol' ? (values[value.description ?? ''] ?? '') : String(value)
        return /^\d+$/.test(given) ? given : `'${given}'`
      })
      const plan = await connections.aside((db) =>
        db.connection().execute(async (one) => {
          const run = (statement: string) =>
            one.executeQuery<{ 'QUERY PLAN': string }>(CompiledQuery.raw(statement)).then(({ rows }) => rows)
          await run(`set plan_cache_mode = ${mode}`)
          await run(`prepare look_up as ${text}`)
          return (await run(`explain execute look_up(${literals.join(', ')})`)).map((row) => row['QUERY PLAN'])
        }),
      )
      const scanned = plan.flatMap((step) => /Seq Scan on (\w+)/.exec(step)?.[1] ?? [])
      // The directory's version is a table of one row.
      expect(scanned.filter((table) => table !== 'directory_state')).toEqual([])
      expect(plan.join('\n')).toMatch(/Index (?:Only )?Scan using .* on integrations/)
    })
  })
})
