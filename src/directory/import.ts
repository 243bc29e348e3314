import { sql, type Insertable, type Kysely } from 'kysely'
import {
  danglingLinks,
  repeatedRows,
  takenInstallations,
  unknownDefaults,
  unknownProviders,
  unknownRegions,
} from './import-checks.ts'
import {
  ImportRefused,
  MOST_FAULTS,
  openImportFile,
  type ImportFile,
  type RowFault,
  type TableName,
} from './import-file.ts'
import type { DirectorySchema } from './schema.ts'

/** Rows in one statement: 500 of the widest are 4,500 parameters, and SQLite takes 32,766. */
const BATCH = 500

export interface ImportProgress {
  readonly rows: number
  readonly bytesRead: number
  readonly bytesTotal: number
}

export interface ImportOptions {
  /** The regions of `regions.yaml`; others are imported all the same, each with a warning. Without it none is checked. */
  readonly knownRegions?: ReadonlySet<string>
  /** The same for providers: a misspelt one is imported, and no webhook ever finds it. */
  readonly knownProviders?: ReadonlySet<string>
  readonly onProgress?: (progress: ImportProgress) => void
  /** One line, with file and line. */
  readonly onWarning?: (warning: string) => void
}

/** Rows in the file, by table. */
export type ImportCounts = Record<TableName, number>

/**
 * Puts a file's rows into the directory, replacing those of the same id; rows the file does not name stay. An
 * organization whose region changes has moved: its epoch goes up by one. All of the file is imported, or nothing.
 *
 * The rows wait in temporary tables while the file is read, so memory stays flat and nobody else waits for the
 * write lock until the whole file is known to be well formed.
 * @throws ImportRefused with every fault's file and line.
 */
export async function importFile(
  db: Kysely<DirectorySchema>,
  path: string,
  { knownRegions, knownProviders, onProgress, onWarning }: ImportOptions,
): Promise<ImportCounts> {
  const file = await openImportFile(path)
  return db.connection().execute(async (connection) => {
    try {
      await createStaging(connection)
      const { bytesTotal } = file
      const counts = await stage(connection, file, (rows) =>
        onProgress?.({ rows, bytesRead: file.bytesRead(), bytesTotal }),
      )
      const refuse = refuser(file)
      await connection.transaction().execute(async (trx) => {
        await refuse(repeatedRows(trx))
        await apply(trx, refuse)
      })
      const unknown = [
        ...(knownProviders === undefined ? [] : await unknownProviders(connection, knownProviders)),
        ...(knownRegions === undefined ? [] : await unknownRegions(connection, knownRegions)),
      ]
      for (const warning of file.render(unknown)) onWarning?.(warning)
      return counts
    } finally {
      await dropStaging(connection)
    }
  })
}

function refuser(file: ImportFile) {
  return async (found: Promise<readonly RowFault[]>): Promise<void> => {
    const faults = await found
    if (faults.length > 0) throw new ImportRefused(file.render(faults.slice(0, MOST_FAULTS)))
  }
}

type Database = Kysely<DirectorySchema>

const staging = [
  ['staged_integrations', 'integrations'],
  ['staged_organizations', 'organizations'],
  ['staged_organization_integrations', 'organization_integrations'],
] as const

async function createStaging(db: Database): Promise<void> {
  for (const [staged, table] of staging) {
    const columns = db
      .selectFrom(table)
      .selectAll()
      .select(sql<number>`0`.as('position'))
      .where(sql<boolean>`1 = 0`)
    await db.schema.createTable(staged).temporary().as(columns).execute()
  }
  await db.schema.createIndex('staged_integrations_id').on('staged_integrations').column('id').execute()
}

async function dropStaging(db: Database): Promise<void> {
  for (const [staged] of staging) await db.schema.dropTable(staged).ifExists().execute()
}

