import { sql, SqliteAdapter, type ColumnDataType, type Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import type { Clock } from '../clock.ts'
import { openSqlite } from './sqlite-connections.ts'

/**
 * Brings the tables up to date; processes that start together wait for one another. One set for every database, each
 * step able to run beside the previous release: it adds, and what it replaces goes a release later. Where the next
 * release has been here already, its tables are left as they are.
 * @param more - steps of a release to come
 * @throws when a step fails; none of it is then applied.
 */
export async function migrate<Schema>(
  db: Kysely<Schema>,
  { more = {} }: { more?: Readonly<Record<string, Migration>> } = {},
): Promise<void> {
  const all = { ...migrations, ...more }
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(all) } })
  // Looking needs no lock: a process may start in the middle of another's import. Steps that only others know do not
  // count here, but keep Kysely from running any.
  const isUpToDate = async () => (await migrator.getMigrations()).every(({ executedAt }) => executedAt !== undefined)
  if (await isUpToDate()) return
  const { error } = await migrator.migrateToLatest()
  // The next release may have been the first to get the lock.
  if (error === undefined || (await isUpToDate())) return
  throw new Error(`cannot migrate the database: ${error instanceof Error ? error.message : 'unknown failure'}`, {
    cause: error,
  })
}

/** The same for a file, which is made where it is not there. Waits for others without holding up this process. */
export async function migrateFile(path: string, clock: Clock): Promise<void> {
  const connections = await openSqlite(path, clock)
  try {
    await connections.aside((db) => migrate(db))
  } finally {
    await connections.close()
  }
}

/** The statements that make the tables of a new database: for a thread that would take long to load what migrates. */
export async function newTables(clock: Clock): Promise<string[]> {
  const connections = await openSqlite<{ sqlite_schema: { name: string; sql: string } }>(':memory:', clock)
  try {
    await connections.aside((db) => migrate(db))
    // SQLite makes its own tables and the indexes of constraints by itself.
    const made = connections.lookUps
      .selectFrom('sqlite_schema')
      .select('sql')
      .where(sql<boolean>`name not glob 'sqlite_*'`)
    return (await made.execute()).map(({ sql: statement }) => statement)
  } finally {
    await connections.close()
  }
}

