import { LEASE_MS } from '../spool.ts'
import { one, type Statements } from './statements.ts'

/** Who asks, and what time it is there: the tables have no clock of their own. */
export interface Moment {
  /** Milliseconds since the machine started. */
  readonly monotonic: number
  /** Unix milliseconds. */
  readonly now: number
  readonly instance: string
}

/**
 * Leases that end after the first of these and not after the second are good. What ends further ahead than any lease
 * was given before the machine started again; twice as far, since the caller's clock may have been read a moment before
 * the lease was given.
 */
export function goodLeases({ monotonic }: Moment): [after: number, upTo: number] {
  return [Math.floor(monotonic), Math.floor(monotonic) + 2 * LEASE_MS]
}

/** Whether what is claimed is still this one's. */
export function leaseIsGood(instance: string | null, at: Moment, sql: Statements): boolean {
  if (instance === null) return false
  if (instance === at.instance) return true
  const until = one<{ lease_until: number }>(sql.leaseOf, instance)?.lease_until ?? 0
  const [after, upTo] = goodLeases(at)
  return after < until && until <= upTo
}
