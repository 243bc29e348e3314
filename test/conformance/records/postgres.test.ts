import { describe } from 'vitest'
import { testsPostgres } from '../../support/postgres-server.ts'
import { usePostgres } from '../../support/use-postgres.ts'
import { pagesConformance } from './pages.ts'
import { recordStoreConformance } from './record-store.ts'

describe.skipIf(!testsPostgres())('with a server', () => {
  const newDatabase = usePostgres()

  recordStoreConformance('PostgreSQL', () => newDatabase(4))
  pagesConformance('PostgreSQL', () => newDatabase(4), { runs: 8 })
})
