import { afterAll, beforeAll, describe } from 'vitest'
import { openPostgres } from '../../../src/database/postgres-connections.ts'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'
import { directoryEditorConformance } from './editor.ts'

describe.skipIf(!testsPostgres())('with a server', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.close())

  directoryEditorConformance('PostgreSQL', async () =>
    openPostgres({
      kind: 'postgres',
      url: await server.createDatabase(),
      poolMax: 4,
      statementTimeoutMs: 10_000,
    }),
  )
})
