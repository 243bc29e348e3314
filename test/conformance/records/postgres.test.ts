import { describe } from 'vitest'
import { testsPostgres } from '../../support/postgres-server.ts'
import { usePostgres } from '../../support/use-postgres.ts'
import { recordStoreConformance } from './record-store.ts'

describe.skipIf(!testsPostgres())('with a server', () => {
  const newDatabase = usePostgres()

  recordStoreConformance('PostgreSQL', () => newDatabase(4))
})
