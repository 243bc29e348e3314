import type { CountedMailbox } from './postgres-spool-mailboxes.ts'

/**
 * Which mailboxes are open and which of them paused, as this instance knows: those that were listed last, with what it
 * has put into them or emptied itself since. Where their sum is not that of the database, somebody else has changed
 * something. Each instance asks each second, and there may be a hundred thousand: so it is the sum that is compared, and
 * kept up to date here with each change rather than counted anew.
 */
export interface KnownMailboxes {
  /** What all of them are now. */
  adopt(open: Iterable<{ readonly id: number; readonly paused: string | null }>): void
  /** What this instance has made of some. */
  note(counted: readonly CountedMailbox[]): void
  /** Undefined: never listed. */
  sum(): string | undefined
}

const MASK = 0x7fff_ffffn

/**
 * The sum of a table in SQL, as `numberOf` has its parts: squares, so that no two sets of ids that come one after the
 * other have the same. A reason to be paused that becomes another is no change to anybody who works on a mailbox.
 */
export const SUM_OF_OPEN = `coalesce(sum(power * power), 0)::text AS sum FROM (
  SELECT ((id & 1073741823) * 2654435761 + CASE WHEN paused IS NULL THEN 0 ELSE 977 END) & ${MASK} AS power
  FROM mailboxes WHERE depth > 0 OR paused IS NOT NULL) AS open`

function numberOf(id: number, isPaused: boolean): bigint {
  const power = ((BigInt(id) & 1_073_741_823n) * 2_654_435_761n + (isPaused ? 977n : 0n)) & MASK
  return power * power
}

export function createKnownMailboxes(): KnownMailboxes {
  let known: Map<number, bigint> | undefined
  let sum = 0n

  function put(into: Map<number, bigint>, id: number, number: bigint): void {
    sum += number - (into.get(id) ?? 0n)
    if (number === 0n) into.delete(id)
    else into.set(id, number)
  }

  return {
    adopt(open) {
      known = new Map()
      sum = 0n
      for (const { id, paused } of open) put(known, id, numberOf(id, paused !== null))
    },
    note(counted) {
      if (known === undefined) return
      for (const { id, depth, paused } of counted) {
        put(known, id, depth > 0 || paused !== null ? numberOf(id, paused !== null) : 0n)
      }
    },
    sum: () => (known === undefined ? undefined : String(sum)),
  }
}
