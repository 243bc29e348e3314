import { allOf, conditionsOf, idsOf, storedId } from '../rows.ts'
import { deathOf, restAfter, TOO_OLD, type OldColumns } from '../rules.ts'
import type { DeadLetterFilter, EraseTarget, Replayed, ReplayPart, Swept } from '../spool.ts'
import { countMailboxes, countRow, lockMailboxes, type Transaction } from './mailboxes.ts'
import { readLocked } from './moves.ts'
import { bury, setOrganizations, uniqueKey } from './rows.ts'
import { readStanding } from './standing.ts'
import { statements } from './statements.ts'

/*
 * What is done to many mailboxes at once, each a transaction of its own. It renews no lease: that row is the writer's,
 * which must not wait for this.
 */

interface Letter {
  readonly id: number
  readonly mailbox_id: number
  readonly came: number
  readonly dedup_key: string
  readonly region: string
  readonly organizations: string
}

export async function replay(
  tx: Transaction,
  filter: DeadLetterFilter,
  { limit, from }: ReplayPart,
): Promise<Replayed> {
  const upTo = from?.upTo ?? (await newestLetter(tx))
  const conditions = conditionsOf(filter)
  const where = conditions.map(({ column }, at) => `${column} = $${at + 5} AND `).join('')
  const chosen = await tx.ask<Letter>(
    {
      text: `SELECT letter.id, letter.mailbox_id, letter.came, letter.dedup_key, letter.region, letter.organizations
        FROM dead_letters AS letter JOIN mailboxes AS box ON box.id = letter.mailbox_id
        WHERE ${where}(letter.came, letter.id) > ($1::bigint, $2::bigint) AND letter.id <= $3::bigint
        ORDER BY letter.came, letter.id LIMIT $4::bigint`,
    },
    from?.came ?? 0,
    from?.id ?? 0,
    upTo,
    limit,
    ...conditions.map(({ value }) => value),
  )
  return { replayed: await revive(tx, chosen), rest: restAfter(chosen, { limit, upTo }) }
}

async function newestLetter(tx: Transaction): Promise<number> {
  const [newest] = await tx.ask<{ id: number }>({ text: 'SELECT id FROM dead_letters ORDER BY id DESC LIMIT 1' })
  return newest?.id ?? 0
}

/**
 * How many of them wait again. Where the webhook of one waits there already it goes with that, but not while that is
 * being sent.
 */
async function revive(tx: Transaction, chosen: readonly Letter[]): Promise<number> {
  const keys = chosen.map(({ dedup_key: dedupKey, region }) => ({ dedupKey, region }))
  const before = await readStanding(tx, { rows: [], keys })
  const locked = await lockMailboxes(tx, { ids: [...chosen, ...before].map((row) => row.mailbox_id) })
  const standing = await readLocked(tx, locked, { rows: [], keys })
  const twins = new Map(standing.map((row) => [uniqueKey(row.dedup_key, row.region), row]))
  // Somebody else may have replayed or removed some of them while this waited for their mailboxes.
  const letters = await tx.ask<Letter>(
    statements.letters,
    chosen.map(({ id }) => id),
  )
  const alone: number[] = []
  const merged: { id: number; letter: number; organizations: string }[] = []
  for (const letter of letters) {
    const twin = twins.get(uniqueKey(letter.dedup_key, letter.region))
    if (twin === undefined) alone.push(letter.id)
    else if (!twin.is_being_sent) {
      const organizations = allOf(twin.organizations, idsOf(letter.organizations))
      merged.push({ id: twin.id, letter: letter.id, organizations })
    }
  }
  const revived = await tx.ask<{ mailbox_id: number; size: number }>(statements.revive, alone, tx.now)
  for (const { mailbox_id: mailbox, size } of revived) countRow(locked.get(mailbox), 1, size)
  await setOrganizations(tx, 'organizations', merged)
  await tx.ask(statements.removeLetters, [...alone, ...merged.map(({ letter }) => letter)])
  await countMailboxes(tx, locked)
  return revived.length
}

export async function erase(tx: Transaction, { provider, integration, installations }: EraseTarget): Promise<number> {
  const stored = storedId(integration)
  const found = await tx.ask<{ id: number }>(statements.mailboxesOf, provider, stored, installations)
  const locked = await lockMailboxes(tx, { ids: found.map(({ id }) => id) })
  const ids = [...locked.all()].map(({ id }) => id)
  const answers = await tx.ask(statements.eraseAnswers, provider, stored)
  const letters = await tx.ask(statements.eraseLetters, ids)
  const rows = await tx.ask<{ mailbox_id: number; size: number }>(statements.eraseRows, ids)
  for (const { mailbox_id: mailbox, size } of rows) countRow(locked.get(mailbox), -1, size)
  await countMailboxes(tx, locked)
  await tx.ask(statements.removeMailboxes, ids)
  return answers.length + letters.length + rows.length
}

export async function sweep(
  tx: Transaction,
  { waitingSince, diedBefore, limit }: { waitingSince: number; diedBefore: number; limit: number },
): Promise<Swept> {
  const findOld = async (among: readonly number[] | null) =>
    await tx.ask<OldColumns & { mailbox_id: number }>(
      ...([statements.old, waitingSince, limit, tx.instance, tx.time, among] as const),
    )
  const found = await findOld(null)
  const locked = await lockMailboxes(tx, { ids: found.map((row) => row.mailbox_id) })
  const old = found.length === 0 ? [] : await findOld(found.map(({ id }) => id))
  const dying = old.map(({ id, attempts }) => ({ id, attempts, reason: TOO_OLD }))
  await bury(tx, locked, dying)
  await countMailboxes(tx, locked)
  const removed = await tx.ask(statements.removeOldLetters, diedBefore, limit)
  return { died: old.map(deathOf), removed: removed.length }
}
