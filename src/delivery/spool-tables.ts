import type { DatabaseSync } from '../database/sqlite.ts'
import {
  allOf,
  columnsOf,
  conditionsOf,
  deadLetterOf,
  idsOf,
  openMailboxOf,
  orphanOf,
  storedId,
  waitingRowOf,
  type AnswerColumns,
  type DeadLetterColumns,
  type ListingColumns,
  type MailboxColumns,
  type RowColumns,
} from './spool-rows.ts'
import {
  LEASE_MS,
  NO_PROGRESS,
  regionOf,
  type Appended,
  type Claim,
  type DeadLetterFilter,
  type EraseTarget,
  type MailboxAddress,
  type MailboxListing,
  type NewOwedAnswer,
  type NewRow,
  type Next,
  type OpenMailbox,
  type OrphanedAnswer,
  type Sealed,
  type Settlement,
  type WaitingRow,
  type Replayed,
  type ReplayPart,
} from './spool.ts'

/** Who asks, and what time it is there: the tables have no clock of their own. */
export interface Moment {
  /** Milliseconds since the machine started. */
  readonly monotonic: number
  /** Unix milliseconds. */
  readonly now: number
  readonly instance: string
}

/** As `append` has named it. */
export interface StoredRow {
  readonly id: number
  readonly isDead: boolean
}

/** What a row that was swept away for its age died of. */
const TOO_OLD = 'too_old'

export type SpoolTables = ReturnType<typeof createSpoolTables>

/**
 * The spool as plain functions over one connection, which several instances may share. Each is one step of a
 * transaction that the caller begins and ends; in one that writes, `renew` comes first.
 */
