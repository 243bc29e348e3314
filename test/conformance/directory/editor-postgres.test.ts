import { describe } from 'vitest'
import { openPostgres } from '../../../src/database/postgres-connections.ts'
import { testsPostgres } from '../../support/postgres-server.ts'
import { usePostgres } from '../../support/use-postgres.ts'
import { directoryEditorConformance } from './editor.ts'

describe.skipIf(!testsPostgres())('with a server', () => {
  const newDatabase = usePostgres()

  directoryEditorConformance('PostgreSQL', async () => openPostgres(await newDatabase(4)))
})
