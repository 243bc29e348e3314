import { afterAll, beforeAll, describe } from 'vitest'
import { openDirectory } from '../../../src/directory/store.ts'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'
import { steeringConformance } from './steering-store.ts'

describe.skipIf(!testsPostgres())('with a server', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.close())

  steeringConformance('PostgreSQL', async () => {
    const url = await server.createDatabase()
    const database = { kind: 'postgres', url, poolMax: 2, statementTimeoutMs: 10_000 } as const
    return { open: (clock) => openDirectory(database, { clock }), isShared: true }
  })
})
