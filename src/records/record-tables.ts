import { encodeTime } from 'ulid'
import { sql, SqliteAdapter, type ColumnType, type Kysely, type Transaction } from 'kysely'
import type { Integration } from '../directory/directory.ts'
import { keyText } from '../telemetry/webhook-record.ts'
import { compress, packBlock, unpackBlock, type Block } from './block.ts'
import { mayHold } from './bloom.ts'
import type { Entry } from './story.ts'
import { wordsFor } from './words.ts'

type Bigint = ColumnType<bigint | string | number, bigint, bigint>

export interface RecordSchema {
  delivery_blocks: {
    block: string
    first: string
    last: string
    /** 1: some of it has been erased, so that whoever wrote it may not write it again. */
    sealed: ColumnType<bigint | string | number, bigint | undefined, bigint>
    size: Bigint
    words: Uint8Array
    body: Uint8Array
  }
  delivery_notes: { delivery: string; at: Bigint; size: Bigint; note: string }
  delivery_usage: { id: Bigint; bytes: Bigint }
}

/** Something that became of a delivery after it was answered. */
export interface NoteRow {
  readonly delivery: string
  /** Unix milliseconds. */
  readonly at: number
  /** JSON. */
  readonly note: string
}

/** What is written at once. A block that is there already is replaced: it has grown. */
export interface Batch {
  readonly block: Block | undefined
  readonly notes: readonly NoteRow[]
}

export interface Limits {
  /** Unix milliseconds: what came before is too old. */
  readonly before: number
  readonly maxBytes: number
  /** Blocks in one go: what else is to be written waits no longer than that takes. */
  readonly limit: number
}

/** Whose records are to be erased. */
export interface Whose {
  readonly integration: string
  /** As the directory has it now; undefined: it does not know it any more. */
  readonly installation: Pick<Integration, 'provider' | 'appId' | 'externalId'> | undefined
}

export interface Erasure extends Whose {
  /** The name of a block; empty: from the first one on. */
  readonly after: string
}

/** What a block takes besides what is in it, and a note besides its text: columns, indexes, and what is free in a page. */
const BLOCK_BYTES = 250
const NOTE_BYTES = 120

/**
 * Writes a batch in one transaction. The block is not written where some of it has been erased since: what is to be added
 * to it belongs into another.
 */
export async function writeBatch(db: Kysely<RecordSchema>, { block, notes }: Batch): Promise<{ isTaken: boolean }> {
  // Before others have to wait for this transaction: it takes as long as the rest.
  const row = block && storedRow(block)
  return await inTransaction(db, async (trx) => {
    let added = 0
    let isTaken = true
    if (row !== undefined) {
      const before = await trx
        .selectFrom('delivery_blocks')
        .select(['sealed', 'size'])
        .where('block', '=', row.block)
        .executeTakeFirst()
      isTaken = Number(before?.sealed ?? 0) === 0
      if (isTaken) {
        await trx
          .insertInto('delivery_blocks')
          .values(row)
          .onConflict((conflict) => conflict.column('block').doUpdateSet(row))
          .execute()
        added += Number(row.size) - Number(before?.size ?? 0)
      }
    }
    if (notes.length > 0) {
      const rows = notes.map(({ at, ...note }) => ({ ...note, at: BigInt(at), size: BigInt(noteSize(note)) }))
      await trx.insertInto('delivery_notes').values(rows).execute()
      added += notes.reduce((sum, note) => sum + noteSize(note), 0)
    }
    await grow(trx, added)
    return { isTaken }
  })
}

/** Removes a part of what is too old, or too much, the oldest first. Returns how many blocks that were. */
export async function removeOldest(db: Kysely<RecordSchema>, limits: Limits): Promise<{ removed: number }> {
  // Nobody is kept waiting to learn that there is nothing to do.
  if ((await beyond(db, { ...limits, limit: 1 })).length === 0) return { removed: 0 }
  return await inTransaction(db, async (trx) => {
    const surplus = await beyond(trx, limits)
    if (surplus.length === 0) return { removed: 0 }
    const gone = await trx.deleteFrom('delivery_blocks').where('block', 'in', surplus).returning('size').execute()
    // Those of records that were never written go as well, once it is their turn.
    const oldest = trx.selectFrom('delivery_blocks').select(({ fn }) => fn.min('first').as('first'))
    const left = (await oldest.executeTakeFirst())?.first
    const notes = trx.deleteFrom('delivery_notes').returning('size')
    const goneNotes = await (left == null ? notes : notes.where('delivery', '<', left)).execute()
    await grow(trx, -[...gone, ...goneNotes].reduce((sum, { size }) => sum + Number(size), 0))
    return { removed: gone.length }
  })
}

