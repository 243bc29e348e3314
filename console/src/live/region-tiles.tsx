import { count } from '../format.ts'
import { PROVIDER_WAITS_MS } from '../limits.ts'
import { LatencyBar } from '../parts/latency-bar.tsx'
import { Mark } from '../parts/mark.tsx'
import { Section } from '../parts/section.tsx'
import { Since } from '../parts/time.tsx'
import { conditionOf, toneOf } from '../region-words.ts'
import { href } from '../router.ts'
import type { RegionStanding } from '../shapes.ts'

/** Each region in a few words. */
export function RegionTiles({ regions }: { regions: readonly RegionStanding[] }) {
  return (
    <Section title="Regions" aside={<a href={href('regions')}>Steer them</a>}>
      <ul class="tiles">
        {regions.map((region) => (
          <li key={region.name} class={toneOf(region)}>
            <div class="tile-head">
              <h3>{region.name}</h3>
              <Mark tone={toneOf(region)}>{conditionOf(region)}</Mark>
            </div>
            <Latency region={region} />
            <p class="fine">
              {count(region.in_flight)} in flight, {count(region.queued)} queued
            </p>
            <Waiting region={region} />
          </li>
        ))}
      </ul>
    </Section>
  )
}

function Latency({ region: { latency } }: { region: RegionStanding }) {
  if (latency === null) return <p class="fine">no answers yet</p>
  return <LatencyBar p50={latency.p50_ms} p99={latency.p99_ms} limit={PROVIDER_WAITS_MS} />
}

function Waiting({ region: { mailboxes } }: { region: RegionStanding }) {
  if (mailboxes === null) return <p class="fine">what waits is not known</p>
  if (mailboxes.depth === 0) return <p class="fine">nothing waits</p>
  return (
    <p class="waiting">
      <b>{count(mailboxes.depth)}</b> {mailboxes.depth === 1 ? 'waits' : 'wait'}
      {mailboxes.oldest_at !== null && (
        <>
          , the oldest for <Since at={mailboxes.oldest_at} />
        </>
      )}
    </p>
  )
}
