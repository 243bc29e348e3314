import type { Directory } from '../directory/directory.ts'
import type { Owner } from './home.ts'
import type { AskedRegion } from './late-case.ts'

/** The organizations a region can still be asked for, as they are now, or why it cannot. */
export type StillThere = AskedRegion['organizations'] | 'moved' | 'held' | 'directory_away'

/**
 * Which of a region's organizations live there now: an act is not sent again where they have moved away from, nor while
 * they are held. `directory` is to be asked each time, whatever anybody remembers.
 */
export async function stillThere(
  { provider, integration }: Owner,
  region: AskedRegion,
  directory: Pick<Directory, 'find'>,
): Promise<StillThere> {
  const found = await directory.find({ by: 'id', provider, id: integration })
  if (found.verdict === 'unknown' || found.verdict === 'stale') return 'directory_away'
  if (found.verdict === 'absent' || found.installation.integration.status !== 'active') return 'moved'
  const asked = new Set(region.organizations.map(({ id }) => id))
  const those = found.installation.organizations.filter(({ id }) => asked.has(id))
  const here = those.filter(({ region: home, held }) => home === region.name && !held)
  if (here.length > 0) return here.map(({ id, epoch }) => ({ id, epoch }))
  return those.some(({ held }) => held) ? 'held' : 'moved'
}
