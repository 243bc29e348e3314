import type { Id, Integration } from './directory.ts'
import type { DirectoryReader } from './edit.ts'

const PAGE = 1000

/** Every integration that is linked to an organization, whatever its status or the link's. */
export async function linkedIntegrations(
  directory: Pick<DirectoryReader, 'integrations'>,
  organization: Id,
): Promise<Integration[]> {
  const all: Integration[] = []
  for (let after: Id | undefined; ;) {
    const page = await directory.integrations({ organization }, { limit: PAGE, after })
    all.push(...page)
    after = page.at(-1)?.id
    if (page.length < PAGE) return all
  }
}
