import { idsOf } from './rows.ts'
import type { Appended, NewRow, Replayed, Swept, WaitingRow } from './spool.ts'

/*
 * What every database's spool decides alike, whatever it asks of its tables to know.
 */

/** What a row that was swept away for its age died of. */
export const TOO_OLD = 'too_old'

/** A row that is to be swept away for its age. */
export interface OldColumns {
  readonly id: number
  readonly attempts: number
  readonly delivery: string
  readonly region: string
}

export function deathOf({ delivery, region }: OldColumns): Swept['died'][number] {
  return { delivery, region }
}

/** How long what has moved waits for a twin to be sent: as long as a call commonly takes. */
const TWIN_WAIT_MS = 1000

/**
 * When a row that was to move is tried again, in unix milliseconds, while others of its webhook are being sent where it
 * is to go. Two that change places are each other's twin: the older one looks again first, and finds the other at rest.
 */
export function retryBehindTwins(row: number, beingSent: readonly { readonly id: number }[], now: number): number {
  const isYounger = beingSent.some(({ id }) => id < row)
  return now + (isYounger ? 1.5 : 1) * TWIN_WAIT_MS
}

/**
 * Whether `rows` take all organizations of a row along. Whoever has read it may not have read all: another that was
 * moved here since has left its organizations with it.
 */
export function takesAllAlong(rows: readonly NewRow[], organizations: string): boolean {
  const named = new Set(rows.flatMap((row) => row.organizations))
  return idsOf(organizations).every((id) => named.has(id))
}

/** Where a replay goes on behind the dead letters that it has looked at: nowhere, where these were not `limit` of them. */
export function restAfter(
  letters: readonly { readonly id: number; readonly came: number }[],
  { limit, upTo }: { readonly limit: number; readonly upTo: number },
): Replayed['rest'] {
  const last = letters.at(-1)
  return last === undefined || letters.length < limit ? undefined : { came: last.came, id: last.id, upTo }
}

/** An older database in the place of the one that gave the id may have given it to another delivery. */
export type StoredRow = Pick<WaitingRow, 'id' | 'delivery'>

/**
 * What `append` has stored of `rows`, for whoever is to take it back, but no dead letters: a repetition that relies on
 * one leaves no trace on it, and one too many costs no more than a replay.
 */
export function storedOf(rows: readonly NewRow[], results: readonly Appended[]): StoredRow[] {
  return rows.flatMap(({ delivery, state }, at) => {
    const result = results[at]
    return result?.kind === 'stored' && state.kind !== 'dead' ? [{ id: result.id, delivery }] : []
  })
}
