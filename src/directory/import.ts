import { basename } from 'node:path'
import type { Kysely } from 'kysely'
import { recordAudit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import type { DirectoryChange } from './change.ts'
import { apply, settleFates, unsettleFates } from './import-apply.ts'
import {
  danglingLinks,
  repeatedRows,
  takenInstallations,
  unknownDefaults,
  unknownProviders,
  unknownRegions,
} from './import-checks.ts'
import { ImportRefused, MOST_FAULTS, openImportFile, type ImportFile, type RowFault } from './import-file.ts'
import { createStaging, dropStaging, stage, type ImportCounts } from './import-staging.ts'
import type { DirectorySchema } from './schema.ts'
import { countBack, countUp } from './version.ts'

export interface ImportProgress {
  /** The file is read, then held against the directory, then put into it. */
  readonly step: 'read' | 'check' | 'apply'
  readonly rows: number
  readonly bytesRead: number
  readonly bytesTotal: number
}

export interface ImportOptions {
  /** Who imports, for the audit, such as `directory import by ada`. */
  readonly author: string
  /** The regions of `regions.yaml`; others are imported all the same, each with a warning. Without it none is checked. */
  readonly knownRegions?: ReadonlySet<string>
  /** The same for providers: a misspelt one is imported, and no webhook ever finds it. */
  readonly knownProviders?: ReadonlySet<string>
  readonly onProgress?: (progress: ImportProgress) => void
  /** One line, with file and line. */
  readonly onWarning?: (warning: string) => void
}

export interface Imported {
  /** Rows in the file, by table. */
  readonly counts: ImportCounts
  /** Undefined where every row was there already, as it is. */
  readonly change: DirectoryChange | undefined
}

/**
 * Puts a file's rows into the directory, replacing those of the same id; rows the file does not name stay. An
 * organization whose region changes has moved: its epoch goes up by one. All of the file is imported, or nothing.
 *
 * The rows wait in temporary tables while the file is read and checked, so memory stays flat. Only then are others'
 * changes kept out (with SQLite: all writes), for as long as it takes to store what really differs.
 * @throws ImportRefused with every fault's file and line.
 */
export async function importFile(
  db: Kysely<DirectorySchema>,
  path: string,
  { clock, author, knownRegions, knownProviders, onProgress, onWarning }: ImportOptions & { readonly clock: Clock },
): Promise<Imported> {
  const file = await openImportFile(path)
  const { bytesTotal } = file
  return db.connection().execute(async (connection) => {
    try {
      await createStaging(connection)
      let rows = 0
      const progress = (step: ImportProgress['step']) =>
        onProgress?.({ step, rows, bytesRead: file.bytesRead(), bytesTotal })
      const counts = await stage(connection, file, (read) => {
        rows = read
        progress('read')
      })

      progress('check')
      await refuse(file, await repeatedRows(connection))
      const warnings = [
        ...(knownProviders === undefined ? [] : await unknownProviders(connection, knownProviders)),
        ...(knownRegions === undefined ? [] : await unknownRegions(connection, knownRegions)),
      ]
      const checkedAt = await versionOf(connection)
      await settle(connection, file)

      const change = await connection.transaction().execute(async (trx) => {
        const version = await countUp(trx)
        progress('apply')
        if (version !== checkedAt + 1) {
          await unsettleFates(trx)
          await settle(trx, file)
        }
        const at = clock.now()
        const changed = await apply(trx, { version, at })
        const details = { file: basename(path), rows: counts, changed }
        await recordAudit(trx, { at, author, action: 'directory.import', subject: 'directory', details })
        const isNew = Object.values(changed).some((count) => count > 0)
        // What has not changed has no new version: nobody needs to ask again for it.
        if (!isNew) await countBack(trx)
        return isNew ? ({ version, what: { kind: 'all' } } as const) : undefined
      })
      for (const warning of file.render(warnings)) onWarning?.(warning)
      return { counts, change }
    } finally {
      // Where the connection has failed, it has taken them with it, and why it failed is what is to be told.
      await dropStaging(connection).catch(() => {})
    }
  })
}

/** Holds the rows against the directory: faults that only it can see, and what becomes of each row. */
async function settle(db: Kysely<DirectorySchema>, file: ImportFile): Promise<void> {
  await refuse(file, await unknownDefaults(db))
  await refuse(file, await takenInstallations(db))
  await refuse(file, await danglingLinks(db))
  await settleFates(db)
}

async function refuse(file: ImportFile, faults: readonly RowFault[]): Promise<void> {
  if (faults.length > 0) throw new ImportRefused(file.render(faults.slice(0, MOST_FAULTS)))
}

async function versionOf(db: Kysely<DirectorySchema>): Promise<number> {
  const { version } = await db.selectFrom('directory_state').select('version').executeTakeFirstOrThrow()
  return Number(version)
}
