import type { Selectable } from 'kysely'
import type { Integration, Organization } from './directory.ts'
import type { Link, Versioned } from './edit.ts'
import type { Identity } from './identities.ts'
import type { DirectorySchema } from './schema.ts'

/* How rows of the database read: its integers come as bigint from one driver and as text from another. */

type RowOf<Table extends keyof DirectorySchema> = Selectable<DirectorySchema[Table]>

export function integrationFrom(row: RowOf<'integrations'>): Versioned<Integration> {
  return {
    id: String(row.id),
    provider: row.provider,
    appId: row.app_id,
    externalId: row.external_id,
    enterpriseId: row.enterprise_id ?? undefined,
    defaultOrganizationId: row.default_organization_id === null ? undefined : String(row.default_organization_id),
    name: row.name,
    status: row.status,
    version: Number(row.version),
  }
}

export function organizationFrom(row: RowOf<'organizations'>): Versioned<Organization> {
  return {
    id: String(row.id),
    slug: row.slug,
    name: row.name,
    region: row.region,
    status: row.status,
    epoch: Number(row.epoch),
    held: Number(row.held) === 1,
    version: Number(row.version),
  }
}

export function linkFrom(row: RowOf<'organization_integrations'>): Versioned<Link> {
  return {
    integrationId: String(row.integration_id),
    organizationId: String(row.organization_id),
    status: row.status,
    version: Number(row.version),
  }
}

export function identityFrom(row: RowOf<'identities'>): Identity {
  return { integrationId: String(row.integration_id), externalUserId: row.external_user_id, user: row.user_name }
}
