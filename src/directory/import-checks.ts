import { sql, type Kysely } from 'kysely'
import { MOST_FAULTS, type RowFault, type TableName } from './import-file.ts'
import type { DirectorySchema } from './schema.ts'

/*
 * What only the database can tell of the rows that wait to be imported: repeated ones, those that contradict each other
 * or what is there already, and names nobody here knows.
 */

type Database = Kysely<DirectorySchema>

/** Rows the file gives more than once: which of them is meant cannot be told. */
export async function repeatedRows(db: Database): Promise<RowFault[]> {
  const last = sql<number | bigint | string>`max(position)`.as('position')
  const again = sql<boolean>`count(*) > 1`
  const integrations = await db
    .selectFrom('staged_integrations')
    .select(['id', last])
    .groupBy('id')
    .having(again)
    .limit(MOST_FAULTS)
    .execute()
  const installations = await db
    .selectFrom('staged_integrations')
    .select(['external_id', last])
    .groupBy(['provider', 'app_id', 'external_id'])
    .having(sql<boolean>`count(distinct id) > 1`)
    .limit(MOST_FAULTS)
    .execute()
  const organizations = await db
    .selectFrom('staged_organizations')
    .select(['id', last])
    .groupBy('id')
    .having(again)
    .limit(MOST_FAULTS)
    .execute()
  const links = await db
    .selectFrom('staged_organization_integrations')
    .select(['integration_id', 'organization_id', last])
    .groupBy(['integration_id', 'organization_id'])
    .having(again)
    .limit(MOST_FAULTS)
    .execute()
  return [
    ...integrations.map((row) => fault('integrations', row, 'id', `${row.id} is in the file more than once`)),
    ...installations.map((row) =>
      fault('integrations', row, 'external_id', `${row.external_id} is in the file more than once for this app`),
    ),
    ...organizations.map((row) => fault('organizations', row, 'id', `${row.id} is in the file more than once`)),
    ...links.map((row) =>
      fault(
        'organization_integrations',
        row,
        'organization_id',
        `${row.organization_id} is linked to integration ${row.integration_id} more than once`,
      ),
    ),
  ]
}

/** Defaults that are neither in the directory nor in the file. */
export async function unknownDefaults(db: Database): Promise<RowFault[]> {
  const rows = await db
    .selectFrom('staged_integrations as staged')
    .leftJoin('organizations', 'organizations.id', 'staged.default_organization_id')
    .leftJoin('staged_organizations as beside', 'beside.id', 'staged.default_organization_id')
    .where('staged.default_organization_id', 'is not', null)
    .where('organizations.id', 'is', null)
    .where('beside.id', 'is', null)
    .select(['staged.default_organization_id', 'staged.position'])
    .orderBy('staged.position')
    .limit(MOST_FAULTS)
    .execute()
  return rows.map((row) =>
    fault(
      'integrations',
      row,
      'default_organization_id',
      `names organization ${row.default_organization_id}, which does not exist`,
    ),
  )
}

/** Workspaces that belong to an integration with another id, which the file leaves as it is. */
export async function takenInstallations(db: Database): Promise<RowFault[]> {
  const rows = await db
    .selectFrom('staged_integrations as staged')
    .innerJoin('integrations as other', (join) =>
      join
        .onRef('other.provider', '=', 'staged.provider')
        .onRef('other.external_id', '=', 'staged.external_id')
        .onRef('other.app_id', '=', 'staged.app_id')
        .onRef('other.id', '!=', 'staged.id'),
    )
    .leftJoin('staged_integrations as renamed', 'renamed.id', 'other.id')
    .where('renamed.id', 'is', null)
    .select(['staged.external_id', 'staged.position', 'other.id as other_id'])
    .orderBy('staged.position')
    .limit(MOST_FAULTS)
    .execute()
  return rows.map((row) =>
    fault('integrations', row, 'external_id', `${row.external_id} belongs to integration ${row.other_id} already`),
  )
}

/** Links of rows that are neither in the directory nor in the file. */
export async function danglingLinks(db: Database): Promise<RowFault[]> {
  const rows = await db
    .selectFrom('staged_organization_integrations as staged')
    .leftJoin('integrations', 'integrations.id', 'staged.integration_id')
    .leftJoin('staged_integrations as integration', 'integration.id', 'staged.integration_id')
    .leftJoin('organizations', 'organizations.id', 'staged.organization_id')
    .leftJoin('staged_organizations as organization', 'organization.id', 'staged.organization_id')
    .select([
      'staged.integration_id',
      'staged.organization_id',
      'staged.position',
      sql<string | null>`coalesce(integrations.id, integration.id)`.as('integration'),
    ])
    .where(
      sql<boolean>`coalesce(integrations.id, integration.id) is null or coalesce(organizations.id, organization.id) is null`,
    )
    .orderBy('staged.position')
    .limit(MOST_FAULTS)
    .execute()
  return rows.map((row) =>
    row.integration === null
      ? fault(
          'organization_integrations',
          row,
          'integration_id',
          `names integration ${row.integration_id}, which does not exist`,
        )
      : fault(
          'organization_integrations',
          row,
          'organization_id',
          `names organization ${row.organization_id}, which does not exist`,
        ),
  )
}

export async function unknownProviders(db: Database, known: ReadonlySet<string>): Promise<RowFault[]> {
  const rows = await db
    .selectFrom('staged_integrations')
    .select(['provider', sql<number>`min(position)`.as('position'), sql<number>`count(*)`.as('integrations')])
    .groupBy('provider')
    .orderBy('position')
    .execute()
  return rows
    .filter(({ provider }) => !known.has(provider))
    .map((row) =>
      fault(
        'integrations',
        row,
        'provider',
        `${row.provider} is no provider of this gateway (integrations: ${row.integrations})`,
      ),
    )
}

export async function unknownRegions(db: Database, known: ReadonlySet<string>): Promise<RowFault[]> {
  const rows = await db
    .selectFrom('staged_organizations')
    .select(['region', sql<number>`min(position)`.as('position'), sql<number>`count(*)`.as('organizations')])
    .groupBy('region')
    .orderBy('position')
    .execute()
  return rows
    .filter(({ region }) => !known.has(region))
    .map((row) =>
      fault(
        'organizations',
        row,
        'region',
        `${row.region} is not in the regions file (organizations: ${row.organizations})`,
      ),
    )
}

function fault(
  table: TableName,
  { position }: { position: number | bigint | string },
  column: string,
  message: string,
): RowFault {
  return { table, position: Number(position), path: [column], message, at: 'value' }
}
