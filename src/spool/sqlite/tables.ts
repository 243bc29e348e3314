import type { DatabaseSync } from '../../database/sqlite.ts'
import {
  columnsOf,
  conditionsOf,
  deadLetterOf,
  listingOf,
  openMailboxOf,
  storedId,
  totalsOf,
  waitingRowOf,
  type DeadLetterColumns,
  type LettersColumns,
  type ListingColumns,
  type MailboxColumns,
  type RowColumns,
  type TotalsColumns,
} from '../rows.ts'
import {
  deathOf,
  restAfter,
  retryBehindTwins,
  takesAllAlong,
  TOO_OLD,
  type OldColumns,
  type StoredRow,
} from '../rules.ts'
import {
  LEASE_MS,
  type Appended,
  type Claim,
  type DeadLetterFilter,
  type EraseTarget,
  type MailboxAddress,
  type MailboxListing,
  type MailboxPage,
  type Move,
  type NewRow,
  type Next,
  type OpenMailbox,
  type RegionTotals,
  type Settlement,
  type Swept,
  type WaitingRow,
  type Replayed,
  type ReplayPart,
  type WaitingPage,
} from '../spool.ts'
import { goodLeases, leaseIsGood, type Moment } from './leases.ts'
import { createOwedAnswerRows } from './owed-answer-rows.ts'
import { INTEGRATION, all, changes, one, prepareStatements, rowsOf, type Value } from './statements.ts'
import { createWaitingRows, NO_ROW, type Letter, type Sending } from './waiting-rows.ts'

/** As SQLite has it. */
const NO_LIMIT = -1

export type SpoolTables = ReturnType<typeof createSpoolTables>

/**
 * The spool as plain functions over one connection, which several instances may share. Each is one step of a
 * transaction that the caller begins and ends; in one that writes, `renew` comes first.
 */
