import type { Id } from './directory.ts'

/** A provider's user, linked to the person of ours that a trusted proxy named. */
export interface Identity {
  readonly integrationId: Id
  readonly externalUserId: string
  readonly user: string
}

export interface IdentityStore {
  /** Stores the link; a link of the same provider user to somebody else is replaced. */
  link(identity: Identity): Promise<void>
  /** Removes the link if it is this user's; false when there was none. */
  unlink(identity: Identity): Promise<boolean>
  find(integrationId: Id, externalUserId: string): Promise<Identity | undefined>
  /** The name to show for an integration, or undefined when there is none or it is not active. */
  integrationName(provider: string, integrationId: Id): Promise<string | undefined>
}
