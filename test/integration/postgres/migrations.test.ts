import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Migration } from 'kysely/migration'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import type { Connections } from '../../../src/database/connections.ts'
import { migrate } from '../../../src/database/migrations.ts'
import { openPostgres } from '../../../src/database/postgres-connections.ts'
import { openSqlite } from '../../../src/database/sqlite-connections.ts'
import { openDirectory, type Database } from '../../../src/directory/store.ts'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'

let folder: string
let files = 0
let server: PostgresServer
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'migrations-'))
})
afterAll(() => rm(folder, { recursive: true }))

const T1 = { by: 'external', provider: 'slack', appId: '', externalId: 'T1' } as const
const nextRelease: Record<string, Migration> = {
  '9999_next': {
    async up(db) {
      await db.schema.createTable('next').addColumn('id', 'bigint').execute()
      await db.schema
        .alterTable('integrations')
        .addColumn('color', 'text', (column) => column.notNull().defaultTo('red'))
        .execute()
    },
  },
}

function migrations(name: string, newDatabase: () => Promise<Database>) {
  describe(`the tables on ${name}`, () => {
    const open = (database: Database) => openDirectory(database, { clock: systemClock })

    async function connected<Result>(
      database: Database,
      work: (connections: Connections<Record<string, Record<string, unknown>>>) => Promise<Result>,
    ): Promise<Result> {
      const connections: Connections<Record<string, Record<string, unknown>>> =
        database.kind === 'postgres' ? await openPostgres(database) : await openSqlite(database.path, systemClock)
      try {
        return await work(connections)
      } finally {
        await connections.close()
      }
    }
    const upgrade = (database: Database) =>
      connected(database, (connections) => connections.aside((db) => migrate(db, { more: nextRelease })))
    const steps = (database: Database) =>
      connected(database, ({ lookUps }) => lookUps.selectFrom('kysely_migration').select('name').execute())

    it('are made once, by ten that start at once on an empty database', async () => {
      const database = await newDatabase()
      const stores = await Promise.all(Array.from({ length: 10 }, () => open(database)))
      await expect(Promise.all(stores.map((store) => store.ping()))).resolves.toHaveLength(10)
      await Promise.all(stores.map((store) => store.close()))
      expect(await steps(database)).toHaveLength(7)
    })

    it('of the next release are made under a running gateway, which goes on', async () => {
      const database = await newDatabase()
      const running = await open(database)
      expect(await running.find(T1)).toEqual({ installation: undefined, version: 0 })
      await upgrade(database)
      for (let time = 0; time < 3; time++)
        expect(await running.find(T1)).toEqual({ installation: undefined, version: 0 })
      await running.close()
    })

    it('of the next release keep no gateway of this one from starting', async () => {
      const database = await newDatabase()
      await upgrade(database)
      const older = await open(database)
      expect(await older.find(T1)).toEqual({ installation: undefined, version: 0 })
      await older.close()
      expect(await steps(database)).toHaveLength(8)
    })

    it('are made by either release when both start at once on an empty database', async () => {
      for (let round = 0; round < 5; round++) {
        const database = await newDatabase()
        const [older] = await Promise.all([open(database), upgrade(database), upgrade(database)])
        await older.ping()
        await older.close()
        expect(await steps(database)).toHaveLength(8)
      }
    })

    it('of a step that fails are not there at all', async () => {
      const database = await newDatabase()
      const failing: Migration = { up: () => Promise.reject(new Error('no room')) }
      const half: Record<string, Migration> = {
        '9998_half': { up: (db) => db.schema.createTable('half').addColumn('id', 'bigint').execute() },
        '9999_fails': failing,
      }
      await connected(database, async (connections) => {
        const { lookUps } = connections
        await expect(connections.aside((db) => migrate(db, { more: half }))).rejects.toThrow(
          /^cannot migrate the database: /,
        )
        await expect(lookUps.selectFrom('half').selectAll().execute()).rejects.toThrow(/half/)
        await expect(lookUps.selectFrom('integrations').selectAll().execute()).rejects.toThrow(/integrations/)
      })
    })
  })
}

migrations('SQLite', async () => ({ kind: 'sqlite', path: join(folder, `${files++}.db`) }))

describe.skipIf(!testsPostgres())('with a server', () => {
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.close())

  migrations('PostgreSQL', async () => ({
    kind: 'postgres',
    url: await server.createDatabase(),
    poolMax: 2,
    statementTimeoutMs: 5000,
  }))
})
