import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { encodeTime } from 'ulid'
import { z } from 'zod'
import type { Connections } from '../database/connections.ts'
import { unpackBlock } from './block.ts'
import { mayHold } from './bloom.ts'
import {
  BLOCKS_AT_A_TIME,
  eraseFromSome,
  removeOldest,
  writeBatch,
  type Batch,
  type Erasure,
  type Limits,
  type RecordSchema,
  type Whose,
} from './record-tables.ts'
import { wholeStory, type Entry, type Story } from './story.ts'
import { isWanted, wordsFor, type RecordFilter } from './words.ts'

export interface RecordPage {
  /** The newest first. */
  readonly rows: readonly Entry[]
  /** Before which delivery to go on; undefined: there are no more. A page may be short, or empty, before that. */
  readonly next: string | undefined
}

export interface StoredRecord {
  readonly story: Story
  readonly notes: readonly { readonly at: number; readonly note: string }[]
  /** Others that were the same request: how many were answered as duplicates, and when the last of them came. */
  readonly duplicates: { readonly count: number; readonly lastAt: number | undefined }
  /** Of a duplicate: the delivery that it is one of, where that is known. */
  readonly original: string | undefined
}

/** The records of deliveries, as the database has them. Every method rejects when it cannot be asked. */
export interface RecordStore extends Pick<RecordWriter, 'write' | 'sweep'> {
  list(filter: RecordFilter, page: { limit: number; before: string | undefined }): Promise<RecordPage>
  read(delivery: string): Promise<StoredRecord | undefined>
  /** Removes what is recorded of an integration. Returns how many records that were. */
  erase(whose: Whose): Promise<{ removed: number }>
}

export interface RecordWriter {
  /** `isTaken` is false where the block is not to grow any more: the same entries belong into a new one. */
  write(batch: Batch): Promise<{ isTaken: boolean }>
  /** Removes some of what is beyond the limits. Returns how many blocks: fewer than `limit` are the last for now. */
  sweep(limits: Limits): Promise<{ removed: number }>
  /**
   * Removes what is recorded of an integration from some of the blocks: what is to be written does not wait for them all.
   * Returns how many records that were, and after which block to go on; undefined: there are no more.
   */
  erase(from: Erasure): Promise<{ removed: number; last: string | undefined }>
}

/** What may be asked for, and what a page may begin before. Other texts may be none that a database takes. */
const DELIVERY_ID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/
export const recordPosition = z.string().regex(/^[0-7][0-9A-HJKMNP-TV-Z]{25}0?$/)

/** So many blocks further a page goes, and then it is answered with what was found: nobody else has to wait. */
const MOST_OPENED = 30
/** What a delivery can have lived through in the time that anything waits, many times over. */
const MOST_NOTES = 1000

/** For how long a webhook is taken for one that came before, at most: dedup knows none for longer. */
const REPEATED_MS = 25 * 3_600_000

