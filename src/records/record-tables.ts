import { sql, SqliteAdapter, type ColumnType, type Kysely, type Transaction } from 'kysely'

type Bigint = ColumnType<bigint | string | number, bigint, bigint>

export interface RecordSchema {
  deliveries: {
    delivery: string
    received_at: Bigint
    surface: string
    type: string | null
    installation: string | null
    integration_id: Bigint | null
    outcome: string
    status: Bigint | null
    failed: Bigint
    dedup_key: string | null
    organizations: string
    regions: string
    size: Bigint
    story: string
  }
  delivery_notes: { delivery: string; at: Bigint; size: Bigint; note: string }
  delivery_usage: { id: Bigint; bytes: Bigint }
}

/** A record as it is written; `story` is what is read again, the others are what it is found by. */
export interface RecordRow {
  readonly delivery: string
  /** Unix milliseconds. */
  readonly received_at: number
  readonly surface: string
  readonly type: string | null
  readonly installation: string | null
  readonly integration_id: string | null
  readonly outcome: string
  readonly status: number | null
  readonly failed: 0 | 1
  readonly dedup_key: string | null
  /** Ids, with a blank before, between and behind them; and so the names of the regions. */
  readonly organizations: string
  readonly regions: string
  /** JSON. */
  readonly story: string
}

/** Something that became of a delivery after it was answered. */
export interface NoteRow {
  readonly delivery: string
  /** Unix milliseconds. */
  readonly at: number
  /** JSON. */
  readonly note: string
}

/** What is written at once. A record that is there already is replaced: its regions have answered since. */
export interface Batch {
  readonly records: readonly RecordRow[]
  readonly notes: readonly NoteRow[]
}

export interface Limits {
  /** Unix milliseconds: what came before is too old. */
  readonly before: number
  readonly maxBytes: number
  /** Records in one go: what else is to be written waits no longer than that takes. */
  readonly limit: number
}

/** What a record takes besides its story, and a note besides its text: columns, indexes, and what is free in a page. */
const ROW_BYTES = 500
const NOTE_BYTES = 120

const columns = {
  delivery: 'text',
  received_at: 'bigint',
  surface: 'text',
  type: 'text',
  installation: 'text',
  integration_id: 'bigint',
  outcome: 'text',
  status: 'bigint',
  failed: 'bigint',
  dedup_key: 'text',
  organizations: 'text',
  regions: 'text',
  size: 'bigint',
  story: 'text',
}
const noteColumns = { delivery: 'text', at: 'bigint', size: 'bigint', note: 'text' }

/** Writes a batch in one transaction. It is handed over as one text, so that its size costs no time in this process. */
export async function writeBatch(db: Kysely<RecordSchema>, { records, notes }: Batch): Promise<void> {
  const rows = records.map((row) => ({ ...row, size: row.story.length + ROW_BYTES }))
  const noteRows = notes.map((row) => ({ ...row, size: row.note.length + NOTE_BYTES }))
  const added = [...rows, ...noteRows].reduce((sum, { size }) => sum + size, 0)
  const given = JSON.stringify(rows)
  await inTransaction(db, async (trx) => {
    const isSqlite = isOnSqlite(trx)
    const from = rowsIn(given, columns, isSqlite)
    // The usage first, also where records are removed: it is what two writers wait for each other at.
    await sql`update delivery_usage set bytes = bytes + cast(${added} as bigint) - coalesce(
      (select sum(size) from deliveries where delivery in (select given.delivery from ${from})), 0)`.execute(trx)
    const names = Object.keys(columns)
    const replaced = names.slice(1).map((name) => sql`${sql.ref(name)} = ${sql.ref(`excluded.${name}`)}`)
    if (rows.length > 0) {
      await sql`insert into deliveries (${sql.join(names.map((name) => sql.ref(name)))})
        select ${sql.join(names.map((name) => sql.ref(`given.${name}`)))} from ${from} where true
        on conflict (delivery) do update set ${sql.join(replaced)}`.execute(trx)
    }
    if (noteRows.length > 0) {
      const noted = Object.keys(noteColumns)
      await sql`insert into delivery_notes (${sql.join(noted.map((name) => sql.ref(name)))})
        select ${sql.join(noted.map((name) => sql.ref(`given.${name}`)))}
        from ${rowsIn(JSON.stringify(noteRows), noteColumns, isSqlite)}`.execute(trx)
    }
  })
}

/** Removes a part of what is too old, or too much, the oldest first. Returns how many records that were. */
export async function removeOldest(db: Kysely<RecordSchema>, limits: Limits): Promise<{ removed: number }> {
  // Nobody is kept waiting to learn that there is nothing to do.
  const [found] = await beyond(db, { ...limits, limit: 1 })
  if (found === undefined) return { removed: 0 }
  return await inTransaction(db, async (trx) => {
    await sql`update delivery_usage set bytes = bytes`.execute(trx)
    const surplus = await beyond(trx, limits)
    const last = surplus.at(-1)
    if (last === undefined) return { removed: 0 }
    const gone = await trx.deleteFrom('deliveries').where('delivery', '<=', last).returning('size').execute()
    // Those of records that were never written go as well, once it is their turn.
    const notes = await trx.deleteFrom('delivery_notes').where('delivery', '<=', last).returning('size').execute()
    const freed = [...gone, ...notes].reduce((sum, { size }) => sum + Number(size), 0)
    await sql`update delivery_usage set bytes = bytes - cast(${freed} as bigint)`.execute(trx)
    return { removed: surplus.length }
  })
}

/** The oldest deliveries that are too old or too much, in their order. */
async function beyond(db: Kysely<RecordSchema>, { before, maxBytes, limit }: Limits): Promise<string[]> {
  const usage = await db.selectFrom('delivery_usage').select('bytes').executeTakeFirst()
  const oldest = await db
    .selectFrom('deliveries')
    .select(['delivery', 'received_at', 'size'])
    .orderBy('delivery')
    .limit(limit)
    .execute()
  let bytes = Number(usage?.bytes ?? 0)
  const end = oldest.findIndex(({ received_at, size }) => {
    if (Number(received_at) >= before && bytes <= maxBytes) return true
    bytes -= Number(size)
    return false
  })
  return oldest.slice(0, end === -1 ? undefined : end).map(({ delivery }) => delivery)
}

/** Nobody waits for its sync: what a crash takes of the last moments is no promise to anybody. */
function inTransaction<Result>(
  db: Kysely<RecordSchema>,
  work: (trx: Transaction<RecordSchema>) => Promise<Result>,
): Promise<Result> {
  return db.transaction().execute(async (trx) => {
    if (!isOnSqlite(trx)) await sql`set local synchronous_commit = off`.execute(trx)
    return await work(trx)
  })
}

function isOnSqlite(db: Kysely<RecordSchema>): boolean {
  return db.getExecutor().adapter instanceof SqliteAdapter
}

/** The rows of a JSON list as a table called `given`. */
function rowsIn(json: string, types: Readonly<Record<string, string>>, isSqlite: boolean) {
  const entries = Object.entries(types)
  if (isSqlite) {
    const values = entries.map(([name]) => sql`value ->> ${sql.lit(name)} as ${sql.ref(name)}`)
    return sql`(select ${sql.join(values)} from json_each(${json})) as given`
  }
  const typed = entries.map(([name, type]) => sql`${sql.ref(name)} ${sql.raw(type)}`)
  return sql`json_to_recordset(cast(${json} as json)) as given (${sql.join(typed)})`
}