export function createSpoolTables(database: DatabaseSync) {
  const sql = prepareStatements(database)
  const { put, remove, bury, revive, replace, isBeingSent } = createWaitingRows(sql)
  // SQLite says what other connections have changed; what other instances have on this one is counted here.
  const writes = new Map<string, number>()
  const seen = new Map<string, string>()
  let allWrites = 0
  const foreignWrites = ({ instance }: Moment): string => {
    const others = one<{ data_version: number }>(sql.version)?.data_version
    return `${others} ${allWrites - (writes.get(instance) ?? 0)}`
  }

  function holds(claim: Claim, at: Moment): boolean {
    return claim.kind === 'held'
      ? one(sql.heldRow, claim.row, at.instance) !== undefined
      : one(sql.claimedRow, claim.mailbox, at.instance, claim.fence, claim.row) !== undefined
  }

  function open(at: Moment): OpenMailbox[] {
    seen.set(at.instance, foreignWrites(at))
    return all<MailboxColumns>(sql.open).map(openMailboxOf)
  }

  return {
    /** Until when this instance's lease is good now. */
    renew(at: Moment): number {
      const until = Math.floor(at.monotonic) + LEASE_MS
      allWrites += 1
      writes.set(at.instance, (writes.get(at.instance) ?? 0) + 1)
      sql.renew.run(at.instance, until)
      return until
    },

    /** Lets others have at once what is this instance's. */
    giveBack(at: Moment): void {
      sql.giveBackMailboxes.run(at.instance)
      sql.giveBackRows.run(at.instance)
      sql.giveBackAnswers.run(at.instance)
      sql.endLease.run(at.instance)
    },

    append: (at: Moment, rows: readonly NewRow[]): Appended[] => rows.map((row) => put(row, at, row.maxSpoolBytes)),

    /**
     * Takes back what was stored for somebody who has been told that it was not, unless a repetition relies on it: then
     * it waits for no first attempt any more.
     */
    unstore(at: Moment, rows: readonly StoredRow[]): void {
      for (const { id, delivery } of rows) {
        if (one(sql.untouched, id, delivery) !== undefined) remove(id)
        else sql.unholdOwn.run(delivery, at.instance)
      }
    },

    /** Nobody makes a delivery's first attempts any more. */
    letGo(at: Moment, delivery: string): void {
      sql.unholdOwn.run(delivery, at.instance)
    },

    next(at: Moment, mailbox: number): Next {
      const release = <Outcome extends Next>(outcome: Outcome): Outcome => {
        sql.releaseOwn.run(mailbox, at.instance)
        return outcome
      }
      const box = one<{ paused: string | null; owner: string | null; fence: number }>(sql.mailbox, mailbox)
      if (box === undefined) return { kind: 'empty' }
      if (box.owner !== at.instance && leaseIsGood(box.owner, at, sql)) return { kind: 'claimed' }
      if (box.paused !== null) return release({ kind: 'paused' })
      const head = one<RowColumns>(sql.head, mailbox)
      if (head === undefined) return release({ kind: 'empty' })
      if (leaseIsGood(head.held_by, at, sql)) return release({ kind: 'held' })
      if (head.held_by !== null) sql.unhold.run(head.id)
      const fence = box.owner === at.instance ? box.fence : box.fence + 1
      if (box.owner !== at.instance) sql.claim.run(at.instance, fence, mailbox)
      return { kind: 'row', row: waitingRowOf(head), fence, validUntil: Math.floor(at.monotonic) + LEASE_MS }
    },

    settle(at: Moment, claim: Claim, settlement: Settlement): boolean {
      if (!holds(claim, at)) return false
      switch (settlement.kind) {
        case 'delivered':
          remove(claim.row)
          break
        case 'dead':
          bury(claim.row, settlement.reason, settlement.attempts, at)
          break
        case 'again': {
          const { attempts, answeredFailures, failingMs, retryAt, isAsked } = settlement
          sql.again.run(attempts, answeredFailures, failingMs, retryAt, Number(isAsked), claim.row)
          if (claim.kind === 'mailbox') sql.releaseOwn.run(claim.mailbox, at.instance)
          break
        }
        case 'moved': {
          const beingSent = replace(claim.row, settlement.rows, at)
          if (beingSent.length > 0) {
            sql.retryAt.run(retryBehindTwins(claim.row, beingSent, at.now), claim.row)
          }
          break
        }
      }
      return true
    },

    release(at: Moment, mailbox: number, fence: number): void {
      sql.release.run(mailbox, at.instance, fence)
    },

    open,

    waitingFor(
      _at: Moment,
      address: MailboxAddress,
      organization: string,
      { limit, after, before }: WaitingPage,
    ): WaitingRow[] {
      const mailbox = one<{ id: number }>(sql.mailboxAt, ...columnsOf(address))?.id
      if (mailbox === undefined) return []
      const placeOf = (id: number): number => one<{ place: number }>(sql.placeOf, id)?.place ?? 0
      const rows = sql.waitingFor.all({
        mailbox,
        organization,
        after: after === undefined ? 0 : placeOf(after),
        before: before === undefined ? Number.MAX_SAFE_INTEGER : placeOf(before),
        limit,
      })
      return rowsOf<RowColumns>(rows).map(waitingRowOf)
    },

    relocate(at: Moment, moves: readonly Move[], { unsent = NO_ROW }: { readonly unsent?: number } = {}): number {
      const idle = one<{ id: number }>(sql.ownMailboxOf, unsent, at.instance)?.id
      let moved = 0
      for (const { row, rows } of moves) {
        const waiting = one<Sending & { organizations: string }>(sql.sending, row)
        if (waiting === undefined) continue
        if (isBeingSent(waiting, at, idle) || !takesAllAlong(rows, waiting.organizations)) break
        if (replace(row, rows, at, idle).length > 0) break
        moved += 1
      }
      return moved
    },

    at: (_at: Moment, addresses: readonly MailboxAddress[]): OpenMailbox[] =>
      addresses.flatMap((address) => all<MailboxColumns>(sql.openAt, ...columnsOf(address)).map(openMailboxOf)),

    changed: (at: Moment): OpenMailbox[] | undefined =>
      foreignWrites(at) === seen.get(at.instance) ? undefined : open(at),

    list: (_at: Moment, { after = 0, open = false, limit }: Partial<MailboxPage> = {}): MailboxListing[] =>
      all<MailboxColumns & ListingColumns>(sql.list, after, open ? 1 : 0, limit ?? NO_LIMIT).map(listingOf),

    usage: (_at: Moment): ReadonlyMap<string, number> =>
      new Map(all<{ region: string; bytes: number }>(sql.usage).map(({ region, bytes }) => [region, bytes])),

    totals: (_at: Moment): ReadonlyMap<string, RegionTotals> =>
      totalsOf(all<TotalsColumns>(sql.totals), all<LettersColumns>(sql.deadLetters)),

    pause: (_at: Moment, mailbox: number, reason: string): boolean => changes(sql.pause.run(reason, mailbox)),
    resume: (_at: Moment, mailbox: number): boolean => changes(sql.pause.run(null, mailbox)),

    deadLetters(_at: Moment, filter: DeadLetterFilter, { limit, beforeId }: { limit: number; beforeId?: number }) {
      const { where, values } = whereOf(filter)
      const before = beforeId === undefined ? '' : ' AND letter.id < ?'
      const rows = database
        .prepare(
          `SELECT letter.id, letter.mailbox_id, letter.delivery, letter.reason, letter.attempts, letter.received_at,
             letter.died_at, box.provider, ${INTEGRATION}, box.installation, box.region
           FROM dead_letters AS letter JOIN mailboxes AS box ON box.id = letter.mailbox_id
           WHERE ${where}${before} ORDER BY letter.id DESC LIMIT ?`,
        )
        .all(...values, ...(beforeId === undefined ? [] : [beforeId]), limit)
      return rowsOf<DeadLetterColumns>(rows).map(deadLetterOf)
    },

    replay(at: Moment, filter: DeadLetterFilter, { limit, from }: ReplayPart): Replayed {
      const { where, values } = whereOf(filter)
      const upTo = from?.upTo ?? one<{ id: number | null }>(sql.newestLetter)?.id ?? 0
      const letters = rowsOf<Letter>(
        database
          .prepare(
            `SELECT letter.id, letter.came, letter.dedup_key, letter.region, letter.organizations
             FROM dead_letters AS letter JOIN mailboxes AS box ON box.id = letter.mailbox_id
             WHERE ${where} AND (letter.came, letter.id) > (?, ?) AND letter.id <= ?
             ORDER BY letter.came, letter.id LIMIT ?`,
          )
          .all(...values, from?.came ?? 0, from?.id ?? 0, upTo, limit),
      )
      return {
        replayed: letters.filter((letter) => revive(letter, at)).length,
        rest: restAfter(letters, { limit, upTo }),
      }
    },

    erase(_at: Moment, { provider, integration, installations }: EraseTarget): number {
      const boxes = [
        ...all<MailboxTotals>(sql.mailboxesOf, provider, storedId(integration)),
        ...installations.flatMap((text) => all<MailboxTotals>(sql.unresolvedOf, provider, text)),
      ]
      let erased = Number(sql.eraseAnswers.run(provider, storedId(integration)).changes)
      for (const { id, region, bytes } of boxes) {
        erased += Number(sql.eraseRows.run(id).changes) + Number(sql.eraseLetters.run(id).changes)
        sql.countInRegion.run(region, -bytes)
        sql.eraseMailbox.run(id)
      }
      return erased
    },

    sweep(
      at: Moment,
      { waitingSince, diedBefore, limit }: { waitingSince: number; diedBefore: number; limit: number },
    ): Swept {
      const good = goodLeases(at)
      const old = all<OldColumns>(sql.old, waitingSince, ...good, ...good, limit)
      for (const { id, attempts } of old) bury(id, TOO_OLD, attempts, at)
      return { died: old.map(deathOf), removed: Number(sql.removeLetters.run(diedBefore, limit).changes) }
    },

    ...createOwedAnswerRows(sql),

    /** Forgets everything, down to the ids that were given: as new. */
    clear(): void {
      database.exec(
        ['waiting', 'dead_letters', 'mailboxes', 'instances', 'owed_answers', 'spool_usage']
          .map((table) => `DELETE FROM ${table};`)
          .concat('DELETE FROM sqlite_sequence')
          .join(''),
      )
      seen.clear()
    },
  }
}

interface MailboxTotals {
  readonly id: number
  readonly region: string
  readonly bytes: number
}

/** No condition at all means every dead letter. */
function whereOf(filter: DeadLetterFilter): { where: string; values: Value[] } {
  const conditions = conditionsOf(filter)
  return {
    where: conditions.map(({ column }) => `${column} = ?`).join(' AND ') || 'true',
    values: conditions.map(({ value }) => value),
  }
}
