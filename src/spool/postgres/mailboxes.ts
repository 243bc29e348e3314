import { columnsOf, type AddressColumns } from '../rows.ts'
import type { MailboxAddress } from '../spool.ts'
import type { MetMailbox } from './known.ts'
import { statements, type Statement } from './statements.ts'

/** A transaction that is open, and who asks. */
export interface Transaction {
  readonly instance: string
  /** What leases are measured on, in milliseconds; null: the database's own clock. */
  readonly time: number | null
  /** Unix milliseconds, by the clock of this process: what is stored of times. */
  readonly now: number
  ask<Row>(statement: Statement | { readonly text: string }, ...values: readonly unknown[]): Promise<Row[]>
}

/** A mailbox that is this transaction's until it ends, and what this transaction makes of it. */
export interface LockedMailbox {
  readonly id: number
  readonly region: string
  readonly paused: string | null
  owner: string | null
  fence: number
  /** What is to be added. */
  depth: number
  bytes: number
  /** Whether something was put into it, or it has been there before. */
  isNeeded: boolean
  isChanged: boolean
}

export interface LockedMailboxes {
  get(id: number): LockedMailbox | undefined
  /** Undefined: none is there, and none was to be made. */
  at(address: MailboxAddress): LockedMailbox | undefined
  all(): Iterable<LockedMailbox>
}

interface Columns extends AddressColumns {
  readonly id: number
  readonly paused: string | null
  readonly owner: string | null
  readonly fence: number
}

interface ToLock {
  readonly ids?: readonly number[]
  /** The mailboxes of these rows. */
  readonly rows?: readonly number[]
  /** Those that are not there are made. */
  readonly addresses?: readonly MailboxAddress[]
}

/**
 * Locks mailboxes until the transaction ends. Whatever is changed of a mailbox or of its rows is changed under this
 * lock, and what it depends on is read after it: the ids of a mailbox's rows are then in the order of their commits, and
 * nobody's lease can be newer than it looks.
 *
 * Locked in the order of ids; what is made has a higher one than all that are there. Two transactions that make the
 * same mailboxes and lock each other's all the same are told so by the database, and one of them begins again.
 */
export async function lockMailboxes(
  tx: Transaction,
  { ids = [], rows = [], addresses = [] }: ToLock,
): Promise<LockedMailboxes> {
  const byId = new Map<number, LockedMailbox>()
  const byAddress = new Map<string, LockedMailbox>()
  const take = (found: readonly Columns[], isNew: boolean): void => {
    for (const { id, provider, integration, installation, region, paused, owner, fence } of found) {
      const change = { depth: 0, bytes: 0, isNeeded: !isNew, isChanged: false }
      const box: LockedMailbox = { id, region, paused, owner, fence, ...change }
      byId.set(id, box)
      byAddress.set(keyOf([integration, provider, installation, region]), box)
    }
  }
  const sought = new Map(addresses.map((address) => [keyOf(columnsOf(address)), columnsOf(address)]))
  take(await tx.ask<Columns>(statements.lock, ids, rows, ...columnsOfAll(sought)), false)
  for (;;) {
    for (const key of sought.keys()) if (byAddress.has(key)) sought.delete(key)
    if (sought.size === 0) break
    take(await tx.ask<Columns>(statements.create, ...columnsOfAll(sought)), true)
    for (const key of sought.keys()) if (byAddress.has(key)) sought.delete(key)
    if (sought.size === 0) break
    // Somebody else has made them meanwhile; or removed them once more, so that they are to be made after all.
    take(await tx.ask<Columns>(statements.lock, [], [], ...columnsOfAll(sought)), false)
  }
  return {
    get: (id) => byId.get(id),
    at: (address) => byAddress.get(keyOf(columnsOf(address))),
    all: () => byId.values(),
  }
}

/** Writes what has become of mailboxes, and tells it: a transaction's last statement, since regions are everybody's. */
export async function countMailboxes(tx: Transaction, locked: LockedMailboxes): Promise<MetMailbox[]> {
  const changed = [...locked.all()].filter((box) => box.isNeeded && (box.isChanged || box.depth !== 0))
  const regions = new Map<string, number>()
  for (const { region, bytes } of changed) regions.set(region, (regions.get(region) ?? 0) + bytes)
  const used = [...regions].filter(([, bytes]) => bytes !== 0)
  const counted =
    changed.length === 0
      ? []
      : await tx.ask<{ id: number; depth: number }>(
          statements.count,
          changed.map(({ id }) => id),
          changed.map(({ depth }) => depth),
          changed.map(({ bytes }) => bytes),
          changed.map(({ owner }) => owner),
          changed.map(({ fence }) => fence),
          used.map(([region]) => region),
          used.map(([, bytes]) => bytes),
        )
  // Made for what turned out to be there already, or for which there was no room.
  const idle = [...locked.all()].filter(({ isNeeded }) => !isNeeded).map(({ id }) => id)
  if (idle.length > 0) await tx.ask(statements.removeMailboxes, idle)
  return counted.map(({ id, depth }) => ({ id, isEmpty: depth === 0 }))
}

/** Rows have come into a mailbox, or gone from it. */
export function countRow(box: LockedMailbox | undefined, rows: 1 | -1, size: number): void {
  if (box === undefined) throw new Error('a row of a mailbox that is not locked')
  box.depth += rows
  box.bytes += rows * size
  box.isNeeded = true
}

export function setOwner(box: LockedMailbox, owner: string | null): void {
  if (box.owner === owner) return
  // A fence passes with each claim.
  if (owner !== null) box.fence += 1
  box.owner = owner
  box.isChanged = true
}

type AddressKey = readonly (string | bigint)[]

function keyOf(columns: AddressKey): string {
  return JSON.stringify(columns.map(String))
}

function columnsOfAll(sought: ReadonlyMap<string, AddressKey>): unknown[][] {
  const columns = [...sought.values()]
  return [0, 1, 2, 3].map((at) => columns.map((values) => values[at]))
}
