import { allOf } from '../rows.ts'
import { retryBehindTwins, takesAllAlong } from '../rules.ts'
import { regionOf, type Claim, type Move, type NewRow, type Settlement } from '../spool.ts'
import { lockMailboxes, type LockedMailboxes, type Transaction } from './mailboxes.ts'
import { holdsMailbox, insert, remove, setOrganizations, uniqueKey } from './rows.ts'
import { readStanding, type Sought, type Standing } from './standing.ts'
import { statements } from './statements.ts'

/** What was read before its mailbox was locked has moved since: all begins again. */
export class MovedMeanwhile extends Error {
  constructor() {
    super('somebody else was faster, again and again')
  }
}

/** The same of what is in mailboxes that are locked. */
export async function readLocked(tx: Transaction, locked: LockedMailboxes, sought: Sought): Promise<Standing[]> {
  const found = await readStanding(tx, sought)
  if (found.some(({ mailbox_id: mailbox }) => locked.get(mailbox) === undefined)) throw new MovedMeanwhile()
  return found
}

function soughtFor(moves: readonly Move[], unsent?: number): Sought {
  const rows = moves.flatMap((move) => move.rows)
  return {
    rows: moves.map(({ row }) => row),
    keys: rows.map(({ dedupKey, mailbox }) => ({ dedupKey, region: regionOf(mailbox) })),
    unsent,
  }
}

async function lockFor(tx: Transaction, moves: readonly Move[], more: readonly number[]): Promise<LockedMailboxes> {
  const found = await readStanding(tx, soughtFor(moves))
  const addresses = moves.flatMap(({ rows }) => rows.map(({ mailbox }) => mailbox))
  return await lockMailboxes(tx, { ids: [...more, ...found.map(({ mailbox_id: mailbox }) => mailbox)], addresses })
}

/** Ends an attempt with the settlement `moved`. */
export async function settleMoved(
  tx: Transaction,
  claim: Claim,
  { rows }: Settlement & { kind: 'moved' },
): Promise<{ locked: LockedMailboxes; result: boolean }> {
  const move = { row: claim.row, rows }
  const locked = await lockFor(tx, [move], claim.kind === 'mailbox' ? [claim.mailbox] : [])
  const mailbox = claim.kind === 'mailbox' ? claim.mailbox : null
  const claimed = await tx.ask(statements.claimed, [claim.row], [mailbox], tx.instance)
  if (!holdsMailbox(tx, locked, claim) || claimed.length === 0) return { locked, result: false }
  const [beingSent = []] = await replace(tx, locked, [move])
  if (beingSent.length > 0) {
    await tx.ask(statements.retryAt, [claim.row], [retryBehindTwins(claim.row, beingSent, tx.now)])
  }
  return { locked, result: true }
}

/** How many have moved. */
export async function relocate(
  tx: Transaction,
  moves: readonly Move[],
  { unsent }: { readonly unsent?: number } = {},
): Promise<{ locked: LockedMailboxes; result: number }> {
  const locked = await lockFor(tx, moves, [])
  const standing = await readLocked(tx, locked, soughtFor(moves, unsent))
  let moved = 0
  for (const group of groupsOf(standing, movableOf(standing, moves))) {
    // As it finds them: what was moved before may have left its organizations with them.
    const movable = movableOf(await readLocked(tx, locked, soughtFor(group, unsent)), group)
    await replace(tx, locked, movable, unsent)
    moved += movable.length
    if (movable.length < group.length) break
  }
  return { locked, result: moved }
}

/** Those that are still there, up to the first that has to stay, or whose webhook is being sent where it is to go. */
function movableOf(standing: readonly Standing[], moves: readonly Move[]): Move[] {
  const byId = new Map(standing.map((row) => [row.id, row]))
  const beingSent = new Set(
    standing.filter((row) => row.is_being_sent).map((row) => uniqueKey(row.dedup_key, row.region)),
  )
  const there = moves.filter(({ row }) => byId.has(row))
  const stays = there.findIndex(({ row, rows }) => {
    const waiting = byId.get(row)
    return (
      waiting === undefined ||
      waiting.is_being_sent ||
      !takesAllAlong(rows, waiting.organizations) ||
      rows.some(({ dedupKey, mailbox }) => beingSent.has(uniqueKey(dedupKey, regionOf(mailbox))))
    )
  })
  return stays < 0 ? there : there.slice(0, stays)
}

/** Those that meet no other of their webhook are moved all at once; each of the rest alone, as it finds things then. */
function groupsOf(standing: readonly Standing[], moves: readonly Move[]): Move[][] {
  const sources = new Map(standing.map(({ id, dedup_key: key, region }) => [uniqueKey(key, region), id]))
  const taken = new Set<string>()
  const together: Move[] = []
  const alone: Move[] = []
  for (const move of moves) {
    const keys = move.rows.map(({ dedupKey, mailbox }) => uniqueKey(dedupKey, regionOf(mailbox)))
    const meets = keys.some((key) => taken.has(key) || (sources.has(key) && sources.get(key) !== move.row))
    ;(meets ? alone : together).push(move)
    for (const key of keys) taken.add(key)
  }
  return [together, ...alone.map((move) => [move])].filter(({ length }) => length > 0)
}

/**
 * Gives the places of rows that nobody sends, and their age, to others: what waits there already takes their organizations
 * along. Of each, what is being sent there; then nothing of it is done.
 */
async function replace(
  tx: Transaction,
  locked: LockedMailboxes,
  moves: readonly Move[],
  unsent?: number,
): Promise<(readonly Standing[])[]> {
  const standing = await readLocked(tx, locked, soughtFor(moves, unsent))
  const byId = new Map(standing.map((row) => [row.id, row]))
  const byKey = new Map(standing.map((row) => [uniqueKey(row.dedup_key, row.region), row]))
  const twinOf = (row: NewRow, except: number): Standing | undefined => {
    const twin = byKey.get(uniqueKey(row.dedupKey, regionOf(row.mailbox)))
    return twin?.id === except ? undefined : twin
  }
  const beingSent = moves.map(({ row, rows }) =>
    rows.flatMap((one) => twinOf(one, row) ?? []).filter((twin) => twin.is_being_sent),
  )
  const good = moves.filter((_, at) => beingSent[at]?.length === 0)
  // They go first: each may be its own twin. What waits already is never refused for want of room.
  await remove(
    tx,
    locked,
    good.map(({ row }) => row),
  )
  const all = good.flatMap(({ row, rows }) => rows.map((one) => ({ row: one, from: row, twin: twinOf(one, row) })))
  await insert(
    tx,
    locked,
    all.flatMap(({ row, from, twin }) => (twin === undefined ? [{ row, former: byId.get(from) }] : [])),
  )
  const merged = new Map<number, string>()
  for (const { row, twin } of all) {
    if (twin !== undefined) merged.set(twin.id, allOf(merged.get(twin.id) ?? twin.organizations, row.organizations))
  }
  await setOrganizations(
    tx,
    'organizations',
    [...merged].map(([id, organizations]) => ({ id, organizations })),
  )
  return beingSent
}
