import { afterAll, beforeAll, describe } from 'vitest'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'
import { recordStoreConformance } from './record-store.ts'

describe.skipIf(!testsPostgres())('with a server', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.close())

  recordStoreConformance('PostgreSQL', async () => {
    const url = await server.createDatabase()
    return { kind: 'postgres', url, poolMax: 4, statementTimeoutMs: 10_000 }
  })
})
