import { CompiledQuery } from 'kysely'
import { afterAll, beforeAll, describe } from 'vitest'
import { openPostgres } from '../../../src/database/postgres-connections.ts'
import type { DirectorySchema } from '../../../src/directory/schema.ts'
import { openDirectory } from '../../../src/directory/store.ts'
import { startPostgres, testsPostgres, type PostgresServer } from '../../support/postgres-server.ts'
import { directoryImportConformance } from './directory-import.ts'
import { directoryStoreConformance } from './directory-store.ts'

describe.skipIf(!testsPostgres())('with a server', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.close())

  const database = async () =>
    ({ kind: 'postgres', url: await server.createDatabase(), poolMax: 2, statementTimeoutMs: 10_000 }) as const

  directoryStoreConformance('PostgreSQL', async (clock) => openDirectory(await database(), { clock }))

  directoryImportConformance('PostgreSQL', async () => {
    const connections = await openPostgres<DirectorySchema>(await database())
    const waiting = CompiledQuery.raw('select 1 from pg_locks where not granted')
    return {
      connections,
      async waits() {
        while ((await connections.lookUps.executeQuery(waiting)).rows.length === 0);
      },
    }
  })
})