/** @param writer - who writes where this process must not wait for a sync; default: the connection for writes. */
export function createRecordStore<Schema>(
  connections: Pick<Connections<Schema>, 'lookUps' | 'writes'>,
  writer?: RecordWriter,
): RecordStore {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the same database, whose migrations made them
  const { lookUps: db, writes } = connections as unknown as Connections<RecordSchema>
  const ownWriter: RecordWriter = {
    write: (batch) => writeBatch(writes, batch),
    sweep: (limits) => removeOldest(writes, limits),
    erase: (from) => eraseFromSome(writes, from),
  }
  const to = writer ?? ownWriter
  return {
    write: (batch) => to.write(batch),
    sweep: (limits) => to.sweep(limits),

    async erase(whose) {
      let removed = 0
      for (let after: string | undefined = ''; after !== undefined;) {
        const some = await to.erase({ ...whose, after })
        removed += some.removed
        after = some.last
      }
      return { removed }
    },

    async list(filter, { limit, before }) {
      const wanted = new Map<string, Entry>()
      const until = filter.until === undefined ? undefined : encodeTime(Math.max(0, filter.until))
      const upTo = [before, until].filter((one) => one !== undefined).toSorted()[0]
      const from = filter.from === undefined ? undefined : encodeTime(Math.max(0, filter.from))
      let opened = 0
      for await (const { block, last } of blocksWith(filter, { upTo, from })) {
        // What is newer than every block that has not been opened is in its place; an older one may yet come between.
        const settled = newestOf(wanted).filter(([delivery]) => delivery > last)
        const rows = settled.slice(0, limit)
        if (rows.length === limit) return await page(rows, rows.at(-1)?.[0])
        // A longer text comes after the one that it begins with: the next page begins with that very delivery.
        const next = `${last}0`
        // Those that lie across the place where this page begins are no way forward, however many there are.
        if (upTo === undefined || next < upTo) {
          if (opened === MOST_OPENED) return await page(rows, next)
          opened += 1
        }
        for (const entry of await opening(block)) {
          const { id } = entry.story
          if ((before !== undefined && id >= before) || !isWanted(entry, filter)) continue
          if (wanted.get(id)?.story.running !== false) wanted.set(id, entry)
        }
      }
      const all = newestOf(wanted)
      const rows = all.slice(0, limit)
      return await page(rows, all.length > limit ? rows.at(-1)?.[0] : undefined)

      /** What was still running when it was written may have been written again, so that it is not wanted any more. */
      async function page(rows: readonly [string, Entry][], next: string | undefined): Promise<RecordPage> {
        const now: Entry[] = []
        for (const [id, entry] of rows) {
          const latest = entry.story.running ? await find(id) : entry
          if (latest !== undefined && isWanted(latest, filter)) now.push(latest)
        }
        return { rows: now, next }
      }
    },

    async read(delivery) {
      const entry = await find(delivery)
      if (entry === undefined) return undefined
      const notes = await db
        .selectFrom('delivery_notes')
        // Where nobody could tell whether a batch had been written, it was written again.
        .distinct()
        .select(['at', 'note'])
        .where('delivery', '=', delivery)
        .orderBy('at')
        .limit(MOST_NOTES)
        .execute()
      return {
        story: wholeStory(entry),
        notes: notes.map(({ at, note }) => ({ at: Number(at), note })),
        ...(entry.story.outcome === DUPLICATE
          ? { duplicates: { count: 0, lastAt: undefined }, original: await originalOf(entry) }
          : { duplicates: await duplicatesOf(entry), original: undefined }),
      }
    },
  }

  /** A delivery as it was written last. */
  async function find(delivery: string): Promise<Entry | undefined> {
    if (!DELIVERY_ID.test(delivery)) return undefined
    let found: Entry | undefined
    for await (const { block } of blocksWith({ delivery }, { upTo: `${delivery}0`, from: delivery })) {
      const entry = (await opening(block)).find(({ story }) => story.id === delivery)
      if (entry?.story.running === false) return entry
      found ??= entry
    }
    return found
  }

  async function duplicatesOf({ story, dedupKey }: Entry): Promise<StoredRecord['duplicates']> {
    // By delivery: one that was told twice may lie in two blocks.
    const found = new Set<string>()
    let lastAt: number | undefined
    const receivedAt = Date.parse(story.received_at)
    const within = { upTo: encodeTime(receivedAt + REPEATED_MS), from: encodeTime(receivedAt) }
    for await (const { block } of dedupKey === null ? [] : blocksWith({ dedupKey, outcome: DUPLICATE }, within)) {
      for (const { story: same, ...one } of await opening(block)) {
        if (one.dedupKey !== dedupKey || same.outcome !== DUPLICATE) continue
        found.add(same.id)
        lastAt = Math.max(lastAt ?? 0, Date.parse(same.received_at))
      }
    }
    return { count: found.size, lastAt }
  }

  async function originalOf({ story, dedupKey }: Entry): Promise<string | undefined> {
    const from = encodeTime(Math.max(0, Date.parse(story.received_at) - REPEATED_MS))
    for await (const { block } of dedupKey === null ? [] : blocksWith({ dedupKey }, { upTo: story.id, from })) {
      const earlier = (await opening(block))
        .filter((one) => one.dedupKey === dedupKey && one.story.outcome !== DUPLICATE && one.story.id < story.id)
        .map((one) => one.story.id)
      if (earlier.length > 0) return earlier.toSorted().at(-1)
    }
    return undefined
  }

  async function opening(block: string): Promise<Entry[]> {
    const stored = await db.selectFrom('delivery_blocks').select('body').where('block', '=', block).executeTakeFirst()
    // An embedded database answers without a pause, and there are webhooks to be answered.
    await nextTurn()
    // It may have been swept meanwhile.
    return stored === undefined ? [] : unpackBlock(stored.body)
  }

  /** The blocks that may hold what is wanted, those that end with the newest delivery first. */
  async function* blocksWith(
    filter: RecordFilter,
    { upTo, from }: { upTo: string | undefined; from: string | undefined },
  ): AsyncGenerator<{ block: string; last: string }> {
    const words = wordsFor(filter)
    let after: { block: string; last: string } | undefined
    do {
      const some = await someBlocks(db, { upTo, from, after })
      for (const { block, last, words: held } of some) {
        if (words.every((word) => mayHold(held, word))) yield { block, last }
      }
      after = some.length < BLOCKS_AT_A_TIME ? undefined : some.at(-1)
      await nextTurn()
    } while (after !== undefined)
  }
}

const DUPLICATE = 'duplicate'

function newestOf(entries: ReadonlyMap<string, Entry>): [string, Entry][] {
  return [...entries].toSorted(([a], [b]) => (a < b ? 1 : -1))
}

async function someBlocks(
  db: Kysely<RecordSchema>,
  {
    upTo,
    from,
    after,
  }: { upTo: string | undefined; from: string | undefined; after: { block: string; last: string } | undefined },
) {
  let query = db
    .selectFrom('delivery_blocks')
    .select(['block', 'last', 'words'])
    .orderBy('last', 'desc')
    .orderBy('block', 'desc')
    .limit(BLOCKS_AT_A_TIME)
  if (upTo !== undefined) query = query.where('first', '<', upTo)
  if (from !== undefined) query = query.where('last', '>=', from)
  if (after !== undefined) {
    const { last, block } = after
    // As one: of two conditions, neither database would make a place in the index to go on from.
    query = query.where((eb) => eb(eb.refTuple('last', 'block'), '<', eb.tuple(last, block)))
  }
  return await query.execute()
}
