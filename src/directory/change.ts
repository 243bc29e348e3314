import type { Id } from './directory.ts'

/** What has changed in the directory, told to whoever remembers something of it. */
export interface DirectoryChange {
  /** The directory's version with the change: what was read at this version or a later one has it. */
  readonly version: number
  /** `all`: so much that naming it would cost more than asking again. */
  readonly what:
    | { readonly kind: 'all' }
    | {
        readonly kind: 'some'
        readonly integrations: readonly Id[]
        readonly organizations: readonly Id[]
        /** Workspaces and enterprises that have, or had, an integration: what was absent may be there now. */
        readonly installations: readonly { readonly provider: string; readonly externalId: string }[]
      }
}
