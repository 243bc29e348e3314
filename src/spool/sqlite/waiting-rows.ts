import { allOf, columnsOf, idsOf, type Former } from '../rows.ts'
import { progressOf, regionOf, type Appended, type MailboxAddress, type NewRow } from '../spool.ts'
import { leaseIsGood, type Moment } from './leases.ts'
import { one, type Statements } from './statements.ts'

/** What tells whether a row is on its way: a held one, or the head of a mailbox that somebody works on. */
export interface Sending {
  readonly mailbox_id: number
  readonly held_by: string | null
  readonly owner: string | null
  readonly is_head: 0 | 1
}

/** The same webhook, waiting for the same region for other organizations. */
interface Twin extends Sending {
  readonly id: number
  readonly organizations: string
}

export interface Letter {
  readonly id: number
  readonly came: number
  readonly dedup_key: string
  readonly region: string
  readonly organizations: string
}

/** No row has this id. */
export const NO_ROW = -1

/**
 * One row at a time comes, goes, dies or waits again, in the tables of SQLite: where the same webhook waits for the same
 * region already, the two are one. What its mailbox and its region hold is counted with it.
 */
export function createWaitingRows(sql: Statements) {
  const mailboxIdOf = (address: MailboxAddress): number | undefined =>
    one<{ id: number }>(sql.mailboxAt, ...columnsOf(address))?.id

  function mailboxFor(address: MailboxAddress): number {
    return mailboxIdOf(address) ?? Number(sql.newMailbox.run(...columnsOf(address)).lastInsertRowid)
  }

  function count(mailbox: number, region: string, rows: number, bytes: number): void {
    sql.countInMailbox.run(rows, bytes, mailbox)
    sql.countInRegion.run(region, bytes)
  }

  /** Where neither a twin nor a quota is in the way: behind all others, or where `former` was. */
  function insert(row: NewRow, at: Moment, former?: Former): { id: number; mailbox: number } {
    const { mailbox: address, state, payload } = row
    const mailbox = mailboxFor(address)
    const region = regionOf(address)
    const { attempts, answeredFailures, failingMs, retryAt, isAsked } = progressOf(state)
    const { lastInsertRowid } = sql.newRow.run(
      mailbox,
      region,
      former?.place ?? null,
      row.delivery,
      row.dedupKey,
      JSON.stringify(row.organizations),
      row.receivedAt,
      former?.spooled_at ?? at.now,
      state.kind === 'held' ? at.instance : null,
      attempts,
      answeredFailures,
      failingMs,
      retryAt,
      Number(isAsked),
      payload.bytes.length,
      payload.keyId ?? null,
      payload.bytes,
    )
    count(mailbox, region, 1, payload.bytes.length)
    return { id: Number(lastInsertRowid), mailbox }
  }

  function remove(id: number): Former | undefined {
    const row = one<Former & { mailbox_id: number; region: string; size: number }>(sql.removeRow, id)
    if (row !== undefined) count(row.mailbox_id, row.region, -1, -row.size)
    return row
  }

  /** One dead letter tells of a webhook that was not delivered as well as two, for the organizations of both. */
  function bury(id: number, reason: string, attempts: number, at: Moment): number | undefined {
    const { changes, lastInsertRowid } = sql.bury.run(at.now, reason, attempts, id)
    const isNew = Number(changes) > 0
    const twin = isNew ? undefined : one<{ id: number; organizations: string; more: string }>(sql.letterOfRow, id)
    if (twin !== undefined) sql.letterFor.run(allOf(twin.organizations, idsOf(twin.more)), twin.id)
    remove(id)
    return isNew ? Number(lastInsertRowid) : undefined
  }

  /** Whether it waits again. Where its webhook waits there already it goes with that, but not while that is being sent. */
  function revive({ id, dedup_key: dedupKey, region, organizations }: Letter, at: Moment): boolean {
    const twin = one<Twin>(sql.twinOf, dedupKey, region, NO_ROW)
    if (twin !== undefined && isBeingSent(twin, at)) return false
    if (twin === undefined) {
      const revived = one<{ mailbox_id: number; size: number }>(sql.revive, at.now, id)
      if (revived !== undefined) count(revived.mailbox_id, region, 1, revived.size)
    } else {
      sql.organizations.run(allOf(twin.organizations, idsOf(organizations)), twin.id)
    }
    sql.removeLetter.run(id)
    return twin === undefined
  }

  function put(row: NewRow, at: Moment, quota: number | undefined): Appended {
    const region = regionOf(row.mailbox)
    const twin = twinOf(row, NO_ROW)
    if (twin !== undefined) {
      const all = allOf(twin.organizations, row.organizations)
      if (all !== twin.organizations && (isBeingSent(twin, at) || twin.mailbox_id !== mailboxIdOf(row.mailbox))) {
        return { kind: 'blocked' }
      }
      // Also where none is added: somebody relies on it from now on.
      sql.organizations.run(all, twin.id)
      return { kind: 'duplicate' }
    }
    if (row.state.kind === 'dead') {
      const { id, mailbox } = insert(row, at)
      const letter = bury(id, row.state.reason, row.state.attempts, at)
      return letter === undefined ? { kind: 'duplicate' } : { kind: 'stored', id: letter, mailbox }
    }
    if (quota !== undefined) {
      const used = one<{ bytes: number }>(sql.usageOf, region)?.bytes ?? 0
      if (used + row.payload.bytes.length > quota) return { kind: 'full' }
    }
    return { kind: 'stored', ...insert(row, at) }
  }

  function twinOf({ dedupKey, mailbox }: NewRow, except: number): Twin | undefined {
    return one<Twin>(sql.twinOf, dedupKey, regionOf(mailbox), except)
  }

  /** Then it goes without what is added to it now, and is gone when it has arrived. `idle`: where no head is sent. */
  function isBeingSent({ mailbox_id: mailbox, held_by, owner, is_head }: Sending, at: Moment, idle?: number): boolean {
    return leaseIsGood(held_by, at, sql) || (mailbox !== idle && is_head === 1 && leaseIsGood(owner, at, sql))
  }

  /**
   * Gives the place of a row that nobody sends, and its age, to `rows`: those that wait there already take their
   * organizations along. Nothing is done while one of these is being sent; they are returned.
   */
  function replace(id: number, rows: readonly NewRow[], at: Moment, idle?: number): readonly Twin[] {
    const twins = rows.map((row) => twinOf(row, id))
    const beingSent = twins.filter((twin): twin is Twin => twin !== undefined && isBeingSent(twin, at, idle))
    if (beingSent.length > 0) return beingSent
    // It goes first: it may be its own twin. What waits already is never refused for want of room.
    const former = remove(id)
    for (const [index, row] of rows.entries()) {
      const twin = twins[index]
      if (twin === undefined) insert(row, at, former)
      else sql.organizations.run(allOf(twin.organizations, row.organizations), twin.id)
    }
    return []
  }

  return { put, remove, bury, revive, replace, isBeingSent }
}
