import type { Clock } from '../clock.ts'
import type { Database } from '../directory/store.ts'
import type { Spool } from './spool.ts'
import { openSqliteSpool } from './sqlite/sqlite-spool.ts'

/**
 * Opens what is kept of deliveries in this database, for a process that serves. `tables`: resolves when the directory
 * in it is open; until then there may be none.
 * @throws an error that names the database when it cannot be opened.
 */
export async function openSpool(
  database: Database,
  { tables, ...parts }: { clock: Clock; instance: string; tables: Promise<unknown> },
): Promise<Spool> {
  if (database.kind === 'sqlite') return openSqliteSpool(database.path, { ...parts, tables })
  const [{ openPostgresSpool }] = await Promise.all([import('./postgres/postgres-spool.ts'), tables])
  return openPostgresSpool(database, parts)
}
