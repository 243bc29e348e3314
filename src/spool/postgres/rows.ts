import { allOf, idsOf, waitingRowOf, type Former, type RowColumns } from '../rows.ts'
import {
  LEASE_MS,
  progressOf,
  regionOf,
  type Appended,
  type Claim,
  type NewRow,
  type Next,
  type Settlement,
} from '../spool.ts'
import { countRow, setOwner, type LockedMailbox, type LockedMailboxes, type Transaction } from './mailboxes.ts'
import { readStanding, type Standing } from './standing.ts'
import { statements } from './statements.ts'

/*
 * What becomes of rows, many at a time, in mailboxes that are locked.
 */

interface GoneColumns {
  readonly id: number
  readonly mailbox_id: number
  readonly region: string
  readonly size: number
}

interface NewColumns extends GoneColumns {
  readonly dedup_key: string
}

/** What no two rows share. */
export const uniqueKey = (dedupKey: string, region: string): string => JSON.stringify([dedupKey, region])
const keyOf = ({ dedupKey, mailbox }: NewRow): string => uniqueKey(dedupKey, regionOf(mailbox))

/** `calls`: the rows of each, which are stored as if one call came after the other. */
export async function append(
  tx: Transaction,
  locked: LockedMailboxes,
  calls: readonly (readonly NewRow[])[],
): Promise<Appended[][]> {
  const rows = calls.flat()
  const { twins, used } = await prepare(tx, locked, rows)
  const blocked = await takeAlong(tx, locked, rows, twins)
  const waiting = new Map<string, NewRow>()
  const dead: NewRow[] = []
  const kept = rows.map((row): 'duplicate' | 'full' | 'blocked' | 'waiting' | 'dead' => {
    const key = keyOf(row)
    if (blocked.has(row)) return 'blocked'
    if (twins.has(key)) return 'duplicate'
    const before = waiting.get(key)
    if (before !== undefined) {
      const organizations = [...new Set([...before.organizations, ...row.organizations])]
      const isMore = organizations.length > before.organizations.length
      const isElsewhere = locked.at(before.mailbox)?.id !== locked.at(row.mailbox)?.id
      if (isMore && (before.state.kind === 'held' || isElsewhere)) return 'blocked'
      waiting.set(key, { ...before, organizations })
      return 'duplicate'
    }
    if (row.state.kind === 'dead') {
      dead.push(row)
      return 'dead'
    }
    const region = regionOf(row.mailbox)
    const bytes = (used.get(region) ?? 0) + row.payload.bytes.length
    if (row.maxSpoolBytes !== undefined && bytes > row.maxSpoolBytes) return 'full'
    used.set(region, bytes)
    waiting.set(key, row)
    return 'waiting'
  })
  const stored = await insert(
    tx,
    locked,
    [...waiting.values()].map((row) => ({ row, former: undefined })),
  )
  const letters = await insertLetters(tx, locked, dead)
  const results = rows.map((row, at): Appended => {
    const kind = kept[at]
    if (kind === 'full' || kind === 'blocked') return { kind }
    const key = keyOf(row)
    const found = kind === 'waiting' ? stored.get(key) : kind === 'dead' ? letters.get(key) : undefined
    // One letter tells of all that have died of the same webhook.
    if (kind === 'dead') letters.delete(key)
    return found === undefined ? { kind: 'duplicate' } : { kind: 'stored', ...found }
  })
  return calls.map(({ length }) => results.splice(0, length))
}

/** What is there already of `rows`, and what is used of the regions: nobody else uses more until this is over. */
async function prepare(tx: Transaction, locked: LockedMailboxes, rows: readonly NewRow[]) {
  const regions = new Set([...locked.all()].map(({ region }) => region))
  const found = await tx.ask<
    | { dedup_key: string; region: string; organizations: string; bytes: 0 }
    | { dedup_key: null; region: string; organizations: null; bytes: number }
  >(
    statements.prepare,
    rows.map(({ dedupKey }) => dedupKey),
    rows.map(({ mailbox }) => regionOf(mailbox)),
    [...regions],
  )
  const used = new Map(found.flatMap(({ dedup_key, region, bytes }) => (dedup_key === null ? [[region, bytes]] : [])))
  // What has left in this transaction has made room.
  for (const { region, bytes } of locked.all()) used.set(region, (used.get(region) ?? 0) + bytes)
  const twins = found.flatMap(({ dedup_key: key, region, organizations }) =>
    key === null ? [] : [[uniqueKey(key, region), organizations] as const],
  )
  return { twins: new Map(twins), used }
}

