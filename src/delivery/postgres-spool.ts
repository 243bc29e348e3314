import type { Clock } from '../clock.ts'
import type { PostgresDatabase } from '../database/postgres.ts'
import type { Spool } from './spool.ts'

export function openPostgresSpool(
  _database: PostgresDatabase,
  _parts: { clock: Clock; instance: string },
): Promise<Spool> {
  return Promise.reject(new Error('not built'))
}
