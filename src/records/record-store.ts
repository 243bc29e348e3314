import type { Kysely } from 'kysely'
import { encodeTime } from 'ulid'
import type { Connections } from '../database/connections.ts'
import { toStored } from '../directory/id.ts'
import {
  removeOldest,
  writeBatch,
  type Batch,
  type Limits,
  type RecordRow,
  type RecordSchema,
} from './record-tables.ts'

/** Which records are wanted; all that is given has to be so. */
export interface RecordFilter {
  readonly surface?: string | undefined
  readonly type?: string | undefined
  readonly outcome?: string | undefined
  readonly status?: number | undefined
  readonly failed?: boolean | undefined
  readonly installation?: string | undefined
  readonly integration?: string | undefined
  readonly organization?: string | undefined
  readonly region?: string | undefined
  /** Unix milliseconds: received at or after, and before. */
  readonly from?: number | undefined
  readonly until?: number | undefined
  /** Occurs in what a record is found by. */
  readonly text?: string | undefined
}

/** What a list shows of a record. */
export interface RecordListing extends Omit<RecordRow, 'story' | 'dedup_key'> {}

export interface RecordPage {
  /** The newest first. */
  readonly rows: readonly RecordListing[]
  /** Before which delivery to go on; undefined: there are no more. A page may be short, or empty, before that. */
  readonly next: string | undefined
}

export interface StoredRecord {
  /** JSON. */
  readonly story: string
  readonly notes: readonly { readonly at: number; readonly note: string }[]
  /** Others that were the same request: how many were answered as duplicates, and when the last of them came. */
  readonly duplicates: { readonly count: number; readonly lastAt: number | undefined }
  /** Of a duplicate: the delivery that it is one of, where that is known. */
  readonly original: string | undefined
}

/** The records of deliveries, as the database has them. Every method rejects when it cannot be asked. */
export interface RecordStore extends RecordWriter {
  list(filter: RecordFilter, page: { limit: number; before: string | undefined }): Promise<RecordPage>
  read(delivery: string): Promise<StoredRecord | undefined>
}

export interface RecordWriter {
  write(batch: Batch): Promise<void>
  /** Removes some of what is beyond the limits. Returns how many records: fewer than `limit` are the last for now. */
  sweep(limits: Limits): Promise<{ removed: number }>
}

/** So many records are looked at for one page, and then it is answered with what was found: nobody else has to wait. */
const LOOKED_AT = 2000
/** What a delivery can have lived through in the time that anything waits, many times over. */
const MOST_NOTES = 1000

/** @param writer - who writes where this process must not wait for a sync; default: the connection for writes. */
export function createRecordStore<Schema>(
  connections: Pick<Connections<Schema>, 'lookUps' | 'writes'>,
  writer?: RecordWriter,
): RecordStore {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the same database, whose migrations made them
  const { lookUps, writes } = connections as unknown as Connections<RecordSchema>
  return {
    ...(writer ?? { write: (batch) => writeBatch(writes, batch), sweep: (limits) => removeOldest(writes, limits) }),

    async list(filter, { limit, before }) {
      const recent = newest(lookUps, filter, before).limit(LOOKED_AT)
      const found = await wanted(lookUps, recent, filter).limit(limit).execute()
      const rows = found.map(listingFrom)
      if (rows.length === limit) return { rows, next: rows.at(-1)?.delivery }
      const [last] = await newest(lookUps, filter, before)
        .offset(LOOKED_AT - 1)
        .limit(1)
        .execute()
      return { rows, next: last?.delivery }
    },

    async read(delivery) {
      const record = await lookUps
        .selectFrom('deliveries')
        .select(['story', 'dedup_key', 'outcome', 'received_at'])
        .where('delivery', '=', delivery)
        .executeTakeFirst()
      if (record === undefined) return undefined
      const notes = await lookUps
        .selectFrom('delivery_notes')
        .select(['at', 'note'])
        .where('delivery', '=', delivery)
        .orderBy('at')
        .limit(MOST_NOTES)
        .execute()
      return {
        story: record.story,
        notes: notes.map(({ at, note }) => ({ at: Number(at), note })),
        ...(await kin(delivery, record)),
      }
    },
  }

  async function kin(delivery: string, { dedup_key, outcome, received_at }: Kin) {
    if (dedup_key === null) return { duplicates: { count: 0, lastAt: undefined }, original: undefined }
    const same = lookUps.selectFrom('deliveries').where('dedup_key', '=', dedup_key).where('delivery', '<>', delivery)
    if (outcome === DUPLICATE) {
      const before = await same
        .select('delivery')
        .where('outcome', '<>', DUPLICATE)
        .where('received_at', '<=', BigInt(received_at))
        .orderBy('delivery', 'desc')
        .limit(1)
        .executeTakeFirst()
      return { duplicates: { count: 0, lastAt: undefined }, original: before?.delivery }
    }
    const { count, last } = await same
      .select(({ fn }) => [fn.countAll().as('count'), fn.max('received_at').as('last')])
      .where('outcome', '=', DUPLICATE)
      .executeTakeFirstOrThrow()
    const lastAt = Number(count) === 0 ? undefined : Number(last)
    return { duplicates: { count: Number(count), lastAt }, original: undefined }
  }
}

