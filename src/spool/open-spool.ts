import type { Clock } from '../clock.ts'
import type { Database } from '../directory/store.ts'
import type { Spool } from './spool.ts'
import { openSqliteSpool } from './sqlite/sqlite-spool.ts'

/**
 * Opens what is kept of deliveries in this database, for a process that serves.
 * @throws an error that names the database when it cannot be opened.
 */
export async function openSpool(database: Database, parts: { clock: Clock; instance: string }): Promise<Spool> {
  if (database.kind === 'sqlite') return openSqliteSpool(database.path, parts)
  const { openPostgresSpool } = await import('./postgres/postgres-spool.ts')
  return openPostgresSpool(database, parts)
}
