import { CompiledQuery, SqliteAdapter, sql, type Kysely } from 'kysely'
import type { ImportFile, ImportRow, TableName } from './import-file.ts'
import type { DirectorySchema } from './schema.ts'

/*
 * Temporary tables in which the rows of a file wait until all of it has been read and checked, so that memory stays
 * flat and nobody else waits for a lock meanwhile.
 */

type Database = Kysely<DirectorySchema>

/** Rows in one statement: 2,000 of the widest are 20,000 parameters, and SQLite takes 32,766. */
const BATCH = 2000

/** Rows in the file, by table. */
export type ImportCounts = Record<TableName, number>

const columns = {
  integrations: {
    id: 'bigint',
    provider: 'text',
    app_id: 'text',
    external_id: 'text',
    enterprise_id: 'text',
    default_organization_id: 'bigint',
    name: 'text',
    status: 'text',
    position: 'bigint',
  },
  organizations: {
    id: 'bigint',
    slug: 'text',
    name: 'text',
    region: 'text',
    status: 'text',
    epoch: 'bigint',
    held: 'bigint',
    position: 'bigint',
  },
  organization_integrations: {
    integration_id: 'bigint',
    organization_id: 'bigint',
    status: 'text',
    position: 'bigint',
  },
} as const

const tableNames = ['integrations', 'organizations', 'organization_integrations'] as const

export async function createStaging(db: Database): Promise<void> {
  for (const table of tableNames) {
    const defined = Object.entries(columns[table]).map(([name, type]) => sql`${sql.ref(name)} ${sql.raw(type)}`)
    await sql`create temporary table ${sql.table(`staged_${table}`)}
      (${sql.join(defined)}, fate bigint not null default 0)`.execute(db)
  }
}

export async function dropStaging(db: Database): Promise<void> {
  for (const table of tableNames) await db.schema.dropTable(`staged_${table}`).ifExists().execute()
}

/** Puts every row of the file into its temporary table; `progress` hears how many there are so far. */
export async function stage(db: Database, file: ImportFile, progress: (rows: number) => void): Promise<ImportCounts> {
  const counts: ImportCounts = { integrations: 0, organizations: 0, organization_integrations: 0 }
  const waiting = { integrations: [], organizations: [], organization_integrations: [] } as Record<
    TableName,
    ImportRow[]
  >
  let rows = 0

  async function flush(table: TableName): Promise<void> {
    if (waiting[table].length === 0) return
    await db.executeQuery(insertion(db, table, waiting[table]))
    rows += waiting[table].length
    waiting[table] = []
    progress(rows)
  }

  for await (const row of file.rows()) {
    waiting[row.table].push(row)
    counts[row.table]++
    if (waiting[row.table].length === BATCH) await flush(row.table)
  }
  for (const table of tableNames) await flush(table)
  await prepareForReading(db)
  return counts
}

/** By hand: to have a builder put twenty thousand parameters together takes longer than to store them. */
function insertion(db: Database, table: TableName, rows: readonly ImportRow[]): CompiledQuery {
  const names = Object.keys(columns[table])
  const into = `insert into staged_${table} (${names.join(', ')})`
  const valuesOf = ({ row, position }: ImportRow): unknown[] => {
    const values: Readonly<Record<string, unknown>> = { ...row, position }
    return names.map((name) => values[name] ?? null)
  }
  if (isSqlite(db)) {
    const places = `(${names.map(() => '?').join(', ')})`
    return CompiledQuery.raw(`${into} values ${rows.map(() => places).join(', ')}`, rows.flatMap(valuesOf))
  }
  // A list a column: the server parses and plans nine parameters, however many rows they hold.
  const lists = Object.values(columns[table]).map((type, index) => `$${index + 1}::${type}[]`)
  const all = rows.map(valuesOf)
  return CompiledQuery.raw(
    `${into} select * from unnest(${lists.join(', ')})`,
    names.map((_, column) => all.map((values) => values[column])),
  )
}

async function prepareForReading(db: Database): Promise<void> {
  await db.schema.createIndex('staged_integrations_id').on('staged_integrations').column('id').execute()
  await db.schema.createIndex('staged_organizations_id').on('staged_organizations').column('id').execute()
  // No daemon looks at temporary tables: without this PostgreSQL takes them for all but empty.
  if (!isSqlite(db)) for (const table of tableNames) await sql`analyze ${sql.table(`staged_${table}`)}`.execute(db)
}

function isSqlite(db: Database): boolean {
  return db.getExecutor().adapter instanceof SqliteAdapter
}