/**
 * Has what waits there already wait for the organizations of `rows` as well. Returns those for which it cannot, since it
 * is just being sent.
 */
async function takeAlong(
  tx: Transaction,
  locked: LockedMailboxes,
  rows: readonly NewRow[],
  twins: ReadonlyMap<string, string>,
): Promise<ReadonlySet<NewRow>> {
  const more = rows.filter((row) => {
    const organizations = twins.get(keyOf(row))
    return organizations !== undefined && allOf(organizations, row.organizations) !== organizations
  })
  if (more.length === 0) return new Set()
  const standing = await readStanding(tx, {
    rows: [],
    keys: more.map(({ dedupKey, mailbox }) => ({ dedupKey, region: regionOf(mailbox) })),
  })
  const idle = new Map(
    standing.flatMap((row) => (row.is_being_sent ? [] : [[uniqueKey(row.dedup_key, row.region), row]])),
  )
  /** Only in the row's own mailbox, which is locked: in another one it may be on its way by the time that this is over. */
  const twinOf = (row: NewRow): Standing | undefined => {
    const twin = idle.get(keyOf(row))
    return twin?.mailbox_id === locked.at(row.mailbox)?.id ? twin : undefined
  }
  const all = new Map<number, string>()
  for (const row of more) {
    const twin = twinOf(row)
    if (twin !== undefined) all.set(twin.id, allOf(all.get(twin.id) ?? twin.organizations, row.organizations))
  }
  await setOrganizations(
    tx,
    'organizations',
    [...all].map(([id, organizations]) => ({ id, organizations })),
  )
  return new Set(more.filter((row) => twinOf(row) === undefined))
}

/** Where neither a twin nor a quota is in the way: behind all others, or where `former` was. */
export async function insert(
  tx: Transaction,
  locked: LockedMailboxes,
  rows: readonly { readonly row: NewRow; readonly former: Former | undefined }[],
): Promise<Map<string, { id: number; mailbox: number }>> {
  if (rows.length === 0) return new Map()
  const progress = rows.map(({ row: { state } }) => progressOf(state))
  const inserted = await tx.ask<NewColumns>(
    statements.insert,
    rows.map(({ row }) => locked.at(row.mailbox)?.id),
    rows.map(({ row }) => regionOf(row.mailbox)),
    rows.map(({ former }) => former?.place ?? null),
    rows.map(({ row }) => row.delivery),
    rows.map(({ row }) => row.dedupKey),
    rows.map(({ row }) => JSON.stringify(row.organizations)),
    rows.map(({ row }) => row.receivedAt),
    rows.map(({ former }) => former?.spooled_at ?? tx.now),
    rows.map(({ row }) => row.state.kind === 'held'),
    progress.map(({ attempts }) => attempts),
    progress.map(({ answeredFailures }) => answeredFailures),
    progress.map(({ failingMs }) => failingMs),
    progress.map(({ retryAt }) => retryAt),
    progress.map(({ isAsked }) => Number(isAsked)),
    rows.map(({ row }) => row.payload.keyId ?? null),
    rows.map(({ row }) => row.payload.bytes),
    tx.instance,
  )
  for (const { mailbox_id: mailbox, size } of inserted) countRow(locked.get(mailbox), 1, size)
  return new Map(
    inserted.map(({ id, mailbox_id: mailbox, dedup_key: key, region }) => [uniqueKey(key, region), { id, mailbox }]),
  )
}