/** Never edited once released: a database remembers them by name and runs them in the order of their names. */
const migrations: Record<string, Migration> = {
  '0001_directory': {
    async up(db) {
      const known = sql`status in ('active', 'disabled')`
      await db.schema
        .createTable('organizations')
        .addColumn('id', 'bigint', (column) => column.notNull().primaryKey())
        .addColumn('slug', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('region', 'text', (column) => column.notNull())
        .addColumn('status', 'text', (column) => column.notNull().check(known))
        .addColumn('epoch', 'bigint', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('integrations')
        .addColumn('id', 'bigint', (column) => column.notNull().primaryKey())
        .addColumn('provider', 'text', (column) => column.notNull())
        .addColumn('app_id', 'text', (column) => column.notNull())
        .addColumn('external_id', 'text', (column) => column.notNull())
        .addColumn('enterprise_id', 'text')
        .addColumn('default_organization_id', 'bigint', (column) =>
          column.references('organizations.id').onDelete('set null'),
        )
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('status', 'text', (column) => column.notNull().check(known))
        // The app comes last: a look-up names the workspace and wants the rows of every app.
        .addUniqueConstraint('integrations_of_an_app', ['provider', 'external_id', 'app_id'])
        .execute()
      await db.schema
        .createTable('organization_integrations')
        .addColumn('integration_id', 'bigint', (column) =>
          column.notNull().references('integrations.id').onDelete('cascade'),
        )
        .addColumn('organization_id', 'bigint', (column) =>
          column.notNull().references('organizations.id').onDelete('cascade'),
        )
        .addColumn('status', 'text', (column) => column.notNull().check(known))
        .addPrimaryKeyConstraint('organization_integrations_key', ['integration_id', 'organization_id'])
        .execute()
      await db.schema
        .createTable('identities')
        .addColumn('integration_id', 'bigint', (column) =>
          column.notNull().references('integrations.id').onDelete('cascade'),
        )
        .addColumn('external_user_id', 'text', (column) => column.notNull())
        .addColumn('user_name', 'text', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('identities_key', ['integration_id', 'external_user_id'])
        .execute()
    },
  },
  '0002_spool': {
    async up(db) {
      const isSqlite = db.getExecutor().adapter instanceof SqliteAdapter
      const bytes: ColumnDataType = isSqlite ? 'blob' : 'bytea'
      // Counted up and never given twice, so that what is late can mean nobody else's row.
      const withId = (table: string) =>
        isSqlite
          ? db.schema.createTable(table).addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
          : db.schema.createTable(table).addColumn('id', 'bigserial', (column) => column.primaryKey())
      // Nothing where it does not apply is 0 or empty, not NULL, so that the unique index holds.
      await withId('mailboxes')
        .addColumn('provider', 'text', (column) => column.notNull())
        .addColumn('integration_id', 'bigint', (column) => column.notNull())
        .addColumn('installation', 'text', (column) => column.notNull())
        .addColumn('region', 'text', (column) => column.notNull())
        .addColumn('paused', 'text')
        .addColumn('owner', 'text')
        .addColumn('fence', 'bigint', (column) => column.notNull().defaultTo(0))
        // Kept with each row that comes and goes: counting a million takes seconds.
        .addColumn('depth', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('bytes', 'bigint', (column) => column.notNull().defaultTo(0))
        .addUniqueConstraint('mailboxes_address', ['integration_id', 'provider', 'installation', 'region'])
        .execute()
      await withId('waiting')
        .addColumn('mailbox_id', 'bigint', (column) => column.notNull().references('mailboxes.id'))
        .addColumn('region', 'text', (column) => column.notNull())
        .addColumn('delivery', 'text', (column) => column.notNull())
        .addColumn('dedup_key', 'text', (column) => column.notNull())
        .addColumn('organizations', 'text', (column) => column.notNull())
        .addColumn('received_at', 'bigint', (column) => column.notNull())
        .addColumn('spooled_at', 'bigint', (column) => column.notNull())
        .addColumn('held_by', 'text')
        .addColumn('attempts', 'bigint', (column) => column.notNull())
        .addColumn('answered_failures', 'bigint', (column) => column.notNull())
        .addColumn('failing_ms', 'bigint', (column) => column.notNull())
        .addColumn('retry_at', 'bigint', (column) => column.notNull())
        .addColumn('size', 'bigint', (column) => column.notNull())
        .addColumn('key_id', 'text')
        .addColumn('payload', bytes, (column) => column.notNull())
        .addUniqueConstraint('waiting_once', ['dedup_key', 'region'])
        .execute()
      // All that a list of mailboxes says of their heads, so that it reads no page with payloads.
      await db.schema
        .createIndex('waiting_heads')
        .on('waiting')
        .columns(['mailbox_id', 'id', 'retry_at', 'spooled_at', 'attempts'])
        .execute()
      await db.schema.createIndex('waiting_since').on('waiting').column('spooled_at').execute()
      await db.schema
        .createIndex('waiting_held')
        .on('waiting')
        .column('held_by')
        .where(sql.ref('held_by'), 'is not', null)
        .execute()
      await withId('dead_letters')
        .addColumn('mailbox_id', 'bigint', (column) => column.notNull().references('mailboxes.id'))
        .addColumn('region', 'text', (column) => column.notNull())
        // The id that it waited under: the order in which they came, where theirs is that in which they died.
        .addColumn('came', 'bigint', (column) => column.notNull())
        .addColumn('delivery', 'text', (column) => column.notNull())
        .addColumn('dedup_key', 'text', (column) => column.notNull())
        .addColumn('organizations', 'text', (column) => column.notNull())
        .addColumn('received_at', 'bigint', (column) => column.notNull())
        .addColumn('died_at', 'bigint', (column) => column.notNull())
        .addColumn('reason', 'text', (column) => column.notNull())
        .addColumn('attempts', 'bigint', (column) => column.notNull())
        .addColumn('size', 'bigint', (column) => column.notNull())
        .addColumn('key_id', 'text')
        .addColumn('payload', bytes, (column) => column.notNull())
        .addUniqueConstraint('dead_letters_once', ['dedup_key', 'region'])
        .execute()
      await db.schema.createIndex('dead_letters_of_mailbox').on('dead_letters').columns(['mailbox_id', 'id']).execute()
      await db.schema.createIndex('dead_letters_since').on('dead_letters').column('died_at').execute()
      await db.schema
        .createTable('instances')
        .addColumn('id', 'text', (column) => column.notNull().primaryKey())
        // On the clock that began when the machine did.
        .addColumn('lease_until', 'bigint', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('owed_answers')
        .addColumn('delivery', 'text', (column) => column.notNull().primaryKey())
        .addColumn('provider', 'text', (column) => column.notNull())
        .addColumn('integration_id', 'bigint', (column) => column.notNull())
        .addColumn('received_at', 'bigint', (column) => column.notNull())
        .addColumn('owner', 'text')
        .addColumn('state', 'text', (column) => column.notNull().check(sql`state in ('waiting', 'ready', 'posting')`))
        .addColumn('posts', 'bigint', (column) => column.notNull())
        .addColumn('request_key_id', 'text')
        .addColumn('request', bytes, (column) => column.notNull())
        .addColumn('message_key_id', 'text')
        .addColumn('message', bytes)
        .execute()
      await db.schema
        .createTable('spool_usage')
        .addColumn('region', 'text', (column) => column.notNull().primaryKey())
        .addColumn('bytes', 'bigint', (column) => column.notNull())
        .execute()
    },
  },
  '0003_fleet': {
    async up(db) {
      const isSqlite = db.getExecutor().adapter instanceof SqliteAdapter
      const versioned = ['integrations', 'organizations', 'organization_integrations']
      // Rows that the previous release writes keep the version they had: whoever compares it sees no change of theirs.
      for (const table of versioned) {
        await db.schema
          .alterTable(table)
          .addColumn('version', 'bigint', (column) => column.notNull().defaultTo(0))
          .execute()
      }
      await db.schema
        .alterTable('organizations')
        .addColumn('held', 'bigint', (column) => column.notNull().defaultTo(0))
        .execute()
      // What a look-up by organization, or a list of one, would read whole tables for.
      await db.schema
        .createIndex('organization_integrations_of')
        .on('organization_integrations')
        .columns(['organization_id', 'integration_id'])
        .execute()
      await db.schema.createIndex('organizations_slug').on('organizations').columns(['slug', 'id']).execute()
      await db.schema.createIndex('organizations_region').on('organizations').columns(['region', 'id']).execute()
      await sql`create index organizations_held on organizations (id) where held = 1`.execute(db)
      await db.schema.createIndex('integrations_external').on('integrations').columns(['external_id', 'id']).execute()
      for (const column of ['enterprise_id', 'default_organization_id']) {
        await db.schema
          .createIndex(`integrations_${column}`)
          .on('integrations')
          .columns([column, 'id'])
          .where(sql.ref(column), 'is not', null)
          .execute()
      }
      const whose = ['integration_id', 'external_user_id']
      await db.schema
        .createIndex('identities_user')
        .on('identities')
        .columns(['user_name', ...whose])
        .execute()
      await db.schema.createIndex('identities_external').on('identities').columns(whose.toReversed()).execute()

      // One row: counted up by each change, in its transaction, so that changes have an order.
      await db.schema
        .createTable('directory_state')
        .addColumn('id', 'bigint', (column) => column.notNull().primaryKey())
        .addColumn('version', 'bigint', (column) => column.notNull())
        .execute()
      await sql`insert into directory_state (id, version) values (1, 0)`.execute(db)

      await db.schema
        .createTable('steering')
        .addColumn('name', 'text', (column) => column.notNull().primaryKey())
        .addColumn('version', 'bigint', (column) => column.notNull())
        .addColumn('value', 'text', (column) => column.notNull())
        .execute()

      const auditId = db.schema.createTable('audit')
      await (
        isSqlite
          ? auditId.addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
          : auditId.addColumn('id', 'bigserial', (column) => column.primaryKey())
      )
        .addColumn('at', 'bigint', (column) => column.notNull())
        .addColumn('author', 'text', (column) => column.notNull())
        .addColumn('action', 'text', (column) => column.notNull())
        .addColumn('subject', 'text', (column) => column.notNull())
        .addColumn('details', 'text', (column) => column.notNull())
        .execute()

      await db.schema
        .createTable('secret_uses')
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('fingerprint', 'text', (column) => column.notNull())
        .addColumn('last_used_at', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('secret_uses_key', ['name', 'fingerprint'])
        .execute()

      // Where among the others a row stands that has come from another mailbox; the id, where it has not moved.
      await db.schema.alterTable('waiting').addColumn('place', 'bigint').execute()
      await sql`create index waiting_order on waiting
        (mailbox_id, coalesce(place, id), id, retry_at, spooled_at, attempts)`.execute(db)
      // The order in which dead letters are replayed, some at a time.
      await db.schema.createIndex('dead_letters_came').on('dead_letters').columns(['came', 'id']).execute()
    },
  },
  '0004_former_homes': {
    async up(db) {
      await db.schema
        .alterTable('organizations')
        // Separated by blanks, which no region's name has: SQL alone can add one.
        .addColumn('former_regions', 'text', (column) => column.notNull().defaultTo(''))
        .execute()
      await db.schema.alterTable('organizations').addColumn('moved_at', 'bigint').execute()
    },
  },
  '0005_delivery_records': {
    async up(db) {
      const isSqlite = db.getExecutor().adapter instanceof SqliteAdapter
      const bytes: ColumnDataType = isSqlite ? 'blob' : 'bytea'
      // Compared by their letters alone, whatever language the database speaks: ids, which begin with their time.
      const id = isSqlite ? sql`text` : sql`text collate "C"`
      await db.schema
        .createTable('delivery_blocks')
        .addColumn('block', id, (column) => column.notNull().primaryKey())
        .addColumn('first', id, (column) => column.notNull())
        .addColumn('last', id, (column) => column.notNull())
        .addColumn('sealed', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('size', 'bigint', (column) => column.notNull())
        .addColumn('words', bytes, (column) => column.notNull())
        .addColumn('body', bytes, (column) => column.notNull())
        .execute()
      await db.schema
        .createIndex('delivery_blocks_span')
        .on('delivery_blocks')
        .columns(['last', 'block', 'first'])
        .execute()
      // It is compressed already.
      if (!isSqlite) await sql`alter table delivery_blocks alter column body set storage external`.execute(db)
      // What has become of a webhook since it was answered, told by whichever gateway it became of.
      await db.schema
        .createTable('delivery_notes')
        .addColumn('delivery', id, (column) => column.notNull())
        .addColumn('at', 'bigint', (column) => column.notNull())
        .addColumn('size', 'bigint', (column) => column.notNull())
        .addColumn('note', 'text', (column) => column.notNull())
        .execute()
      await db.schema.createIndex('delivery_notes_of').on('delivery_notes').columns(['delivery', 'at']).execute()
      await db.schema
        .createTable('delivery_usage')
        .addColumn('id', 'bigint', (column) => column.notNull().primaryKey())
        .addColumn('bytes', 'bigint', (column) => column.notNull())
        .execute()
      await sql`insert into delivery_usage (id, bytes) values (1, 0)`.execute(db)
    },
  },
  '0006_who_waits': {
    async up(db) {
      const isSqlite = db.getExecutor().adapter instanceof SqliteAdapter
      // An index of PostgreSQL takes no long text, and there may be thousands of organizations in one.
      const who = isSqlite ? sql`organizations` : sql`hashtextextended(organizations, 0)`
      await sql`create index waiting_for on waiting (mailbox_id, ${who}, coalesce(place, id), id)`.execute(db)
      // Since 0003 another one serves all that this one did.
      await db.schema.dropIndex('waiting_heads').execute()
    },
  },
  '0007_asked_to_wait': {
    async up(db) {
      // 1: the region has asked for the wait until `retry_at`.
      await db.schema
        .alterTable('waiting')
        .addColumn('asked', 'bigint', (column) => column.notNull().defaultTo(0))
        .execute()
    },
  },
}
