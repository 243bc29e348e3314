import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { ImportCounts } from './import-staging.ts'
import { regionsLeft } from './former-homes.ts'
import type { TableName } from './import-file.ts'
import type { DirectorySchema } from './schema.ts'

/*
 * From the temporary tables into the directory. What becomes of each row is settled first, which takes no lock; what is
 * then locked is changed where it really differs, and nowhere else.
 */

type Database = Kysely<DirectorySchema>

/** What becomes of a row that waits: it is new, it changes the one of the same id, or that one is the same already. */
const FATE = { new: 0, changes: 1, same: 2 } as const

interface Column {
  /** Its value where a row of the same id is `live`, and where none is. */
  readonly next: RawBuilder<unknown>
  readonly first: RawBuilder<unknown>
}

interface Table {
  readonly name: TableName
  readonly key: readonly string[]
  readonly columns: Readonly<Record<string, Column>>
}

const asGiven = (...names: string[]): Record<string, Column> =>
  Object.fromEntries(names.map((name) => [name, { next: staged(name), first: staged(name) }]))

const staged = (name: string) => sql.ref(`staged.${name}`)
const moved = sql`live.epoch + case when live.region = staged.region then 0 else 1 end`

/** What is referred to comes before what refers to it. */
const tables: readonly Table[] = [
  {
    name: 'organizations',
    key: ['id'],
    columns: {
      ...asGiven('slug', 'name', 'region', 'status'),
      // An exported epoch is kept where it is ahead; it never goes back.
      epoch: {
        next: sql`case when staged.epoch > ${moved} then staged.epoch else ${moved} end`,
        first: sql`staged.epoch`,
      },
      // A hold ends when somebody ends it, not because a file is silent about it.
      held: { next: sql`coalesce(staged.held, live.held)`, first: sql`coalesce(staged.held, 0)` },
    },
  },
  {
    name: 'integrations',
    key: ['id'],
    columns: asGiven('provider', 'app_id', 'external_id', 'enterprise_id', 'default_organization_id', 'name', 'status'),
  },
  { name: 'organization_integrations', key: ['integration_id', 'organization_id'], columns: asGiven('status') },
]

const sameKey = ({ key }: Table) =>
  sql.join(
    key.map((name) => sql`${sql.ref(`live.${name}`)} = ${staged(name)}`),
    sql` and `,
  )

/** Settles what becomes of every row, by the directory as it is now. */
export async function settleFates(db: Database): Promise<void> {
  for (const table of tables) {
    const names = Object.keys(table.columns)
    const are = sql.join(names.map((name) => sql.ref(`live.${name}`)))
    const willBe = sql.join(Object.values(table.columns).map(({ next }) => next))
    await sql`update ${sql.table(`staged_${table.name}`)} as staged
      set fate = case when (${are}) is not distinct from (${willBe}) then ${sql.lit(FATE.same)}
        else ${sql.lit(FATE.changes)} end
      from ${sql.table(table.name)} as live where ${sameKey(table)}`.execute(db)
  }
}

/** Forgets what was settled: the directory has changed since. */
export async function unsettleFates(db: Database): Promise<void> {
  for (const { name } of tables) {
    await sql`update ${sql.table(`staged_${name}`)} set fate = ${sql.lit(FATE.new)}
      where fate <> ${sql.lit(FATE.new)}`.execute(db)
  }
}

/**
 * Carries the rows out, now (unix milliseconds), and gives those that are new or change the version. Returns how many
 * those are.
 */
export async function apply(db: Database, { version, at }: { version: number; at: number }): Promise<ImportCounts> {
  const counts: ImportCounts = { integrations: 0, organizations: 0, organization_integrations: 0 }
  await parkRenamed(db)
  await rememberHomes(db, at)
  for (const table of tables) {
    counts[table.name] = Number((await change(db, table, version)) + (await insert(db, table, version)))
  }
  return counts
}

/**
 * Takes integrations that the file gives another installation out of the way, so that two may swap theirs. No app has
 * a blank in its id.
 */
async function parkRenamed(db: Database): Promise<void> {
  await sql`update integrations as live set app_id = 'moving ' || live.id
    from staged_integrations as staged
    where staged.id = live.id and staged.fate = ${sql.lit(FATE.changes)}
      and (staged.provider, staged.app_id, staged.external_id) is distinct from
        (live.provider, live.app_id, live.external_id)`.execute(db)
}

/** Writes down from where organizations move: what waits there is to follow. A file releases none. */
async function rememberHomes(db: Database, at: number): Promise<void> {
  await sql`update organizations as live set former_regions = ${regionsLeft('live')}, moved_at = ${sql.lit(at)}
    from staged_organizations as staged
    where staged.id = live.id and staged.fate = ${sql.lit(FATE.changes)} and staged.region <> live.region`.execute(db)
}

async function change(db: Database, table: Table, version: number): Promise<bigint> {
  const values = Object.entries(table.columns).map(([name, { next }]) => sql`${sql.ref(name)} = ${next}`)
  const { numAffectedRows = 0n } = await sql`update ${sql.table(table.name)} as live
    set ${sql.join(values)}, version = ${sql.lit(version)}
    from ${sql.table(`staged_${table.name}`)} as staged
    where ${sameKey(table)} and staged.fate = ${sql.lit(FATE.changes)}`.execute(db)
  return numAffectedRows
}

async function insert(db: Database, table: Table, version: number): Promise<bigint> {
  const names = [...table.key, ...Object.keys(table.columns)].map((name) => sql.ref(name))
  const values = [...table.key.map(staged), ...Object.values(table.columns).map(({ first }) => first)]
  const { numAffectedRows = 0n } = await sql`insert into ${sql.table(table.name)} (${sql.join(names)}, version)
    select ${sql.join(values)}, ${sql.lit(version)} from ${sql.table(`staged_${table.name}`)} as staged
    where staged.fate = ${sql.lit(FATE.new)}`.execute(db)
  return numAffectedRows
}
