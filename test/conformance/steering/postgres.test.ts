import { describe } from 'vitest'
import { openDirectory } from '../../../src/directory/store.ts'
import { testsPostgres } from '../../support/postgres-server.ts'
import { usePostgres } from '../../support/use-postgres.ts'
import { steeringConformance } from './steering-store.ts'

describe.skipIf(!testsPostgres())('with a server', () => {
  const newDatabase = usePostgres()

  steeringConformance('PostgreSQL', async () => {
    const database = await newDatabase(2)
    return { open: (clock) => openDirectory(database, { clock }), isShared: true }
  })
})
