import { sql, type Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'

/**
 * Brings the tables up to date; processes that start together wait for one another. One set for every database, each
 * step able to run beside the previous release: it adds, and what it replaces goes a release later.
 * @throws when a step fails; none of it is then applied.
 */
export async function migrate<Schema>(db: Kysely<Schema>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } })
  // Looking needs no lock: a process may start in the middle of another's import.
  const known = await migrator.getMigrations()
  if (known.every(({ executedAt }) => executedAt !== undefined)) return
  const { error } = await migrator.migrateToLatest()
  if (error !== undefined) {
    throw new Error(`cannot migrate the database: ${error instanceof Error ? error.message : 'unknown failure'}`, {
      cause: error,
    })
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
}