/** Rows that are dead from the start. Returns the letters that are new. */
async function insertLetters(
  tx: Transaction,
  locked: LockedMailboxes,
  rows: readonly NewRow[],
): Promise<Map<string, { id: number; mailbox: number }>> {
  if (rows.length === 0) return new Map()
  const states = rows.map(({ state }) => (state.kind === 'dead' ? state : { reason: '', attempts: 0 }))
  const boxes = rows.map(({ mailbox }) => locked.at(mailbox))
  const inserted = await tx.ask<{ id: number; dedup_key: string; region: string }>(
    statements.insertLetters,
    boxes.map((box) => box?.id),
    rows.map(({ mailbox }) => regionOf(mailbox)),
    rows.map(({ delivery }) => delivery),
    rows.map(({ dedupKey }) => dedupKey),
    rows.map(({ organizations }) => JSON.stringify(organizations)),
    rows.map(({ receivedAt }) => receivedAt),
    states.map(({ reason }) => reason),
    states.map(({ attempts }) => attempts),
    rows.map(({ payload }) => payload.keyId ?? null),
    rows.map(({ payload }) => payload.bytes),
    tx.now,
  )
  const ids = new Map(inserted.map(({ id, dedup_key: key, region }) => [uniqueKey(key, region), id]))
  const known = await tx.ask<{ id: number; dedup_key: string; region: string; organizations: string }>(
    statements.lettersAt,
    rows.map(({ dedupKey }) => dedupKey),
    rows.map(({ mailbox }) => regionOf(mailbox)),
  )
  const merged = known.flatMap(({ id, dedup_key: key, region, organizations }) => {
    const more = rows.filter((row) => keyOf(row) === uniqueKey(key, region)).flatMap((row) => row.organizations)
    const all = allOf(organizations, more)
    return all === organizations ? [] : [{ id, organizations: all }]
  })
  await setOrganizations(tx, 'letterOrganizations', merged)
  const letters = new Map<string, { id: number; mailbox: number }>()
  for (const [at, row] of rows.entries()) {
    const [key, id, box] = [keyOf(row), ids.get(keyOf(row)), boxes[at]]
    if (id === undefined || box === undefined || letters.has(key)) continue
    box.isNeeded = true
    letters.set(key, { id, mailbox: box.id })
  }
  return letters
}

export async function setOrganizations(
  tx: Transaction,
  where: 'organizations' | 'letterOrganizations',
  rows: readonly { readonly id: number; readonly organizations: string }[],
): Promise<void> {
  if (rows.length === 0) return
  const ids = rows.map(({ id }) => id)
  const organizations = rows.map((row) => row.organizations)
  await tx.ask(statements[where], ids, organizations)
}

export async function remove(tx: Transaction, locked: LockedMailboxes, ids: readonly number[]): Promise<void> {
  if (ids.length > 0) countGone(locked, await tx.ask<GoneColumns>(statements.remove, ids))
}

export function countGone(locked: LockedMailboxes, gone: readonly GoneColumns[]): void {
  for (const { mailbox_id: mailbox, size } of gone) countRow(locked.get(mailbox), -1, size)
}

interface Dying {
  readonly id: number
  readonly reason: string
  readonly attempts: number
}

/** One dead letter tells of a webhook that was not delivered as well as two, for the organizations of both. */
export async function bury(tx: Transaction, locked: LockedMailboxes, dying: readonly Dying[]): Promise<void> {
  if (dying.length === 0) return
  const ids = dying.map(({ id }) => id)
  const columns = [ids, dying.map(({ reason }) => reason), dying.map(({ attempts }) => attempts)]
  await tx.ask(statements.bury, ...columns, tx.now)
  const twins = await tx.ask<{ id: number; organizations: string; more: string }>(statements.lettersOfRows, ids)
  const merged = twins.map(({ id, organizations, more }) => ({ id, organizations: allOf(organizations, idsOf(more)) }))
  await setOrganizations(tx, 'letterOrganizations', merged)
  await remove(tx, locked, ids)
}

export interface Settling {
  readonly claim: Claim
  readonly settlement: Exclude<Settlement, { kind: 'moved' }>
}

