import type { ColumnType } from 'kysely'
import type { Status } from './directory.ts'

/** 64 bits: node:sqlite hands them out as bigint, pg as text, and both take a bigint. */
type Bigint = ColumnType<bigint | string, bigint, bigint>
type OptionalBigint = ColumnType<bigint | string | null, bigint | null, bigint | null>

interface IntegrationTable {
  id: Bigint
  provider: string
  /** Empty: serves every app. Not NULL, so that the unique index holds for it too. */
  app_id: string
  external_id: string
  enterprise_id: string | null
  default_organization_id: OptionalBigint
  name: string
  status: Status
}

interface OrganizationTable {
  id: Bigint
  slug: string
  name: string
  region: string
  status: Status
  epoch: Bigint
}

interface LinkTable {
  integration_id: Bigint
  organization_id: Bigint
  status: Status
}

interface IdentityTable {
  integration_id: Bigint
  external_user_id: string
  user_name: string
  /** Unix milliseconds. */
  created_at: Bigint
}

/** What an import file holds before it is checked; `position` is where in the file a row stands. */
type Staged<Table> = Table & { position: ColumnType<number | bigint | string, number, never> }

export interface DirectorySchema {
  integrations: IntegrationTable
  organizations: OrganizationTable
  organization_integrations: LinkTable
  identities: IdentityTable
  staged_integrations: Staged<IntegrationTable>
  staged_organizations: Staged<OrganizationTable>
  staged_organization_integrations: Staged<LinkTable>
}
