import type { ColumnType, Generated, Kysely, Transaction } from 'kysely'

interface AuditTable {
  id: Generated<number | bigint | string>
  /** Unix milliseconds. */
  at: ColumnType<number | bigint | string, number, never>
  author: string
  action: string
  subject: string
  /** JSON. */
  details: string
}

export interface AuditSchema {
  audit: AuditTable
}

/** Who changed what, and when. */
export interface AuditEntry {
  readonly id: number
  /** Unix milliseconds. */
  readonly at: number
  readonly author: string
  /** Such as `organization.move`. */
  readonly action: string
  /** What was changed, such as `organization 10`. */
  readonly subject: string
  /** What it was changed from and to; never a secret. */
  readonly details: Readonly<Record<string, unknown>>
}

/** Writes an entry in the transaction of the change itself: neither is ever without the other. */
export async function recordAudit<Schema extends AuditSchema>(
  trx: Transaction<Schema>,
  { details, ...entry }: Omit<AuditEntry, 'id'>,
): Promise<void> {
  const db: Kysely<AuditSchema> = asAudit(trx)
  await db
    .insertInto('audit')
    .values({ ...entry, details: JSON.stringify(details) })
    .execute()
}

/** The newest first, at most `limit`, those before `beforeId`. */
export async function readAudit<Schema extends AuditSchema>(
  connection: Kysely<Schema>,
  { limit, beforeId }: { limit: number; beforeId?: number | undefined },
): Promise<AuditEntry[]> {
  const all = asAudit(connection).selectFrom('audit').selectAll().orderBy('id', 'desc').limit(limit)
  const rows = await (beforeId === undefined ? all : all.where('id', '<', beforeId)).execute()
  return rows.map(({ id, at, details, ...row }) => ({
    ...row,
    id: Number(id),
    at: Number(at),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by `recordAudit` only
    details: JSON.parse(details) as AuditEntry['details'],
  }))
}

/** What knows more tables knows this one. */
function asAudit<Schema extends AuditSchema>(db: Kysely<Schema>): Kysely<AuditSchema> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Kysely's builder is invariant in its schema
  return db as unknown as Kysely<AuditSchema>
}
