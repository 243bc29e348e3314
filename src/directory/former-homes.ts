import { sql, type RawBuilder } from 'kysely'
import type { FormerHomes } from './directory.ts'

/** What is to stand in `former_regions` of an organization's row, by this name, that leaves the region it names. */
export function regionsLeft(row: string): RawBuilder<string> {
  const [former, region] = [sql.ref(`${row}.former_regions`), sql.ref(`${row}.region`)]
  return sql<string>`trim(replace(' ' || ${former} || ' ', ' ' || ${region} || ' ', ' ') || ${region})`
}

interface FormerColumns {
  readonly region: string
  readonly former_regions: string | null
  readonly moved_at: bigint | string | null
}

/** As the columns of an organization's row tell it; nothing where nothing is left behind. */
export function formerHomesFrom({ region, former_regions, moved_at }: FormerColumns): { formerly?: FormerHomes } {
  if (former_regions === null || moved_at === null) return {}
  const regions = former_regions.split(' ').filter((name) => name !== '' && name !== region)
  return { formerly: { regions, until: Number(moved_at) } }
}
