import { createHash } from 'node:crypto'
import {
  AbortedTransactionError,
  CompiledQuery,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from 'kysely'
import type { Connections } from './connections.ts'
import {
  createPool,
  isOutdatedPlan,
  isServersAnswer,
  placeOf,
  reasonOf,
  type Pool,
  type PoolClient,
  type PostgresDatabase,
} from './postgres.ts'

/** How long a web request waits for another's write; look-ups wait as long as the operator says. */
const WRITE_MS = 5000
/** Every look-up and write there is, several times over; the server keeps them for each connection. */
const NAMED_STATEMENTS = 256

/**
 * Connections to a server. Look-ups and writes have a pool each, and their statements are parsed and planned once a
 * connection. A connection that breaks fails the query that uses it, and none after it.
 * @throws an error that says where no database could be reached, and why.
 */
export async function openPostgres<Schema>(database: PostgresDatabase): Promise<Connections<Schema>> {
  const nameOf = createStatementNames()
  async function aside<Result>(work: (db: Kysely<Schema>) => Promise<Result>): Promise<Result> {
    // Its long statements are used once: no name is worth it.
    const db = kyselyOn<Schema>(createPool(database, { max: 1, statementTimeoutMs: undefined }), () => undefined)
    try {
      return await work(db)
    } finally {
      await db.destroy()
    }
  }
  // Nothing is connected before it is used, and an address that is wrong is to be said now.
  await aside((db) => db.executeQuery(CompiledQuery.raw('select 1'))).catch((error: unknown) => {
    throw new Error(`cannot open the database ${placeOf(database)}: ${reasonOf(error)}`, { cause: error })
  })
  const { statementTimeoutMs } = database
  const lookUps = kyselyOn<Schema>(createPool(database, { statementTimeoutMs }), nameOf)
  const writes = kyselyOn<Schema>(createPool(database, { statementTimeoutMs: WRITE_MS }), nameOf)
  return {
    lookUps,
    writes,
    aside,
    async close() {
      await Promise.all([lookUps.destroy(), writes.destroy()])
    },
  }
}

type NameOf = (sql: string) => string | undefined

/** The first statements get one; a program that makes ever new ones would fill the server's memory with them. */
function createStatementNames(): NameOf {
  const names = new Map<string, string>()
  return (sql) => {
    const known = names.get(sql)
    if (known !== undefined || names.size >= NAMED_STATEMENTS) return known
    const name = createHash('sha256').update(sql).digest('base64url').slice(0, 16)
    names.set(sql, name)
    return name
  }
}

function kyselyOn<Schema>(pool: Pool, nameOf: NameOf): Kysely<Schema> {
  return new Kysely<Schema>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => driverOn(pool, nameOf),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
}

/** A pool's connection while somebody has it. */
interface Lent {
  readonly client: PoolClient
  inTransaction: boolean
  /** Nobody else is to get it. */
  broken: boolean
}

function driverOn(pool: Pool, nameOf: NameOf): Driver {
  const lent = new WeakMap<DatabaseConnection, Lent>()
  const lentAs = (connection: DatabaseConnection): Lent => {
    const found = lent.get(connection)
    if (found === undefined) throw new TypeError('not a connection of this database')
    return found
  }
  return {
    init: () => Promise.resolve(),
    async acquireConnection() {
      const to: Lent = { client: await pool.connect(), inTransaction: false, broken: false }
      const connection = connectionOf(to, nameOf)
      lent.set(connection, to)
      return connection
    },
    async beginTransaction(connection, { isolationLevel, accessMode }) {
      const level = isolationLevel === undefined ? '' : ` isolation level ${isolationLevel}`
      const to = lentAs(connection)
      await ask(to, { text: `start transaction${level} ${accessMode ?? ''}` })
      to.inTransaction = true
    },
    async commitTransaction(connection) {
      const to = lentAs(connection)
      const { command } = await ask(to, { text: 'commit' })
      to.inTransaction = false
      // What the server says to a commit after an error that nobody passed on.
      if (command === 'ROLLBACK') throw new AbortedTransactionError()
    },
    async rollbackTransaction(connection) {
      const to = lentAs(connection)
      try {
        await ask(to, { text: 'rollback' })
        to.inTransaction = false
      } catch {
        // The server does it itself when the connection ends; what is to be told is why it was needed.
        to.broken = true
      }
    },
    releaseConnection(connection) {
      const { client, broken } = lentAs(connection)
      client.release(broken)
      return Promise.resolve()
    },
    destroy: () => pool.end(),
  }
}

interface Question {
  readonly text: string
  readonly values?: unknown[]
  readonly name?: string
}

/** Anything but an error of the server's own leaves its answer on the way: it would be taken for that of the next. */
async function ask(to: Lent, question: Question) {
  try {
    return await to.client.query(question)
  } catch (error) {
    if (!isServersAnswer(error)) to.broken = true
    throw error
  }
}

function connectionOf(to: Lent, nameOf: NameOf): DatabaseConnection {
  async function askByName(text: string, values: unknown[]) {
    const name = nameOf(text)
    if (name === undefined) return await ask(to, { text, values })
    try {
      return await ask(to, { name, text, values })
    } catch (error) {
      if (!isOutdatedPlan(error)) throw error
      // A table has got another column since: what this connection has prepared is of no use any more.
      to.broken = true
      if (to.inTransaction) throw error
      return await ask(to, { text, values })
    }
  }

  const executeQuery = async <Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> => {
    const { command, rowCount, rows } = await askByName(sql, [...parameters])
    const writes = command === 'INSERT' || command === 'UPDATE' || command === 'DELETE'
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the row type is what the query's builder says
    return { rows: rows as Row[], ...(writes && { numAffectedRows: BigInt(rowCount ?? 0) }) }
  }

  return {
    executeQuery,
    async *streamQuery<Row>(query: CompiledQuery) {
      yield await executeQuery<Row>(query)
    },
  }
}
