/** What an instance has learned of a mailbox by working on it. */
export interface MetMailbox {
  readonly id: number
  readonly isEmpty: boolean
  /** Undefined: whoever works on it has not been told whether it is. */
  readonly isPaused?: boolean
}

/**
 * Which mailboxes are open and which of them paused, as this instance knows: those that were listed last, with what it
 * has put into them or emptied itself since. Where their sum is not that of the database, somebody else has changed
 * something. Each instance asks each second, and there may be a hundred thousand: so it is the sum that is compared, and
 * kept up to date here with each change rather than counted anew.
 */
export interface KnownMailboxes {
  /** What all of them are now. */
  adopt(open: Iterable<{ readonly id: number; readonly paused: string | null }>): void
  /**
   * What this instance has made of some, or was told of them. Only that: where a pause of somebody else's were noted
   * that nobody here has heard of, nobody ever would.
   */
  note(met: readonly MetMailbox[]): void
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
  const paused = new Set<number>()
  let sum = 0n

  function put(into: Map<number, bigint>, { id, isEmpty, isPaused = paused.has(id) }: MetMailbox): void {
    const number = isEmpty && !isPaused ? 0n : numberOf(id, isPaused)
    sum += number - (into.get(id) ?? 0n)
    if (number === 0n) into.delete(id)
    else into.set(id, number)
    if (isPaused) paused.add(id)
    else paused.delete(id)
  }

  return {
    adopt(open) {
      known = new Map()
      paused.clear()
      sum = 0n
      for (const box of open) put(known, { id: box.id, isEmpty: false, isPaused: box.paused !== null })
    },
    note(met) {
      if (known !== undefined) for (const box of met) put(known, box)
    },
    sum: () => (known === undefined ? undefined : String(sum)),
  }
}
