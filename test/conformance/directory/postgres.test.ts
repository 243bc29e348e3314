import { CompiledQuery } from 'kysely'
import { describe } from 'vitest'
import { openPostgres } from '../../../src/database/postgres-connections.ts'
import type { DirectorySchema } from '../../../src/directory/schema.ts'
import { openDirectory } from '../../../src/directory/store.ts'
import { testsPostgres } from '../../support/postgres-server.ts'
import { usePostgres } from '../../support/use-postgres.ts'
import { directoryImportConformance } from './directory-import.ts'
import { directoryStoreConformance } from './directory-store.ts'

describe.skipIf(!testsPostgres())('with a server', () => {
  const newDatabase = usePostgres()

  directoryStoreConformance('PostgreSQL', async (clock) => openDirectory(await newDatabase(2), { clock }))

  directoryImportConformance('PostgreSQL', async () => {
    const connections = await openPostgres<DirectorySchema>(await newDatabase(2))
    const waiting = CompiledQuery.raw('select 1 from pg_locks where not granted')
    return {
      connections,
      async waits() {
        while ((await connections.lookUps.executeQuery(waiting)).rows.length === 0);
      },
    }
  })
})