/** Whether each was carried out. */
export async function settle(
  tx: Transaction,
  locked: LockedMailboxes,
  settling: readonly Settling[],
): Promise<boolean[]> {
  const good = settling.filter(({ claim }) => holdsMailbox(tx, locked, claim))
  const claimsOf = (some: readonly Settling[]) => [
    some.map(({ claim }) => claim.row),
    some.map(({ claim }) => (claim.kind === 'mailbox' ? claim.mailbox : null)),
    tx.instance,
  ]
  const done = new Set<number>()
  const delivered = good.filter(({ settlement }) => settlement.kind === 'delivered')
  if (delivered.length > 0) {
    const gone = await tx.ask<GoneColumns>(statements.deliver, ...claimsOf(delivered))
    countGone(locked, gone)
    for (const { id } of gone) done.add(id)
  }
  const again = good.flatMap(({ claim, settlement }) =>
    settlement.kind === 'again' ? [{ claim, settlement, progress: settlement }] : [],
  )
  if (again.length > 0) {
    const kept = await tx.ask<{ id: number }>(
      statements.again,
      ...claimsOf(again),
      again.map(({ progress }) => progress.attempts),
      again.map(({ progress }) => progress.answeredFailures),
      again.map(({ progress }) => progress.failingMs),
      again.map(({ progress }) => progress.retryAt),
      again.map(({ progress }) => Number(progress.isAsked)),
    )
    for (const { id } of kept) done.add(id)
    for (const { claim } of again) {
      const box = claim.kind === 'mailbox' && done.has(claim.row) ? locked.get(claim.mailbox) : undefined
      if (box !== undefined) setOwner(box, null)
    }
  }
  const dead = good.filter(({ settlement }) => settlement.kind === 'dead')
  if (dead.length > 0) {
    const claimed = await tx.ask<{ id: number }>(statements.claimed, ...claimsOf(dead))
    const ids = new Set(claimed.map(({ id }) => id))
    const dying = dead.flatMap(({ claim: { row: id }, settlement }) =>
      settlement.kind === 'dead' && ids.has(id) ? [{ ...settlement, id }] : [],
    )
    await bury(tx, locked, dying)
    for (const id of ids) done.add(id)
  }
  return settling.map((one) => good.includes(one) && done.has(one.claim.row))
}

/** Whether it may still be this instance's to settle, as far as its mailbox tells. */
export function holdsMailbox(tx: Transaction, locked: LockedMailboxes, claim: Claim): boolean {
  if (claim.kind === 'held') return true
  const box = locked.get(claim.mailbox)
  return box?.owner === tx.instance && box.fence === claim.fence
}

type HeadColumns = {
  readonly mailbox_id: number
  readonly is_claimed: boolean
  readonly is_held: boolean
  /** How long the lease is still good of whoever has claimed or holds it. */
  readonly for_ms: number | null
} & (RowColumns | { readonly id: null })

/** `sentAt`: what the monotonic clock showed before the transaction was begun, and so before its lease was renewed. */
export async function readHeads(
  tx: Transaction,
  locked: LockedMailboxes,
  { mailboxes, sentAt }: { readonly mailboxes: readonly number[]; readonly sentAt: number },
): Promise<Next[]> {
  if (mailboxes.length === 0) return []
  const heads = await tx.ask<HeadColumns>(statements.heads, mailboxes, tx.instance, tx.time)
  const byMailbox = new Map(heads.map((head) => [head.mailbox_id, head]))
  const lapsed = heads.flatMap((head) => (head.id !== null && head.held_by !== null && !head.is_held ? [head.id] : []))
  if (lapsed.length > 0) await tx.ask(statements.unhold, lapsed)
  return mailboxes.map((mailbox): Next => {
    const [box, head] = [locked.get(mailbox), byMailbox.get(mailbox)]
    if (box === undefined || head === undefined) return { kind: 'empty' }
    const forMs = head.for_ms ?? undefined
    if (head.is_claimed) return { kind: 'claimed', forMs }
    if (box.paused !== null) return letGo(tx, box, 'paused')
    if (head.id === null) return letGo(tx, box, 'empty')
    if (head.is_held) return { ...letGo(tx, box, 'held'), forMs }
    setOwner(box, tx.instance)
    return { kind: 'row', row: waitingRowOf(head), fence: box.fence, validUntil: sentAt + LEASE_MS }
  })
}

function letGo<Kind extends 'paused' | 'empty' | 'held'>(tx: Transaction, box: LockedMailbox, kind: Kind) {
  if (box.owner === tx.instance) setOwner(box, null)
  return { kind }
}
