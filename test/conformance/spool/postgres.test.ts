import { beforeAll, describe } from 'vitest'
import { createPool, type PostgresDatabase } from '../../../src/database/postgres.ts'
import { openPostgresSpool } from '../../../src/spool/postgres/postgres-spool.ts'
import { testsPostgres } from '../../support/postgres-server.ts'
import { usePostgres } from '../../support/use-postgres.ts'
import { movingConformance } from './moving.ts'
import { spoolConformance, type Adapter } from './spool.ts'

describe.skipIf(!testsPostgres())('on PostgreSQL', () => {
  const newDatabase = usePostgres()
  let database: PostgresDatabase
  beforeAll(async () => {
    database = await newDatabase(10)
  })

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