export function createSpoolTables(database: DatabaseSync) {
  const sql = prepareStatements(database)
  // SQLite says what other connections have changed; what other instances have on this one is counted here.
  const writes = new Map<string, number>()
  const seen = new Map<string, string>()
  let allWrites = 0
  const foreignWrites = ({ instance }: Moment): string => {
    const others = one<{ data_version: number }>(sql.version)?.data_version
    return `${others} ${allWrites - (writes.get(instance) ?? 0)}`
  }

  // What ends at a time that is further ahead than any lease was given before the machine started again. Twice as far:
  // the caller's clock may have been read a moment before the lease was given.
  const leaseIsGood = (instance: string | null, at: Moment): boolean => {
    if (instance === null) return false
    if (instance === at.instance) return true
    const until = one<{ lease_until: number }>(sql.leaseOf, instance)?.lease_until ?? 0
    return at.monotonic < until && until <= at.monotonic + 2 * LEASE_MS
  }

  function mailboxFor(address: MailboxAddress): number {
    const columns = columnsOf(address)
    const known = one<{ id: number }>(sql.mailboxAt, ...columns)
    return known?.id ?? Number(sql.newMailbox.run(...columns).lastInsertRowid)
  }

  function count(mailbox: number, region: string, rows: number, bytes: number): void {
    sql.countInMailbox.run(rows, bytes, mailbox)
    sql.countInRegion.run(region, bytes)
  }

  /** Where neither a twin nor a quota is in the way. `place`: of the row that it comes from; null: behind all others. */
  function insert(row: NewRow, at: Moment, place: number | null): { id: number; mailbox: number } {
    const { mailbox: address, state, payload } = row
    const mailbox = mailboxFor(address)
    const region = regionOf(address)
    const { attempts, answeredFailures, failingMs, retryAt } = state.kind === 'waiting' ? state : NO_PROGRESS
    const { lastInsertRowid } = sql.newRow.run(
      mailbox,
      region,
      place,
      row.delivery,
      row.dedupKey,
      JSON.stringify(row.organizations),
      row.receivedAt,
      at.now,
      state.kind === 'held' ? at.instance : null,
      attempts,
      answeredFailures,
      failingMs,
      retryAt,
      payload.bytes.length,
      payload.keyId ?? null,
      payload.bytes,
    )
    count(mailbox, region, 1, payload.bytes.length)
    return { id: Number(lastInsertRowid), mailbox }
  }

  function remove(id: number): void {
    const row = one<{ mailbox_id: number; region: string; size: number }>(sql.removeRow, id)
    if (row !== undefined) count(row.mailbox_id, row.region, -1, -row.size)
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
    if (one(sql.twin, row.dedupKey, region) !== undefined) return { kind: 'duplicate' }
    if (row.state.kind === 'dead') {
      const { id, mailbox } = insert(row, at, null)
      const letter = bury(id, row.state.reason, row.state.attempts, at)
      return letter === undefined ? { kind: 'duplicate' } : { kind: 'stored', id: letter, mailbox }
    }
    if (quota !== undefined) {
      const used = one<{ bytes: number }>(sql.usageOf, region)?.bytes ?? 0
      if (used + row.payload.bytes.length > quota) return { kind: 'full' }
    }
    return { kind: 'stored', ...insert(row, at, null) }
  }

  function twinOf({ dedupKey, mailbox }: NewRow, except: number): Twin | undefined {
    return one<Twin>(sql.twinOf, dedupKey, regionOf(mailbox), except)
  }

  /** Then it goes without what is added to it now, and is gone when it has arrived. */
  function isBeingSent({ held_by: heldBy, owner, is_head: isHead }: Sending, at: Moment): boolean {
    return leaseIsGood(heldBy, at) || (isHead === 1 && leaseIsGood(owner, at))
  }

  /**
   * Gives the place of a row that nobody sends to `rows`: those that wait there already take their organizations along.
   * Nothing is done while one of these is being sent; they are returned.
   */
  function replace(id: number, rows: readonly NewRow[], at: Moment): readonly Twin[] {
    const twins = rows.map((row) => twinOf(row, id))
    const beingSent = twins.filter((twin): twin is Twin => twin !== undefined && isBeingSent(twin, at))
    if (beingSent.length > 0) return beingSent
    const place = one<{ place: number }>(sql.placeOf, id)?.place ?? null
    // It goes first: it may be its own twin. What waits already is never refused for want of room.
    remove(id)
    for (const [index, row] of rows.entries()) {
      const twin = twins[index]
      if (twin === undefined) insert(row, at, place)
      else sql.organizations.run(allOf(twin.organizations, row.organizations), twin.id)
    }
    return []
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

    /** Takes back what was stored just now for somebody who has been told that it was not. */
    unstore(_at: Moment, rows: readonly StoredRow[]): void {
      for (const { id, isDead } of rows) {
        if (isDead) sql.removeLetter.run(id)
        else remove(id)
      }
    },

    next(at: Moment, mailbox: number): Next {
      const release = <Outcome extends Next>(outcome: Outcome): Outcome => {
        sql.releaseOwn.run(mailbox, at.instance)
        return outcome
      }
      const box = one<{ paused: string | null; owner: string | null; fence: number }>(sql.mailbox, mailbox)
      if (box === undefined) return { kind: 'empty' }
      if (box.owner !== at.instance && leaseIsGood(box.owner, at)) return { kind: 'claimed' }
      if (box.paused !== null) return release({ kind: 'paused' })
      const head = one<RowColumns>(sql.head, mailbox)
      if (head === undefined) return release({ kind: 'empty' })
      if (leaseIsGood(head.held_by, at)) return release({ kind: 'held' })
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
          const { attempts, answeredFailures, failingMs, retryAt } = settlement
          sql.again.run(attempts, answeredFailures, failingMs, retryAt, claim.row)
          if (claim.kind === 'mailbox') sql.releaseOwn.run(claim.mailbox, at.instance)
          break
        }
        case 'moved': {
          const beingSent = replace(claim.row, settlement.rows, at)
          if (beingSent.length > 0) {
            // Two that change places are each other's twin: the older one looks again first, and finds the other at rest.
            const isYounger = beingSent.some((twin) => twin.id < claim.row)
            sql.retryAt.run(at.now + (isYounger ? 1.5 : 1) * TWIN_WAIT_MS, claim.row)
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
      { limit, after }: { limit: number; after?: number },
    ): WaitingRow[] {
      const mailbox = one<{ id: number }>(sql.mailboxAt, ...columnsOf(address))?.id
      if (mailbox === undefined) return []
      const from = after === undefined ? undefined : one<{ place: number }>(sql.placeOf, after)
      return all<RowColumns>(sql.waitingFor, mailbox, from?.place ?? 0, organization, limit).map(waitingRowOf)
    },

    relocate(at: Moment, moves: readonly { readonly row: number; readonly rows: readonly NewRow[] }[]): number {
      const moved = moves.filter(({ row, rows }) => {
        const waiting = one<Sending & { organizations: string }>(sql.sending, row)
        if (waiting === undefined || isBeingSent(waiting, at)) return false
        // Whoever has read it may not have read all: another that was moved here has left its organizations with it.
        const named = new Set(rows.flatMap(({ organizations }) => organizations))
        return idsOf(waiting.organizations).every((id) => named.has(id)) && replace(row, rows, at).length === 0
      })
      return moved.length
    },

    at: (_at: Moment, addresses: readonly MailboxAddress[]): OpenMailbox[] =>
      addresses.flatMap((address) => all<MailboxColumns>(sql.openAt, ...columnsOf(address)).map(openMailboxOf)),

    changed: (at: Moment): OpenMailbox[] | undefined =>
      foreignWrites(at) === seen.get(at.instance) ? undefined : open(at),

    list: (_at: Moment): MailboxListing[] =>
      all<MailboxColumns & ListingColumns>(sql.list).map((row) => ({
        ...openMailboxOf(row),
        depth: row.depth,
        bytes: row.bytes,
        oldestAt: row.spooled_at ?? undefined,
        headAttempts: row.attempts ?? 0,
        deadLetters: row.dead_letters,
      })),

    usage: (_at: Moment): ReadonlyMap<string, number> =>
      new Map(all<{ region: string; bytes: number }>(sql.usage).map(({ region, bytes }) => [region, bytes])),

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
      const last = letters.at(-1)
      return {
        replayed: letters.filter((letter) => revive(letter, at)).length,
        rest: last === undefined || letters.length < limit ? undefined : { came: last.came, id: last.id, upTo },
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
    ) {
      const good = [0, 2 * LEASE_MS].map((ahead) => Math.floor(at.monotonic) + ahead)
      const old = all<{ id: number; attempts: number }>(sql.old, waitingSince, ...good, ...good, limit)
      for (const { id, attempts } of old) bury(id, TOO_OLD, attempts, at)
      return { died: old.length, removed: Number(sql.removeLetters.run(diedBefore, limit).changes) }
    },

    owe(at: Moment, { delivery, provider, integration, receivedAt, request, message }: NewOwedAnswer): void {
      sql.owe.run(
        delivery,
        provider,
        storedId(integration),
        receivedAt,
        at.instance,
        message === undefined ? 'waiting' : 'ready',
        request.keyId ?? null,
        request.bytes,
        message?.keyId ?? null,
        message?.bytes ?? null,
      )
    },

    posting: (at: Moment, delivery: string, { keyId, bytes }: Sealed): boolean =>
      changes(sql.posting.run(keyId ?? null, bytes, delivery, at.instance)),

    unposted(at: Moment, delivery: string): void {
      sql.unposted.run(delivery, at.instance)
    },

    paid(at: Moment, delivery: string): void {
      sql.paid.run(delivery, at.instance)
    },

    takeOver(at: Moment): OrphanedAnswer[] {
      const good = [0, 2 * LEASE_MS].map((ahead) => Math.floor(at.monotonic) + ahead)
      return all<AnswerColumns>(sql.takeOver, at.instance, at.instance, ...good).map(orphanOf)
    },

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

/** What tells whether a row is on its way: a held one, or the head of a mailbox that somebody works on. */
interface Sending {
  readonly held_by: string | null
  readonly owner: string | null
  readonly is_head: 0 | 1
}

/** The same webhook, waiting for the same region for other organizations. */
interface Twin extends Sending {
  readonly id: number
  readonly organizations: string
}

interface Letter {
  readonly id: number
  readonly came: number
  readonly dedup_key: string
  readonly region: string
  readonly organizations: string
}

/** No row has this id. */
const NO_ROW = -1

/** How long what has moved waits for a twin to be sent: as long as a call commonly takes. */
const TWIN_WAIT_MS = 1000

type Statement = ReturnType<DatabaseSync['prepare']>
type Value = null | number | bigint | string | Uint8Array

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the columns are what the statement beside it selects
const rowsOf = <Row>(rows: unknown[]): Row[] => rows as Row[]
const all = <Row>(statement: Statement, ...values: Value[]): Row[] => rowsOf<Row>(statement.all(...values))
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- like the two above
const one = <Row>(statement: Statement, ...values: Value[]): Row | undefined =>
  rowsOf<Row>([statement.get(...values)])[0]
const changes = (result: ReturnType<Statement['run']>): boolean => Number(result.changes) > 0

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

/** Where a row stands among the others of its mailbox; written as the index has it. */
const PLACE = 'coalesce(place, id)'

/** 64 bits, which a JavaScript number has not. */
const INTEGRATION = 'CAST(box.integration_id AS text) AS integration'

function prepareStatements(database: DatabaseSync) {
  const head = (column: string): string =>
    `(SELECT ${column} FROM waiting WHERE mailbox_id = box.id ORDER BY ${PLACE}, id LIMIT 1) AS ${column}`
  const columns = `box.id, box.provider, ${INTEGRATION}, box.installation, box.region, box.paused, box.depth`
  // What has moved in before a head since it was claimed has a later id, and does not make it less of one.
  const earlier = `SELECT 1 FROM waiting AS earlier WHERE earlier.mailbox_id = row.mailbox_id
    AND coalesce(earlier.place, earlier.id) < coalesce(row.place, row.id) AND earlier.id < row.id`
  const sending = `row.held_by, box.owner, NOT EXISTS (${earlier}) AS is_head`
  const rowColumns = `id, delivery, dedup_key, organizations, received_at, spooled_at, held_by, attempts,
    answered_failures, failing_ms, retry_at, key_id, cast(payload as blob) payload`
  const goodLeases = 'SELECT id FROM instances WHERE lease_until > ? AND lease_until <= ?'
  const statements = {
    leaseOf: 'SELECT lease_until FROM instances WHERE id = ?',
    renew: `INSERT INTO instances (id, lease_until) VALUES (?, ?)
      ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until`,
    endLease: 'DELETE FROM instances WHERE id = ?',
    giveBackMailboxes: 'UPDATE mailboxes SET owner = NULL WHERE owner = ?',
    giveBackRows: 'UPDATE waiting SET held_by = NULL WHERE held_by = ?',
    giveBackAnswers: 'UPDATE owed_answers SET owner = NULL WHERE owner = ?',

    mailboxAt: `SELECT id FROM mailboxes
      WHERE integration_id = ? AND provider = ? AND installation = ? AND region = ?`,
    newMailbox: 'INSERT INTO mailboxes (integration_id, provider, installation, region) VALUES (?, ?, ?, ?)',
    mailbox: 'SELECT paused, owner, fence FROM mailboxes WHERE id = ?',
    claim: 'UPDATE mailboxes SET owner = ?, fence = ? WHERE id = ?',
    release: 'UPDATE mailboxes SET owner = NULL WHERE id = ? AND owner = ? AND fence = ?',
    releaseOwn: 'UPDATE mailboxes SET owner = NULL WHERE id = ? AND owner = ?',
    pause: 'UPDATE mailboxes SET paused = ? WHERE id = ?',
    countInMailbox: 'UPDATE mailboxes SET depth = depth + ?, bytes = bytes + ? WHERE id = ?',
    countInRegion: `INSERT INTO spool_usage (region, bytes) VALUES (?, ?)
      ON CONFLICT (region) DO UPDATE SET bytes = bytes + excluded.bytes`,
    usage: 'SELECT region, bytes FROM spool_usage WHERE bytes > 0',
    usageOf: 'SELECT bytes FROM spool_usage WHERE region = ?',
    open: `SELECT ${columns}, ${head('retry_at')}
      FROM mailboxes AS box WHERE box.depth > 0 OR box.paused IS NOT NULL ORDER BY box.id`,
    openAt: `SELECT ${columns}, ${head('retry_at')} FROM mailboxes AS box
      WHERE box.integration_id = ? AND box.provider = ? AND box.installation = ? AND box.region = ?
        AND (box.depth > 0 OR box.paused IS NOT NULL)`,
    list: `SELECT ${columns}, box.bytes, ${head('retry_at')}, ${head('spooled_at')}, ${head('attempts')},
        (SELECT count(*) FROM dead_letters WHERE mailbox_id = box.id) AS dead_letters
      FROM mailboxes AS box ORDER BY box.id`,
    version: 'PRAGMA data_version',

    twin: 'SELECT 1 FROM waiting WHERE dedup_key = ? AND region = ?',
    twinOf: `SELECT row.id, row.organizations, ${sending}
      FROM waiting AS row JOIN mailboxes AS box ON box.id = row.mailbox_id
      WHERE row.dedup_key = ? AND row.region = ? AND row.id <> ?`,
    sending: `SELECT row.organizations, ${sending}
      FROM waiting AS row JOIN mailboxes AS box ON box.id = row.mailbox_id WHERE row.id = ?`,
    placeOf: `SELECT ${PLACE} AS place FROM waiting WHERE id = ?`,
    waitingFor: `SELECT ${rowColumns} FROM waiting
      WHERE mailbox_id = ? AND ${PLACE} > ? AND EXISTS (SELECT 1 FROM json_each(organizations) WHERE value = ?)
      ORDER BY ${PLACE}, id LIMIT ?`,
    organizations: 'UPDATE waiting SET organizations = ? WHERE id = ?',
    retryAt: 'UPDATE waiting SET retry_at = ? WHERE id = ?',
    newRow: `INSERT INTO waiting (mailbox_id, region, place, delivery, dedup_key, organizations, received_at, spooled_at,
        held_by, attempts, answered_failures, failing_ms, retry_at, size, key_id, payload)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    head: `SELECT ${rowColumns} FROM waiting WHERE mailbox_id = ? ORDER BY ${PLACE}, id LIMIT 1`,
    heldRow: 'SELECT 1 FROM waiting WHERE id = ? AND held_by = ?',
    claimedRow: `SELECT 1 FROM mailboxes AS box JOIN waiting AS row ON row.mailbox_id = box.id
      WHERE box.id = ? AND box.owner = ? AND box.fence = ? AND row.id = ?`,
    unhold: 'UPDATE waiting SET held_by = NULL WHERE id = ?',
    again: `UPDATE waiting SET held_by = NULL, attempts = ?, answered_failures = ?, failing_ms = ?, retry_at = ?
      WHERE id = ?`,
    removeRow: 'DELETE FROM waiting WHERE id = ? RETURNING mailbox_id, region, size',

    newestLetter: 'SELECT max(id) AS id FROM dead_letters',
    bury: `INSERT INTO dead_letters (mailbox_id, region, came, delivery, dedup_key, organizations, received_at, died_at,
        reason, attempts, size, key_id, payload)
      SELECT mailbox_id, region, ${PLACE}, delivery, dedup_key, organizations, received_at, ?, ?, ?, size, key_id,
        payload
      FROM waiting WHERE id = ?
      ON CONFLICT (dedup_key, region) DO NOTHING`,
    revive: `INSERT INTO waiting (mailbox_id, region, delivery, dedup_key, organizations, received_at, spooled_at,
        attempts, answered_failures, failing_ms, retry_at, size, key_id, payload)
      SELECT mailbox_id, region, delivery, dedup_key, organizations, received_at, ?, 0, 0, 0, 0, size, key_id, payload
      FROM dead_letters WHERE id = ?
      RETURNING mailbox_id, size`,
    letterOfRow: `SELECT letter.id, letter.organizations, row.organizations AS more FROM waiting AS row
      JOIN dead_letters AS letter ON letter.dedup_key = row.dedup_key AND letter.region = row.region WHERE row.id = ?`,
    letterFor: 'UPDATE dead_letters SET organizations = ? WHERE id = ?',
    removeLetter: 'DELETE FROM dead_letters WHERE id = ?',
    removeLetters: `DELETE FROM dead_letters
      WHERE id IN (SELECT id FROM dead_letters WHERE died_at < ? ORDER BY died_at LIMIT ?)`,

    // Not what is being sent: a held row, or the head of a mailbox that somebody works on.
    old: `SELECT row.id, row.attempts FROM waiting AS row JOIN mailboxes AS box ON box.id = row.mailbox_id
      WHERE row.spooled_at < ?
        AND (row.held_by IS NULL OR row.held_by NOT IN (${goodLeases}))
        AND (box.owner IS NULL OR box.owner NOT IN (${goodLeases})
          OR EXISTS (${earlier}))
      ORDER BY row.spooled_at, row.id LIMIT ?`,

    mailboxesOf: 'SELECT id, region, bytes FROM mailboxes WHERE provider = ? AND integration_id = ?',
    unresolvedOf: `SELECT id, region, bytes FROM mailboxes
      WHERE integration_id = 0 AND provider = ? AND installation = ?`,
    eraseRows: 'DELETE FROM waiting WHERE mailbox_id = ?',
    eraseLetters: 'DELETE FROM dead_letters WHERE mailbox_id = ?',
    eraseMailbox: 'DELETE FROM mailboxes WHERE id = ?',
    eraseAnswers: 'DELETE FROM owed_answers WHERE provider = ? AND integration_id = ?',

    owe: `INSERT INTO owed_answers (delivery, provider, integration_id, received_at, owner, state, posts,
        request_key_id, request, message_key_id, message)
      VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)`,
    posting: `UPDATE owed_answers SET state = 'posting', posts = posts + 1, message_key_id = ?, message = ?
      WHERE delivery = ? AND owner = ?`,
    unposted: "UPDATE owed_answers SET state = 'ready' WHERE delivery = ? AND owner = ? AND state = 'posting'",
    paid: 'DELETE FROM owed_answers WHERE delivery = ? AND owner = ?',
    takeOver: `UPDATE owed_answers SET owner = ?
      WHERE owner IS NULL OR owner <> ? AND owner NOT IN (${goodLeases})
      RETURNING delivery, provider, CAST(integration_id AS text) AS integration, received_at, state, posts,
        request_key_id, request, message_key_id, message`,
  } as const
  const prepared = Object.entries(statements).map(([name, text]) => [name, database.prepare(text)])
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same names
  return Object.fromEntries(prepared) as Record<keyof typeof statements, Statement>
}
