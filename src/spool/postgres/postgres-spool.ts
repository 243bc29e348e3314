import type { Clock } from '../../clock.ts'
import { migrate } from '../../database/migrations.ts'
import { openPostgres } from '../../database/postgres-connections.ts'
import { createPool, placeOf, type PostgresDatabase } from '../../database/postgres.ts'
import { replayAll } from '../replay-all.ts'
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
import { storedOf } from '../rules.ts'
import type { Appended, MailboxPage, OpenMailbox, Spool, WaitingPage } from '../spool.ts'
import type { Call } from './batch.ts'
import { createBeside } from './beside.ts'
import type { Connection } from './connection.ts'
import { createKnownMailboxes } from './known.ts'
import { countMailboxes } from './mailboxes.ts'
import { relocate } from './moves.ts'
import { ADDRESS, statements } from './statements.ts'
import { erase, replay, sweep } from './upkeep.ts'
import { createWriter, type CallOptions } from './writer.ts'

interface PostgresSpoolOptions {
  readonly clock: Clock
  /** Unique to this process's life. */
  readonly instance: string
  /** What leases are measured on instead of the database's clock, in milliseconds. */
  readonly databaseTime?: () => number
}

/**
 * One for what is written, whose order is kept; the others for what is read each second, and by commands: they wait for
 * each other rather than take connections from the look-ups.
 */
const CONNECTIONS = 3
/** A statement waits that long for others' locks, and no call waits longer than for a few of them. */
const STATEMENT_MS = 2000
/** What goes over whole tables: pages of dead letters, lists, erasing. */
const LONG_CONNECTIONS = 2
const LONG_STATEMENT_MS = 60_000
/** How long until what could not be taken back is tried again. */
const UNDO_AGAIN_MS = 1000

/**
 * Opens the spool in a database that other instances share. What is called together is committed together, in one
 * transaction at a time; a call that fails says what the database lacks, and the first one after that has passed works
 * again. Leases are measured on the database's clock, so that machines need not agree.
 * @throws an error that names the database when it cannot be opened.
 */