type Kin = { dedup_key: string | null; outcome: string; received_at: bigint | string | number }

const DUPLICATE = 'duplicate'

/** The newest records that an index finds: ULIDs begin with their time. */
function newest(db: Kysely<RecordSchema>, filter: RecordFilter, before: string | undefined) {
  const { failed, installation, integration, from, until } = filter
  let query = db
    .selectFrom('deliveries')
    .select(['delivery', 'received_at', 'surface', 'type', 'installation', 'integration_id', 'outcome', 'status'])
    .select(['failed', 'organizations', 'regions'])
    .orderBy('delivery', 'desc')
  if (before !== undefined) query = query.where('delivery', '<', before)
  if (from !== undefined) query = query.where('delivery', '>=', encodeTime(from))
  if (until !== undefined) query = query.where('delivery', '<', encodeTime(until))
  if (installation !== undefined) query = query.where('installation', '=', installation)
  // What no row can have as its id names none of them; ids count from 1.
  if (integration !== undefined) query = query.where('integration_id', '=', toStored(integration) ?? 0n)
  if (failed === true) query = query.where('failed', '=', 1n)
  return query
}

function wanted(db: Kysely<RecordSchema>, recent: ReturnType<typeof newest>, filter: RecordFilter) {
  const { surface, type, outcome, status, failed, organization, region, text } = filter
  let query = db.selectFrom(recent.as('recent')).selectAll().orderBy('delivery', 'desc')
  if (surface !== undefined) query = query.where('surface', '=', surface)
  if (type !== undefined) query = query.where('type', '=', type)
  if (outcome !== undefined) query = query.where('outcome', '=', outcome)
  if (status !== undefined) query = query.where('status', '=', BigInt(status))
  if (failed === false) query = query.where('failed', '=', 0n)
  if (organization !== undefined) query = query.where('organizations', 'like', containing(` ${organization} `))
  if (region !== undefined) query = query.where('regions', 'like', containing(` ${region} `))
  if (text !== undefined) {
    const pattern = containing(text.toLowerCase())
    const searched = ['delivery', 'surface', 'type', 'installation', 'outcome', 'regions'] as const
    query = query.where((eb) => eb.or(searched.map((name) => eb(eb.fn('lower', [name]), 'like', pattern))))
  }
  return query
}

/** Both databases take a backslash for what makes the next character stand for itself only where that is said. */
function containing(text: string): string {
  return `%${text.replace(/[%_]/g, '_')}%`
}

type Found = Awaited<ReturnType<ReturnType<typeof newest>['execute']>>[number]

function listingFrom({ received_at, integration_id, status, failed, ...row }: Found): RecordListing {
  return {
    ...row,
    received_at: Number(received_at),
    integration_id: integration_id === null ? null : String(integration_id),
    status: status === null ? null : Number(status),
    failed: Number(failed) === 1 ? 1 : 0,
  }
}
