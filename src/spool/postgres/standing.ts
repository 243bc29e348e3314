import type { Transaction } from './mailboxes.ts'
import { statements } from './statements.ts'

/** What waits, and whether it is being sent. */
export interface Standing {
  readonly id: number
  readonly mailbox_id: number
  readonly region: string
  readonly dedup_key: string
  readonly organizations: string
  readonly place: number
  readonly spooled_at: number
  readonly is_being_sent: boolean
}

export interface Sought {
  readonly rows: readonly number[]
  readonly keys: readonly { readonly dedupKey: string; readonly region: string }[]
  /** As `relocate` has it. */
  readonly unsent?: number | undefined
}

/** What waits under these ids, or is the same webhook as what is to wait there. */
export async function readStanding(tx: Transaction, { rows, keys, unsent }: Sought): Promise<Standing[]> {
  const dedupKeys = keys.map(({ dedupKey }) => dedupKey)
  const regions = keys.map(({ region }) => region)
  return await tx.ask<Standing>(statements.standing, rows, dedupKeys, regions, tx.instance, tx.time, unsent ?? null)
}
