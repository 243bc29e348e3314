import { DatabaseError, Pool } from 'pg'

export type { Pool, PoolClient } from 'pg'

/** A PostgreSQL database, as `DATABASE_URL` names it. */
export interface PostgresDatabase {
  readonly kind: 'postgres'
  /** Without the parameters below, which are ours. */
  readonly url: string
  /** `pool_max`: connections of this process in each of its two pools, look-ups and everything else. Default 10. */
  readonly poolMax: number
  /** `statement_timeout_ms`: after that long a look-up counts as failed. Default 2000. */
  readonly statementTimeoutMs: number
}

/** How long a connection may take to be made, or to become free: a look-up has to answer within its webhook's budget. */
const CONNECT_MS = 2000

/** A process that stops in the middle of a transaction keeps its locks from all others no longer than that. */
const IDLE_IN_TRANSACTION_MS = 10_000

/**
 * Connections to PostgreSQL. A statement that takes longer than `statementTimeoutMs` fails, here and on the server.
 * Undefined: it may take any time.
 */
export function createPool(
  { url, poolMax }: PostgresDatabase,
  { max = poolMax, statementTimeoutMs }: { max?: number; statementTimeoutMs: number | undefined },
): Pool {
  const pool = new Pool({
    connectionString: url,
    max,
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'silo-gateway',
    keepAlive: true,
    ...(statementTimeoutMs !== undefined && {
      statement_timeout: statementTimeoutMs,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
      // A server that has gone silent ends nothing.
      query_timeout: statementTimeoutMs + CONNECT_MS,
    }),
  })
  // A connection that breaks while nobody uses it is replaced by the next query.
  pool.on('error', () => {})
  // And so is one that breaks in use, whose query has failed by then.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** Where a database is, in words: without user and password. */
export function placeOf({ url }: PostgresDatabase): string {
  const { hostname, port, pathname, searchParams } = new URL(url)
  const host = searchParams.get('host') ?? (hostname === '' ? 'localhost' : hostname)
  return `${decodeURIComponent(pathname.slice(1))} at ${host}:${port === '' ? 5432 : port}`
}

/** A name with several addresses fails with one error for each, and none of its own. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}

/** The server refuses a statement, and the connection goes on. Class 57P: it ends the connection with it. */
export function isServersAnswer(error: unknown): boolean {
  return error instanceof DatabaseError && error.code?.startsWith('57P') !== true
}

/**
 * A statement that was prepared gives other columns since a table has changed, or a pooler has forgotten it (SQLSTATE
 * 0A000 and 26000): sent once more without a name, it is carried out.
 */
export function isOutdatedPlan(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return false
  return error.code === '26000' || (error.code === '0A000' && error.routine === 'RevalidateCachedQuery')
}
