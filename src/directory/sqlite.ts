import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import {
  CompiledQuery,
  Kysely,
  SqliteAdapter,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type SqliteDatabase,
  type TransactionSettings,
} from 'kysely'

/** How long a writer waits for another process's write (an import beside a running server). */
const BUSY_TIMEOUT_MS = 5000

/**
 * Opens the file, or a database of this process alone for `:memory:`. Other processes may have the same
 * file open: readers never wait, writers queue.
 * @throws an error that names the file when it cannot be opened or is no database.
 */
export function openSqlite<Schema>(path: string): Kysely<Schema> {
  const database = openFile(path)
  return new Kysely<Schema>({
    dialect: {
      createAdapter: () => new TransactionalAdapter(),
      createDriver: () => new ImmediateDriver({ database: betterSqlite3Shape(database) }),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  })
}

function openFile(path: string): DatabaseSync {
  try {
    const database = new DatabaseSync(path, { readBigInts: true, timeout: BUSY_TIMEOUT_MS })
    database.exec('PRAGMA journal_mode = WAL')
    return database
  } catch (error) {
    throw new Error(`cannot open the database ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

/** Kysely speaks to better-sqlite3, which takes the parameters as one array and says whether a statement has rows. */
function betterSqlite3Shape(database: DatabaseSync): SqliteDatabase {
  return {
    close: () => database.close(),
    prepare(sql) {
      const statement = database.prepare(sql)
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...bindable(parameters)),
        run: (parameters) => statement.run(...bindable(parameters)),
        iterate: (parameters) => statement.iterate(...bindable(parameters)),
      }
    },
  }
}

function bindable(parameters: readonly unknown[]): SQLInputValue[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- node:sqlite itself refuses what it cannot bind
  return parameters as SQLInputValue[]
}

/**
 * Takes the write lock when a transaction begins: one that reads first and writes later is refused at once, without
 * waiting, if another process has written in between.
 */
class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection, settings?: TransactionSettings): Promise<void> {
    const readOnly = settings?.accessMode === 'read only'
    await connection.executeQuery(CompiledQuery.raw(readOnly ? 'begin' : 'begin immediate'))
  }
}

/** Lets migrations run inside one transaction, which is also what keeps two starting processes apart. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}
