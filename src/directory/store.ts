import { sql } from 'kysely'
import { createAuditLog, type AuditLog } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import type { Connections } from '../database/connections.ts'
import { readDatabaseId } from '../database/database-id.ts'
import { migrate } from '../database/migrations.ts'
import type { PostgresDatabase } from '../database/postgres.ts'
import { openSqlite } from '../database/sqlite-connections.ts'
import type { DirectoryEditor } from './edit.ts'
import { createDirectoryEditor } from './editor.ts'
import { exportDirectory } from './export.ts'
import { createInstallationFinder, type InstallationFinder } from './find-installation.ts'
import type { IdentityStore } from './identities.ts'
import { createIdentityStore } from './identity-store.ts'
import { importFile, type Imported, type ImportOptions } from './import.ts'
import { createFileWriter } from '../records/file-writer.ts'
import { createRecordStore, type RecordStore } from '../records/record-store.ts'
import { createSecretUseStore, type SecretUseStore } from '../secrets/secret-use-store.ts'
import { createSteeringStore, type SteeringStore } from '../steering/steering-store.ts'
import type { DirectorySchema } from './schema.ts'

/** Which database holds the directory, as `DATABASE_URL` says. The path `:memory:` is one of this process alone. */
export type Database = { readonly kind: 'sqlite'; readonly path: string } | PostgresDatabase

/** Who lives where, as the database has it. Every method rejects when the database cannot be asked. */
export interface DirectoryStore extends InstallationFinder {
  /** Resolves when the database answers and has its tables. */
  ping(): Promise<void>
  readonly identities: IdentityStore
  /** What it changes nobody hears of: those who remember something are told through `announced`. */
  readonly editor: DirectoryEditor
  /** Kept in the same database, and asked over the same connections. */
  readonly steering: SteeringStore
  readonly secretUses: SecretUseStore
  readonly audit: AuditLog
  readonly records: RecordStore
  /** What its last change has counted up to. */
  version(): Promise<number>
  /** What tells this database from every other one. */
  databaseId(): Promise<string>
  /** Imports a file, all of it or nothing. Rejects with `ImportRefused`: a line a fault, with file and line. */
  importFile(path: string, options: ImportOptions): Promise<Imported>
  /** Writes everything as an import file; `to` is left open. */
  exportTo(to: NodeJS.WritableStream, format?: 'json' | 'ndjson'): Promise<void>
  close(): Promise<void>
}

/**
 * Opens the directory and brings its tables up to date.
 * @throws an error that names the database when it cannot be opened or migrated.
 */
export async function openDirectory(database: Database, { clock }: { clock: Clock }): Promise<DirectoryStore> {
  const connections: Connections<DirectorySchema> =
    database.kind === 'sqlite'
      ? await openSqlite(database.path, clock)
      : await (await import('../database/postgres-connections.ts')).openPostgres(database)
  try {
    await connections.aside((db) => migrate(db))
  } catch (error) {
    await connections.close()
    throw error
  }
  const writer =
    database.kind === 'sqlite' && database.path !== ':memory:' ? createFileWriter(database.path) : undefined
  return {
    ...createInstallationFinder(connections.lookUps),
    async ping() {
      await sql`select 1 from integrations limit 1`.execute(connections.lookUps)
    },
    identities: createIdentityStore(connections, clock),
    editor: createDirectoryEditor(connections, clock),
    steering: createSteeringStore(connections, { clock }),
    secretUses: createSecretUseStore(connections),
    audit: createAuditLog(connections, { clock }),
    records: createRecordStore(connections, writer),
    async version() {
      const state = connections.lookUps.selectFrom('directory_state').select('version')
      return Number((await state.executeTakeFirstOrThrow()).version)
    },
    databaseId: () => readDatabaseId(connections),
    importFile: (path, options) => connections.aside((db) => importFile(db, path, { clock, ...options })),
    exportTo: (to, format) => connections.aside((db) => exportDirectory(db, to, format)),
    async close() {
      await writer?.close()
      await connections.close()
    },
  }
}
