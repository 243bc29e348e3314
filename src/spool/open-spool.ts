import type { Clock } from '../clock.ts'
import type { Database } from '../directory/store.ts'
import { openPostgresSpool } from './postgres/postgres-spool.ts'
import type { Spool } from './spool.ts'
import { openSqliteSpool } from './sqlite/sqlite-spool.ts'

/**
 * Opens what is kept of deliveries in this database, for a process that serves.
 * @throws an error that names the database when it cannot be opened.
 */
export function openSpool(database: Database, parts: { clock: Clock; instance: string }): Promise<Spool> {
  return database.kind === 'sqlite' ? openSqliteSpool(database.path, parts) : openPostgresSpool(database, parts)
}
