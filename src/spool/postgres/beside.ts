import type { Pool } from '../../database/postgres.ts'
import { connect, explain, remedyFor, type Connection } from './connection.ts'

/** Beside the writer: what renews no lease, and for which no append has to wait. */
export interface Beside {
  /** One statement, or several that need not see the same. */
  read<Result>(work: (ask: Connection['ask']) => Promise<Result>): Promise<Result>
  /** Begun again when somebody else was in the way. Rejects when it is not known to be done. */
  transact<Result>(work: (ask: Connection['ask']) => Promise<Result>): Promise<Result>
}

/** A connection that has been closed since it was last used shows with its next use. */
const ATTEMPTS = 3

export function createBeside(pool: Pool, place: string): Beside {
  async function attempt<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    for (let attempts = 1; ; attempts++) {
      try {
        const connection = await connect(pool)
        try {
          return await work(connection)
        } finally {
          await connection.release()
        }
      } catch (error) {
        if (remedyFor(error) !== 'again' || attempts === ATTEMPTS) throw explain(error, place)
      }
    }
  }

  return {
    read: (work) => attempt((connection) => work(connection.ask)),
    transact: (work) =>
      attempt(async (connection) => {
        await connection.begin('select 1')
        const result = await work(connection.ask)
        await connection.commit()
        return result
      }),
  }
}
