import { get, type Page } from '../api.ts'
import { PageHead } from '../parts/section.tsx'
import { Empty, Failure, Loading } from '../parts/states.tsx'
import { RegionRow } from '../regions/region-row.tsx'
import '../regions/regions.css'
import { regionsInWords, waitingInWords } from '../region-words.ts'
import type { RegionNow } from '../shapes.ts'
import { now } from '../stream.ts'
import { useResource } from '../use-resource.ts'

/** Every region as it is now, and what it is told. */
export default function Regions() {
  const asked = useResource((signal) => get<Page<RegionNow>>('/api/regions', {}, { signal }), { everyMs: 5000 })
  // What moves comes each second, where the stream can be had.
  const live = new Map(now.value?.regions.map((region) => [region.name, region]))
  const regions = asked.data?.items.map((region) => ({ ...region, ...live.get(region.name) }))
  return (
    <>
      <PageHead title="Regions">
        {regions !== undefined && `${regionsInWords(regions)} ${waitingInWords(regions, Date.now())}`}
      </PageHead>
      {regions === undefined && asked.error === undefined && <Loading what="the regions" />}
      {asked.error && <Failure error={asked.error} retry={asked.reload} />}
      {regions?.length === 0 && <Empty>regions.yaml names no region.</Empty>}
      <ul class="regions">
        {regions?.map((region) => (
          <RegionRow key={region.name} region={region} onSteered={asked.reload} />
        ))}
      </ul>
      <p class="fine">
        Breaker, calls in flight, queue and times are those of this gateway; what waits in mailboxes and what a region
        was told are the whole fleet’s.
      </p>
    </>
  )
}
