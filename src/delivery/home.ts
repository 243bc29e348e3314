import type { Id, Organization } from '../directory/directory.ts'
import type { MailboxAddress } from '../spool/spool.ts'

/** Whose webhook it is. */
export interface Owner {
  readonly provider: string
  readonly integration: Id
}

/** The mailbox of what comes for an organization: that of its region, or while it is held its own. */
export function homeOf(
  { id, region, held }: Pick<Organization, 'id' | 'region' | 'held'>,
  { provider, integration }: Owner,
): MailboxAddress & { kind: 'region' | 'held' } {
  return held
    ? { kind: 'held', provider, integration, organization: id }
    : { kind: 'region', provider, integration, region }
}

/** Where something may wait that came for an organization before it moved or was released, and goes before what comes. */
export function formerHomesOf({ id, formerly }: Organization, { provider, integration }: Owner): MailboxAddress[] {
  if (formerly === undefined) return []
  const regions = formerly.regions.map((region) => ({ kind: 'region', provider, integration, region }) as const)
  return [{ kind: 'held', provider, integration, organization: id }, ...regions]
}

/** Where nothing may wait if a region is to be asked at once for what comes for these organizations, which live there. */
export function mailboxesBefore(
  { name, organizations }: { readonly name: string; readonly organizations: readonly Organization[] },
  owner: Owner,
): MailboxAddress[] {
  const { provider, integration } = owner
  return [
    { kind: 'region', provider, integration, region: name },
    ...organizations.flatMap((one) => formerHomesOf(one, owner)),
  ]
}

/** Bytes that may wait for each organization that is held: its region has no share in it, but its default. */
export const HELD_SPOOL_BYTES = 1024 * 1_048_576
