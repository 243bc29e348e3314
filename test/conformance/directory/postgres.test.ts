import { afterAll, beforeAll, describe } from 'vitest'
import { openDirectory } from '../../../src/directory/store.ts'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'
import { directoryStoreConformance } from './directory-store.ts'

describe.skipIf(!testsPostgres())('with a server', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.close())

  directoryStoreConformance('PostgreSQL', async (clock) =>
    openDirectory(
      { kind: 'postgres', url: await server.createDatabase(), poolMax: 2, statementTimeoutMs: 10_000 },
      { clock },
    ),
  )
})
