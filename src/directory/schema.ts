import type { ColumnType } from 'kysely'
import type { AuditSchema } from '../audit/audit.ts'
import type { Status } from './directory.ts'

/** 64 bits: node:sqlite hands them out as bigint, pg as text, and both take a bigint. */
type Bigint = ColumnType<bigint | string, bigint, bigint>
type OptionalBigint = ColumnType<bigint | string | null, bigint | null, bigint | null>

/** What the directory's version was when the row was last changed. */
type Version = ColumnType<bigint | string, bigint | undefined, bigint>

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
  version: Version
}

interface OrganizationTable {
  id: Bigint
  slug: string
  name: string
  region: string
  status: Status
  epoch: Bigint
  /** 1: nothing is sent for it, what comes for it waits. */
  held: ColumnType<bigint | string, bigint | undefined, bigint>
  version: Version
  /** Regions that it has left and may still have something in, separated by blanks; may name where it lives. */
  former_regions: ColumnType<string, string | undefined, string>
  /** Unix milliseconds: when it last moved or was released; NULL: nothing is left behind. */
  moved_at: ColumnType<bigint | string | null, bigint | undefined, bigint | null>
}

interface LinkTable {
  integration_id: Bigint
  organization_id: Bigint
  status: Status
  version: Version
}

interface IdentityTable {
  integration_id: Bigint
  external_user_id: string
  user_name: string
  /** Unix milliseconds. */
  created_at: Bigint
}

/** What an import file holds before it is checked; `position` is where in the file a row stands. */
type Staged<Table> = Omit<Table, 'version' | 'former_regions' | 'moved_at'> & {
  position: ColumnType<number | bigint | string, number, never>
}

/** One row, `id` 1. */
interface StateTable {
  id: Bigint
  /** Counted up by each change, in its transaction. */
  version: Bigint
}

export interface DirectorySchema extends AuditSchema {
  directory_state: StateTable
  integrations: IntegrationTable
  organizations: OrganizationTable
  organization_integrations: LinkTable
  identities: IdentityTable
  staged_integrations: Staged<IntegrationTable>
  staged_organizations: Staged<OrganizationTable>
  staged_organization_integrations: Staged<LinkTable>
}
