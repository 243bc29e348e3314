import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'

export type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'

/** For work that may not wait: what another process has locked fails at once. Integers are read as bigint. */
export function openFile(path: string): DatabaseSync {
  // SQLite's own wait would hold up every other request of this process.
  return inWal(new DatabaseSync(path, { readBigInts: true, timeout: 0 }))
}

function inWal(database: DatabaseSync): DatabaseSync {
  try {
    database.exec('PRAGMA journal_mode = WAL')
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/**
 * For a thread that may wait: up to `waitMs` for another's lock, and with each commit until it is on disk. A file that
 * is not there is not made.
 * @throws SQLite's error.
 */
export function openExisting(path: string, waitMs: number): DatabaseSync {
  const url = pathToFileURL(path)
  url.search = '?mode=rw'
  const database = inWal(new DatabaseSync(path === ':memory:' ? path : url, { timeout: waitMs }))
  database.exec('PRAGMA synchronous = FULL')
  return database
}

const BUSY = 5

/** Another process holds the lock that is needed. */
export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === BUSY
}

/** What kind of error it is (https://sqlite.org/rescode.html): the low byte of SQLite's code; undefined: not SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined
}