async function stage(db: Database, file: ImportFile, progress: (rows: number) => void): Promise<ImportCounts> {
  const counts: ImportCounts = { integrations: 0, organizations: 0, organization_integrations: 0 }
  const integrations: Insertable<DirectorySchema['staged_integrations']>[] = []
  const organizations: Insertable<DirectorySchema['staged_organizations']>[] = []
  const links: Insertable<DirectorySchema['staged_organization_integrations']>[] = []

  async function flush(): Promise<void> {
    if (integrations.length > 0) await db.insertInto('staged_integrations').values(integrations).execute()
    if (organizations.length > 0) await db.insertInto('staged_organizations').values(organizations).execute()
    if (links.length > 0) await db.insertInto('staged_organization_integrations').values(links).execute()
    integrations.length = 0
    organizations.length = 0
    links.length = 0
    progress(rows)
  }

  let rows = 0
  for await (const { table, position, row } of file.rows()) {
    if (table === 'integrations') integrations.push({ ...row, position })
    else if (table === 'organizations') organizations.push({ ...row, position })
    else links.push({ ...row, position })
    counts[table]++
    rows++
    if (rows % BATCH === 0) await flush()
  }
  await flush()
  return counts
}

/** The order matters: what is referred to is there before what refers to it, and is checked in between. */
async function apply(db: Database, refuse: (found: Promise<readonly RowFault[]>) => Promise<void>): Promise<void> {
  await applyOrganizations(db)
  await refuse(unknownDefaults(db))
  await parkRenamed(db)
  await refuse(takenInstallations(db))
  await applyIntegrations(db)
  await refuse(danglingLinks(db))
  await applyLinks(db)
}

/** SQLite reads `on` after a bare `select … from` as the start of a join: a `where` keeps the two apart. */
const all = sql<boolean>`1 = 1`

async function applyOrganizations(db: Database): Promise<void> {
  const columns = ['id', 'slug', 'name', 'region', 'status', 'epoch'] as const
  const next = sql<bigint>`organizations.epoch + case when organizations.region = excluded.region then 0 else 1 end`
  await db
    .insertInto('organizations')
    .columns(columns)
    .expression((from) => from.selectFrom('staged_organizations').select(columns).where(all))
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet((set) => ({
        slug: set.ref('excluded.slug'),
        name: set.ref('excluded.name'),
        region: set.ref('excluded.region'),
        status: set.ref('excluded.status'),
        // An exported epoch is kept where it is ahead; it never goes back.
        epoch: sql<bigint>`case when excluded.epoch > ${next} then excluded.epoch else ${next} end`,
      })),
    )
    .execute()
}

/**
 * Takes integrations that the file gives another installation out of the way, so that two may swap theirs. No app has
 * a blank in its id.
 */
async function parkRenamed(db: Database): Promise<void> {
  await db
    .updateTable('integrations')
    .set({ app_id: sql<string>`'moving ' || id` })
    .where((integration) =>
      integration.exists(
        integration
          .selectFrom('staged_integrations as staged')
          .select('staged.id')
          .whereRef('staged.id', '=', 'integrations.id')
          .where((staged) =>
            staged.or([
              staged('staged.provider', '!=', staged.ref('integrations.provider')),
              staged('staged.app_id', '!=', staged.ref('integrations.app_id')),
              staged('staged.external_id', '!=', staged.ref('integrations.external_id')),
            ]),
          ),
      ),
    )
    .execute()
}

async function applyIntegrations(db: Database): Promise<void> {
  const columns = [
    'id',
    'provider',
    'app_id',
    'external_id',
    'enterprise_id',
    'default_organization_id',
    'name',
    'status',
  ] as const
  await db
    .insertInto('integrations')
    .columns(columns)
    .expression((from) => from.selectFrom('staged_integrations').select(columns).where(all))
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet((set) => ({
        provider: set.ref('excluded.provider'),
        app_id: set.ref('excluded.app_id'),
        external_id: set.ref('excluded.external_id'),
        enterprise_id: set.ref('excluded.enterprise_id'),
        default_organization_id: set.ref('excluded.default_organization_id'),
        name: set.ref('excluded.name'),
        status: set.ref('excluded.status'),
      })),
    )
    .execute()
}

async function applyLinks(db: Database): Promise<void> {
  const columns = ['integration_id', 'organization_id', 'status'] as const
  await db
    .insertInto('organization_integrations')
    .columns(columns)
    .expression((from) => from.selectFrom('staged_organization_integrations').select(columns).where(all))
    .onConflict((conflict) =>
      conflict
        .columns(['integration_id', 'organization_id'])
        .doUpdateSet((set) => ({ status: set.ref('excluded.status') })),
    )
    .execute()
}
