import {
  CompiledQuery,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from 'kysely'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import type { Connections } from './connections.ts'
import { isBusy, openFile, type DatabaseSync, type SQLInputValue, type StatementSync } from './sqlite.ts'

/** How long a web request waits for another process's write. */
const WAIT_MS = 5000
/** An import behind another import of a million rows: somebody watches it, and may end it. */
const LONG_WAIT_MS = 600_000
/** Long enough to be no load, short enough that nobody notices that a lock is asked for rather than queued for. */
const PAUSE_MS = 20
/** In characters of SQL: every statement of the look-ups many times over, but few of an import's long ones. */
const STATEMENT_CACHE = 100_000

/**
 * Opens the file, or a database of this process alone for `:memory:`. Other processes may have the same file open:
 * readers never wait, writers wait for one another without holding up this process.
 *
 * In memory there is one connection for everything, and a look-up waits for an import. Connections can share such a
 * database only through SQLite's shared cache, which locks whole tables: look-ups would fail there instead.
 * @throws an error that names the file when it cannot be opened or is no database.
 */
export async function openSqlite<Schema>(path: string, clock: Clock): Promise<Connections<Schema>> {
  const connect = (waitMs: number) => kyselyOn<Schema>(path, { clock, waitMs })
  if (path === ':memory:') {
    const only = await connect(WAIT_MS)
    return { lookUps: only, writes: only, aside: (work) => work(only), close: () => only.destroy() }
  }
  const lookUps = await connect(WAIT_MS)
  const writes = await connect(WAIT_MS)
  return {
    lookUps,
    writes,
    async aside(work) {
      const connection = await connect(LONG_WAIT_MS)
      try {
        return await work(connection)
      } finally {
        await connection.destroy()
      }
    },
    async close() {
      await lookUps.destroy()
      await writes.destroy()
    },
  }
}

interface Waiting {
  readonly clock: Clock
  readonly waitMs: number
}

async function kyselyOn<Schema>(path: string, waiting: Waiting): Promise<Kysely<Schema>> {
  const db = kysely<Schema>(() => createDriver(path, waiting))
  // Kysely opens at the first use, and closes only what was used: what is wrong with the file is to be said now.
  await db.executeQuery(CompiledQuery.raw('select 1'))
  return db
}

function kysely<Schema>(createDriver: () => Driver): Kysely<Schema> {
  return new Kysely<Schema>({
    dialect: {
      createAdapter: () => new TransactionalAdapter(),
      createDriver,
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  })
}

/** Lets migrations run inside one transaction, which is also what keeps two starting processes apart. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

function createDriver(path: string, waiting: Waiting): Driver {
  let database: DatabaseSync | undefined
  return driverOf({
    async open() {
      const file = await opened(path, waiting)
      database = file
      return connectionTo(file, (attempt) => untilFree(path, waiting, attempt))
    },
    close: () => database?.close(),
  })
}

/** One connection; Kysely hands it to one user at a time. */
function driverOf({ open, close }: { open: () => Promise<DatabaseConnection>; close: () => void }): Driver {
  let only: DatabaseConnection | undefined
  const execute = async (connection: DatabaseConnection, sql: string) => {
    await connection.executeQuery(CompiledQuery.raw(sql))
  }
  return {
    async init() {
      only = await open()
    },
    acquireConnection() {
      if (only === undefined) throw new Error('the database is not open')
      return Promise.resolve(only)
    },
    // A transaction that reads first and writes later is refused at once, without waiting, if another process has
    // written in between: the write lock is taken when it begins.
    beginTransaction: (connection, { accessMode }) =>
      execute(connection, accessMode === 'read only' ? 'begin' : 'begin immediate'),
    commitTransaction: (connection) => execute(connection, 'commit'),
    rollbackTransaction: (connection) => execute(connection, 'rollback'),
    releaseConnection: () => Promise.resolve(),
    destroy: () => Promise.resolve(close()),
  }
}

async function opened(path: string, waiting: Waiting): Promise<DatabaseSync> {
  try {
    return await untilFree(path, waiting, () => openFile(path))
  } catch (error) {
    throw new Error(`cannot open the database ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

/** Kysely on a handle that stays its opener's to close. */
export function kyselyOver<Schema>(database: DatabaseSync): Kysely<Schema> {
  return kysely(() =>
    driverOf({ open: () => Promise.resolve(connectionTo(database, (attempt) => attempt())), close: () => {} }),
  )
}

/** Tries again and again while another process holds the lock that is needed. */
async function untilFree<T>(path: string, { clock, waitMs }: Waiting, attempt: () => T): Promise<T> {
  const started = clock.monotonic()
  for (;;) {
    try {
      return attempt()
    } catch (error) {
      if (!isBusy(error)) throw error
      if (clock.monotonic() - started >= waitMs) {
        throw new Error(`the database ${path} has been locked by another process for ${waitMs / 1000} s`, {
          cause: error,
        })
      }
    }
    await new Promise<void>((resolve) => {
      clock.after(PAUSE_MS, resolve)
    })
  }
}

function connectionTo(database: DatabaseSync, untilFree: <T>(attempt: () => T) => T | Promise<T>): DatabaseConnection {
  const statements = new LRUCache<string, Prepared>({
    maxSize: STATEMENT_CACHE,
    sizeCalculation: (_statement, sql) => sql.length,
  })

  function prepared(sql: string): Prepared {
    const known = statements.get(sql)
    if (known !== undefined) return known
    const statement = database.prepare(sql)
    const fresh = { statement, reads: statement.columns().length > 0 }
    statements.set(sql, fresh)
    return fresh
  }

  const executeQuery = async <Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> =>
    untilFree(() => {
      const { statement, reads } = prepared(sql)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- node:sqlite itself refuses what it cannot bind
      const values = parameters as SQLInputValue[]
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the row type is what the query's builder says
      if (reads) return { rows: statement.all(...values) as Row[] }
      const { changes, lastInsertRowid } = statement.run(...values)
      return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
    })

  return {
    executeQuery,
    async *streamQuery<Row>(query: CompiledQuery) {
      yield await executeQuery<Row>(query)
    },
  }
}

interface Prepared {
  readonly statement: StatementSync
  /** Whether it has rows to give. */
  readonly reads: boolean
}
