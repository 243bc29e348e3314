import { afterAll, beforeAll } from 'vitest'
import type { PostgresDatabase } from '../../src/database/postgres.ts'
import { startPostgres } from './postgres-server.ts'

/** Empty databases for the tests of a `describe`, on a server that is started before them and ended after them. */
export function usePostgres(): (poolMax: number) => Promise<PostgresDatabase> {
  let server: Awaited<ReturnType<typeof startPostgres>>
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.close(), 60_000)
  return async (poolMax) => ({
    kind: 'postgres',
    url: await server.createDatabase(),
    poolMax,
    statementTimeoutMs: 10_000,
  })
}
