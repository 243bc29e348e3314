import { isOutdatedPlan, isServersAnswer, reasonOf, type Pool } from '../../database/postgres.ts'
import type { Transaction } from './mailboxes.ts'
import { MovedMeanwhile } from './moves.ts'

/** One connection while somebody has it. */
export interface Connection {
  ask: Transaction['ask']
  /** Begins a transaction with a statement of its own, without parameters, in one go: its rows. */
  begin<Row>(statement: string): Promise<Row[]>
  /**
   * @throws CommitUnknown - when the connection broke before the server had said what came of it
   */
  commit(): Promise<void>
  /** Gives it back; what is open is rolled back. Never rejects. */
  release(): Promise<void>
}

/** The transaction is in the database, or it is not. */
export class CommitUnknown extends Error {}

/** `pg` itself has given up waiting: the server is silent. */
const SILENT = 'Query read timeout'
const INT8 = 20
/**
 * A process that stops in the middle, or a machine that is cut off, holds its locks until the server ends its
 * transaction: those of regions, which every other instance waits for, no longer than a lease.
 */
const IDLE_MS = 2000
const BEGIN = `begin isolation level read committed; set local idle_in_transaction_session_timeout = ${IDLE_MS}`

/** Nothing is begun, and asking again at once would change nothing. */
class Unreachable extends AggregateError {}

/** @throws when none can be made, or none becomes free in time. */
export async function connect(pool: Pool): Promise<Connection> {
  const client = await pool.connect().catch((error: unknown) => {
    throw new Unreachable([error], '', { cause: error })
  })
  // Every number here is one of ours, and far from where numbers end; what is not is read as text.
  const types = {
    getTypeParser: (oid: number, format?: 'text' | 'binary') =>
      oid === INT8 ? Number : client.getTypeParser(oid, format),
  }
  let isOpen = false
  let isBroken = false

  async function tell<Result>(asking: Promise<Result>): Promise<Result> {
    try {
      return await asking
    } catch (error) {
      // Its answer is still on the way, and would be taken for that of the next; or its plans are of no use any more.
      if (!isServersAnswer(error) || isOutdatedPlan(error)) isBroken = true
      throw error
    }
  }

  return {
    async ask<Row>(statement: { name?: string; text: string }, ...values: readonly unknown[]) {
      const { rows } = await tell(client.query({ ...statement, values: [...values], types }))
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the columns are what the statement selects
      return rows as Row[]
    },
    async begin<Row>(statement: string) {
      isOpen = true
      const results: unknown = await tell(client.query(`${BEGIN}; ${statement}`))
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one result for each statement
      return (results as { rows: Row[] }[]).at(-1)?.rows ?? []
    },
    async commit() {
      let command: string
      try {
        const result = await tell(client.query('commit'))
        command = result.command
      } catch (error) {
        if (isServersAnswer(error)) throw error
        throw new CommitUnknown(reasonOf(error), { cause: error })
      }
      isOpen = false
      // What the server says to a commit after an error that nobody passed on.
      if (command === 'ROLLBACK') throw new Error('the transaction had failed before')
    },
    async release() {
      // The server rolls back by itself when the connection ends.
      if (isOpen && !isBroken) await tell(client.query('rollback')).catch(() => {})
      client.release(isBroken)
    },
  }
}

/**
 * What is to be done after an error that left nothing behind. `again`: the same once more. `apart`: one of the calls is
 * at fault, the others may well succeed. `refuse`: nothing can be done now.
 */
export function remedyFor(error: unknown): 'again' | 'apart' | 'refuse' {
  if (error instanceof Unreachable) return 'refuse'
  if (error instanceof MovedMeanwhile || isOutdatedPlan(error)) return 'again'
  const state = stateOf(error)
  if (state === SERIALIZATION_FAILURE || state === DEADLOCK) return 'again'
  if (isServersAnswer(error)) return ofTheServer.has(state.slice(0, 2)) ? 'refuse' : 'apart'
  // A connection that broke takes what was open with it; so does a server that ends it.
  const isLost = state.startsWith('57P') || (error instanceof Error && lost.test(`${state} ${error.message}`))
  if (isLost) return 'again'
  return error instanceof Error && error.message === SILENT ? 'refuse' : 'apart'
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const [SERIALIZATION_FAILURE, DEADLOCK, CANCELED, READ_ONLY, FULL] = ['40001', '40P01', '57014', '25006', '53100']
/** Connections, resources, whoever operates it, the system, and a state that is not a statement's fault. */
const ofTheServer: ReadonlySet<string> = new Set(['08', '25', '53', '57', '58'])
const lost = /ECONNRESET|EPIPE|ETIMEDOUT|Connection terminated|connection error/

function stateOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** One line, without a password. `place`: which database. */
export function explain(error: unknown, place: string): Error {
  const state = stateOf(error)
  const said = reasonOf(error).replaceAll(/\s+/g, ' ')
  const why =
    state === CANCELED || said === SILENT
      ? 'did not answer in time'
      : state === FULL
        ? 'is full'
        : state === READ_ONLY
          ? 'is read-only'
          : `failed: ${said === '' ? state : said}`
  return new Error(`the database ${place} ${why}`, { cause: error })
}
