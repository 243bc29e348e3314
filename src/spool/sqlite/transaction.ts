import { openExisting, type DatabaseSync } from '../../database/sqlite.ts'
import type { Moment } from './leases.ts'
import { createSpoolTables, type SpoolTables } from './tables.ts'

export type Operation = keyof SpoolTables
type Rest<Parameters> = Parameters extends [Moment, ...infer Others] ? Others : []
export type Arguments<Named extends Operation> = Rest<Parameters<SpoolTables[Named]>>
export type Result<Named extends Operation> = ReturnType<SpoolTables[Named]>

/** One step, as it can be handed to another thread. */
export interface SpoolCall<Named extends Operation = Operation> {
  readonly operation: Named
  readonly args: Arguments<Named>
}

export interface SpoolConnection {
  readonly database: DatabaseSync
  readonly tables: SpoolTables
}

interface ConnectOptions {
  readonly waitMs: number
  /** The statements that make them in a new database. */
  readonly newTables?: readonly string[] | undefined
}

/**
 * Opens a file that has its tables, or a new database in memory. A lock is waited for up to `waitMs`.
 * @throws SQLite's error.
 */
export async function connectSpool(path: string, { waitMs, newTables }: ConnectOptions): Promise<SpoolConnection> {
  const database = openExisting(path, waitMs)
  try {
    if (newTables !== undefined) for (const statement of newTables) database.exec(statement)
    else if (path === ':memory:') await migrateInMemory(database)
    return { database, tables: createSpoolTables(database) }
  } catch (error) {
    database.close()
    throw error
  }
}

/** A thread starts five times as fast without what this takes. */
async function migrateInMemory(database: DatabaseSync): Promise<void> {
  const { kyselyOver } = await import('../../database/sqlite-connections.ts')
  const { migrate } = await import('../../database/migrations.ts')
  await migrate(kyselyOver(database))
}

/** These wait for nobody's lock, and cost no sync. */
export const reading: ReadonlySet<Operation> = new Set<Operation>([
  'open',
  'at',
  'waitingFor',
  'changed',
  'list',
  'usage',
  'totals',
  'deadLetters',
])

/**
 * Carries the calls out in one transaction: all of them or, if it throws, none. `moment` is asked once the lock is
 * there, so that nobody's lease can be newer; `beforeCommit` may still throw.
 * @throws what a call throws, or SQLite's error.
 */
export function transact(
  { database, tables }: SpoolConnection,
  moment: () => Moment,
  calls: readonly SpoolCall[],
  beforeCommit: () => void = () => {},
): unknown[] {
  const writes = calls.some(({ operation }) => !reading.has(operation))
  database.exec(writes ? 'BEGIN IMMEDIATE' : 'BEGIN')
  try {
    const at = moment()
    if (writes) tables.renew(at)
    const results = calls.map(({ operation, args }) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a call's arguments are its operation's
      const run = tables[operation] as (at: Moment, ...args: unknown[]) => unknown
      return run(at, ...args)
    })
    beforeCommit()
    database.exec('COMMIT')
    return results
  } catch (error) {
    // SQLite has ended it itself after some errors.
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}