/** Removes what is recorded of an integration from some of the blocks: those after one of them, by name. */
export async function eraseFromSome(
  db: Kysely<RecordSchema>,
  { after, ...whose }: Erasure,
): Promise<{ removed: number; last: string | undefined }> {
  const words = wordsOfAny(whose)
  const some = await db
    .selectFrom('delivery_blocks')
    .select(['block', 'words'])
    .where('block', '>', after)
    .orderBy('block')
    .limit(BLOCKS_AT_A_TIME)
    .execute()
  let removed = 0
  for (const { block, words: held } of some) {
    if (words.some((word) => mayHold(held, word))) removed += await erase(block)
  }
  return { removed, last: some.at(-1)?.block }

  function erase(block: string): Promise<number> {
    return inTransaction(db, async (trx) => {
      const stored = await trx
        .selectFrom('delivery_blocks')
        .select(['size', 'first', 'last', 'body'])
        .where('block', '=', block)
        .executeTakeFirst()
      if (stored === undefined) return 0
      const entries = unpackBlock(stored.body)
      const kept = entries.filter((entry) => !isOf(entry, whose))
      const erased = entries.filter((entry) => isOf(entry, whose)).map(({ story }) => story.id)
      if (erased.length === 0) return 0
      // It stays where it stood, empty or not, so that it is not written again, and goes when it is old.
      const rest = { ...packBlock(block, kept), first: stored.first, last: stored.last }
      const row = { ...storedRow(rest), sealed: 1n }
      await trx.updateTable('delivery_blocks').set(row).where('block', '=', block).execute()
      const notes = await trx.deleteFrom('delivery_notes').where('delivery', 'in', erased).returning('size').execute()
      const freed = [{ size: stored.size }, ...notes].reduce((sum, { size }) => sum + Number(size), 0)
      await grow(trx, Number(row.size) - freed)
      return erased.length
    })
  }
}

/**
 * Of a duplicate, or while the directory was away, nobody has found out whose it was: such a one is the integration's if
 * its installation is.
 */
function isOf({ way, story: { installation: came } }: Entry, { integration, installation }: Whose): boolean {
  if (way.integration !== null) return way.integration.id === integration
  if (came === null) return false
  if (came.integration_id !== null) return came.integration_id === integration
  if (came.provider !== installation?.provider || came.external_id !== installation.externalId) return false
  return installation.appId === '' || came.app_id === null || came.app_id === installation.appId
}

/** One of them is in every block with a record of theirs. */
function wordsOfAny({ integration, installation }: Whose): string[] {
  const found = { integration }
  if (installation === undefined) return wordsFor(found)
  const { provider, externalId } = installation
  const byId = { installation: keyText({ by: 'id', provider, id: integration }) }
  return [found, byId, { installation: externalId }].flatMap(wordsFor)
}

/** Blocks whose words are looked at in one go: some 100 KB. */
export const BLOCKS_AT_A_TIME = 100

function storedRow(block: Block) {
  const body = compress(block.body)
  return { ...block, body, size: BigInt(block.words.length + body.length + BLOCK_BYTES) }
}

function noteSize({ note }: Pick<NoteRow, 'note'>): number {
  return note.length + NOTE_BYTES
}

/** The oldest blocks that are too old or too much, in their order. */
async function beyond(db: Kysely<RecordSchema>, { before, maxBytes, limit }: Limits): Promise<string[]> {
  const usage = await db.selectFrom('delivery_usage').select('bytes').executeTakeFirst()
  const oldest = await db
    .selectFrom('delivery_blocks')
    .select(['block', 'last', 'size'])
    .orderBy('last')
    .limit(limit)
    .execute()
  let bytes = Number(usage?.bytes ?? 0)
  const newest = encodeTime(Math.max(0, before))
  const end = oldest.findIndex(({ last, size }) => {
    if (last >= newest && bytes <= maxBytes) return true
    bytes -= Number(size)
    return false
  })
  return oldest.slice(0, end === -1 ? undefined : end).map(({ block }) => block)
}

async function grow(trx: Transaction<RecordSchema>, by: number): Promise<void> {
  await sql`update delivery_usage set bytes = bytes + cast(${by} as bigint)`.execute(trx)
}

/** Nobody waits for its sync: what a crash takes of the last moments is no promise to anybody. */
function inTransaction<Result>(
  db: Kysely<RecordSchema>,
  work: (trx: Transaction<RecordSchema>) => Promise<Result>,
): Promise<Result> {
  return db.transaction().execute(async (trx) => {
    if (!(trx.getExecutor().adapter instanceof SqliteAdapter)) {
      await sql`set local synchronous_commit = off`.execute(trx)
    }
    // The one row that all writers wait for each other at, before any of them looks at what it is to change.
    await grow(trx, 0)
    return await work(trx)
  })
}
