import type { Id, InstallationKey, Integration } from '../directory/directory.ts'
import type { Mailboxes } from '../spool/spool.ts'
import { writtenInstallation } from './attempt.ts'

export interface EraseParts {
  readonly spool: Pick<Mailboxes, 'list' | 'erase'>
  /** The integration of an installation key, whatever its status. */
  readonly find: (key: InstallationKey) => Promise<{ readonly integration: Pick<Integration, 'id'> } | undefined>
  /** The names of the providers that an integration may be of that the directory does not know any more. */
  readonly providers: readonly string[]
}

/**
 * Removes everything that waits for an integration, its dead letters and its owed answers; returns how many. What waits
 * unresolved is the integration's if its key leads to it now: of one that is deleted, that cannot be told any more.
 * Rejects when the store or the directory cannot be asked.
 */
export async function eraseIntegration(
  integration: Id,
  provider: string | undefined,
  { spool, find, providers }: EraseParts,
): Promise<number> {
  if (provider === undefined) {
    let erased = 0
    for (const provider of providers) erased += await spool.erase({ provider, integration, installations: [] })
    return erased
  }
  const installations: string[] = []
  for (const { address } of await spool.list()) {
    if (address.kind !== 'unresolved' || address.provider !== provider) continue
    const key = keyIn(address.installation)
    if (key !== undefined && (await find(key))?.integration.id === integration) installations.push(address.installation)
  }
  return await spool.erase({ provider, integration, installations })
}

function keyIn(text: string): InstallationKey | undefined {
  try {
    return writtenInstallation.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
