import type { DirectoryChange } from './change.ts'
import type { Id, Integration, Organization, Status } from './directory.ts'
import type { Identity } from './identities.ts'

/** An integration's link to an organization. */
export interface Link {
  readonly integrationId: Id
  readonly organizationId: Id
  readonly status: Status
}

/** A row with the version of the directory in which it was last changed: its entity tag (RFC 9110, section 8.8.3). */
export type Versioned<Row> = Row & { readonly version: number }

/** What must hold for a write to be carried out: If-Match, or If-None-Match with `*` (RFC 9110, section 13.1). */
export type Precondition =
  | { readonly kind: 'none' }
  | { readonly kind: 'version'; readonly is: number }
  | { readonly kind: 'exists' }
  | { readonly kind: 'absent' }

export type Written<Row> =
  /** `before`: the row as it was, where there was one. The same again is no change: `change` is undefined. */
  | {
      readonly kind: 'written'
      readonly row: Versioned<Row>
      readonly before: Versioned<Row> | undefined
      readonly change: DirectoryChange | undefined
    }
  | { readonly kind: 'precondition_failed'; readonly current: Versioned<Row> | undefined }
  /** It contradicts what is there: the other integration of that workspace, an organization that does not exist, … */
  | { readonly kind: 'conflict'; readonly path: string; readonly reason: string }

export type Deleted<Row> =
  | { readonly kind: 'deleted'; readonly before: Versioned<Row>; readonly change: DirectoryChange }
  | { readonly kind: 'absent' }
  | { readonly kind: 'precondition_failed'; readonly current: Versioned<Row> }

/** Who writes, for the audit, such as `admin token from 10.0.0.7`; and what has to hold. */
export interface WriteOptions {
  readonly author: string
  readonly precondition: Precondition
}

/**
 * How an organization is written: an `epoch` is never given, since moving counts it up; `held` undefined leaves it as it
 * is.
 */
export type OrganizationToWrite = Omit<Organization, 'epoch' | 'held' | 'formerly'> & {
  readonly held: boolean | undefined
}

/** At most `limit` rows in the order of their ids, those after `after`. */
export interface Page<Cursor> {
  readonly limit: number
  readonly after?: Cursor | undefined
}

type Filter<Row> = { readonly [Column in keyof Row]?: Row[Column] | undefined }

/** Reads the directory row by row. Every method rejects when the database cannot be asked. */
export interface DirectoryReader {
  integration(id: Id): Promise<Versioned<Integration> | undefined>
  organization(id: Id): Promise<Versioned<Organization> | undefined>
  link(integration: Id, organization: Id): Promise<Versioned<Link> | undefined>

  integrations(
    filter: Filter<Pick<Integration, 'provider' | 'appId' | 'externalId' | 'enterpriseId' | 'status'>> & {
      readonly organization?: Id | undefined
    },
    page: Page<Id>,
  ): Promise<Versioned<Integration>[]>
  organizations(
    filter: Filter<Pick<Organization, 'slug' | 'region' | 'status' | 'held'>> & {
      readonly integration?: Id | undefined
    },
    page: Page<Id>,
  ): Promise<Versioned<Organization>[]>
  links(
    filter: {
      readonly integration?: Id | undefined
      readonly organization?: Id | undefined
      readonly status?: Status | undefined
    },
    page: Page<{ readonly integration: Id; readonly organization: Id }>,
  ): Promise<Versioned<Link>[]>
  identities(
    filter: {
      readonly integration?: Id | undefined
      readonly externalUserId?: string | undefined
      readonly user?: string | undefined
    },
    page: Page<{ readonly integration: Id; readonly externalUserId: string }>,
  ): Promise<Identity[]>
}

/**
 * Reads and changes the directory row by row. Each write is one transaction: precondition, row, version and audit entry
 * together. Every method rejects when the database cannot be asked; a write also with a `RangeError` for what can be no
 * id.
 */
export interface DirectoryEditor extends DirectoryReader {
  putIntegration(row: Integration, options: WriteOptions): Promise<Written<Integration>>
  /** With another region than before it moves: its epoch goes up by one, in the same transaction. */
  putOrganization(row: OrganizationToWrite, options: WriteOptions): Promise<Written<Organization>>
  putLink(row: Link, options: WriteOptions): Promise<Written<Link>>
  deleteIntegration(id: Id, options: WriteOptions): Promise<Deleted<Integration>>
  deleteOrganization(id: Id, options: WriteOptions): Promise<Deleted<Organization>>
  deleteLink(integration: Id, organization: Id, options: WriteOptions): Promise<Deleted<Link>>
  /**
   * Forgets where an organization lived until `until`, unless it has moved since: nothing waits for it there any more.
   * No change to be told or audited: who has not heard of it looks there in vain.
   */
  forgetFormerHomes(id: Id, until: number): Promise<void>
}
