import { afterAll, beforeAll, describe } from 'vitest'
import { openPostgresSpool } from '../../../src/delivery/postgres-spool.ts'
import { createPool, type PostgresDatabase } from '../../../src/database/postgres.ts'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'
import { movingConformance } from './moving.ts'
import { spoolConformance, type Adapter } from './spool.ts'

describe.skipIf(!testsPostgres())('on PostgreSQL', () => {
  let server: PostgresServer
  let database: PostgresDatabase
  beforeAll(async () => {
    server = await startPostgres()
    const url = await server.createDatabase()
    database = { kind: 'postgres', url, poolMax: 10, statementTimeoutMs: 2000 }
  }, 60_000)
  afterAll(() => server.close(), 60_000)

  const adapter: Adapter = {
    shared: true,
    open: (clock) =>
      Promise.resolve({
        instance: (instance, at = clock) =>
          openPostgresSpool(database, { clock: at, instance, databaseTime: () => at.monotonic() }),
        async close() {
          const pool = createPool(database, { max: 1, statementTimeoutMs: undefined })
          await pool.query('truncate mailboxes, waiting, dead_letters, instances, owed_answers, spool_usage cascade')
          await pool.end()
        },
      }),
  }

  spoolConformance('PostgreSQL', adapter)
  movingConformance('PostgreSQL', adapter)
})