export async function openPostgresSpool(database: PostgresDatabase, options: PostgresSpoolOptions): Promise<Spool> {
  const { clock, instance, databaseTime } = options
  await migrateServer(database)
  const place = placeOf(database)
  const time = () => (databaseTime === undefined ? null : Math.floor(databaseTime()))
  const quickPool = createPool(database, {
    max: Math.min(CONNECTIONS, database.poolMax),
    statementTimeoutMs: STATEMENT_MS,
  })
  const longPool = createPool(database, {
    max: Math.min(LONG_CONNECTIONS, database.poolMax),
    statementTimeoutMs: LONG_STATEMENT_MS,
  })
  const quick = createBeside(quickPool, place)
  const long = createBeside(longPool, place)
  const cancels = new Set<() => void>()
  let closed: Promise<void> | undefined

  const known = createKnownMailboxes()
  const writer = createWriter({
    pool: quickPool,
    clock,
    instance,
    place,
    time,
    onMet: (met) => known.note(met),
  })

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- what the call gives
  async function call<Result>(what: Call, callOptions?: CallOptions): Promise<Result> {
    // It would renew the lease that is being ended, and nobody would give back what it claims.
    if (what.kind !== 'giveBack') refuseWhenClosed()
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the result of the call that was made
    return (await writer.call(what, callOptions)) as Result
  }

  function refuseWhenClosed(): void {
    if (closed !== undefined) throw new Error(`the database ${place} is closed`)
  }

  /** Behind everything that was called before: who has just written is to read it. */
  const read = async <Result>(
    work: (ask: Connection['ask']) => Promise<Result>,
    beside: typeof quick = quick,
  ): Promise<Result> => {
    refuseWhenClosed()
    await writer.settled()
    return await beside.read(work)
  }

  const transact = async <Result>(work: (tx: Parameters<typeof erase>[0]) => Promise<Result>): Promise<Result> => {
    refuseWhenClosed()
    await writer.settled()
    return await long.transact((ask) => work({ instance, time: time(), now: clock.now(), ask }))
  }

  /** Until it is done: a held row that nobody knows of would hold up its mailbox as long as this process lives. */
  async function undo(what: Call): Promise<void> {
    try {
      await writer.call(what)
    } catch {
      if (closed !== undefined) return
      const cancel = clock.after(UNDO_AGAIN_MS, () => {
        cancels.delete(cancel)
        void undo(what)
      })
      cancels.add(cancel)
    }
  }

  async function list(ask: Connection['ask']): Promise<OpenMailbox[]> {
    const rows = await ask<MailboxColumns>(statements.open)
    known.adopt(rows)
    return rows.map(openMailboxOf)
  }

  async function shut(): Promise<void> {
    try {
      await call({ kind: 'giveBack' })
    } finally {
      await end()
    }
  }

  async function end(): Promise<void> {
    for (const cancel of cancels) cancel()
    await writer.end()
    await Promise.all([quickPool.end(), longPool.end()])
  }

  const spool: Spool = {
    renew: () => call({ kind: 'renew' }),
    close: () => (closed ??= shut()),

    async append(rows, { giveUpAt }) {
      // What cannot be stored at all is not to hold up others.
      for (const { mailbox } of rows) columnsOf(mailbox)
      const take = (results: unknown, transaction: string): void => {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the result of this call
        const stored = storedOf(rows, results as readonly Appended[]).map(({ id }) => id)
        if (stored.length > 0) void undo({ kind: 'unstore', rows: stored, transaction })
      }
      return await call({ kind: 'append', rows }, { giveUpAt, undo: take })
    },
    next: (mailbox) => call({ kind: 'next', mailbox }),
    settle: (claim, settlement) => call({ kind: 'settle', claim, settlement }),
    release: (mailbox, fence) => call({ kind: 'release', mailbox, fence }),

    open: () => read(list),
    at: (addresses) =>
      read(async (ask) => {
        const columns = addresses.map(columnsOf)
        const found = await ask<MailboxColumns>(
          statements.openAt,
          ...[0, 1, 2, 3].map((column) => columns.map((values) => values[column])),
        )
        return found.map(openMailboxOf)
      }),
    // One number over a table with a row for each mailbox; only where it differs is the list itself read.
    changed: () =>
      read(async (ask) => {
        const [now] = await ask<{ sum: string }>(statements.sumOfOpen)
        return now?.sum === known.sum() ? undefined : await list(ask)
      }),
    waitingFor: (mailbox, organization, { limit, after, before }: WaitingPage) =>
      read(async (ask) => {
        const page = [after ?? null, before ?? null, organization, limit]
        return (await ask<RowColumns>(statements.waitingFor, ...columnsOf(mailbox), ...page)).map(waitingRowOf)
      }, long),
    relocate: (...what) =>
      transact(async (tx) => {
        const { locked, result } = await relocate(tx, ...what)
        await countMailboxes(tx, locked)
        return result
      }),

    list: ({ after = 0, open = false, limit }: Partial<MailboxPage> = {}) =>
      read(async (ask) => {
        const rows = await ask<MailboxColumns & ListingColumns>(statements.list, after, open, limit ?? null)
        return rows.map(listingOf)
      }, long),
    usage: () =>
      read(async (ask) => {
        const rows = await ask<{ region: string; bytes: number }>(statements.usage)
        return new Map(rows.map(({ region, bytes }) => [region, bytes]))
      }),
    totals: () =>
      read(async (ask) =>
        totalsOf(await ask<TotalsColumns>(statements.totals), await ask<LettersColumns>(statements.deadLetters)),
      ),
    pause: (mailbox, reason) => read(async (ask) => (await ask(statements.pause, mailbox, reason)).length > 0),
    resume: (mailbox) => read(async (ask) => (await ask(statements.pause, mailbox, null)).length > 0),

    deadLetters: (filter, { limit, beforeId }) =>
      read(async (ask) => {
        const conditions = conditionsOf(filter)
        if (beforeId !== undefined) conditions.push({ column: 'letter.id', value: beforeId })
        const where = conditions.map(({ column }, at) => {
          const operator = at === conditions.length - 1 && beforeId !== undefined ? '<' : '='
          return ` AND ${column} ${operator} $${at + 2}`
        })
        const text = `SELECT letter.id, letter.mailbox_id, letter.delivery, letter.reason, letter.attempts,
            letter.received_at, letter.died_at, ${ADDRESS}
          FROM dead_letters AS letter JOIN mailboxes AS box ON box.id = letter.mailbox_id
          WHERE true${where.join('')} ORDER BY letter.id DESC LIMIT $1`
        const rows = await ask<DeadLetterColumns>({ text }, limit, ...conditions.map(({ value }) => value))
        return rows.map(deadLetterOf)
      }, long),
    replay: (filter) => replayAll((part) => transact((tx) => replay(tx, filter, part))),
    erase: (target) => transact((tx) => erase(tx, target)),
    sweep: (before) => transact((tx) => sweep(tx, before)),

    async owe(answer, { giveUpAt }) {
      storedId(answer.integration)
      const take = (): void => void undo({ kind: 'paid', delivery: answer.delivery })
      await call({ kind: 'owe', answer }, { giveUpAt, undo: take })
    },
    posting: (delivery, message) => call({ kind: 'posting', delivery, message }),
    unposted: (delivery) => call({ kind: 'unposted', delivery }),
    paid: (delivery) => call({ kind: 'paid', delivery }),
    takeOver: () => call({ kind: 'takeOver' }),
  }
  try {
    await spool.renew()
  } catch (error) {
    await end()
    throw error
  }
  return spool
}

async function migrateServer(database: PostgresDatabase): Promise<void> {
  const connections = await openPostgres(database)
  try {
    await connections.aside((db) => migrate(db))
  } finally {
    await connections.close()
  }
}
