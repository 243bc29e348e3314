import { useEffect, useMemo, useRef } from 'preact/hooks'
import { queryText } from '../api.ts'
import { count, counted } from '../format.ts'
import { Listed } from '../parts/listed.tsx'
import { Mark } from '../parts/mark.tsx'
import { PageHead } from '../parts/section.tsx'
import { Empty } from '../parts/states.tsx'
import { go, href, type Place } from '../router.ts'
import type { DeliveryListing } from '../shapes.ts'
import { useFocusKept } from '../use-focus-kept.ts'
import { useList } from '../use-list.ts'
import { FilterForm } from './filter-form.tsx'
import { filterIn, isWanted, type Filter } from './filter.ts'
import { DeliveryRows } from './rows.tsx'
import { followTail, SHOWN_A_SECOND } from './tail.ts'

/** Every webhook that is remembered, by filter, a page at a time or as they come. */
export function DeliveryList({ place }: { place: Place }) {
  const filter = filterIn(place.query)
  const isLive = place.query.get('live') === 'true'
  const key = queryText(filter)
  useFocusKept(isLive)

  return (
    <>
      <PageHead
        title="Deliveries"
        actions={
          <button
            type="button"
            aria-pressed={isLive}
            onClick={() => go(href('deliveries') + queryText({ ...filter, live: isLive ? undefined : true }))}
          >
            Live tail
          </button>
        }
      >
        Webhooks as they came and what became of them, the newest first.
      </PageHead>
      <FilterForm filter={filter} />
      {/* Whoever leaves the tail for the list wants it as it is now. */}
      <Found key={`${key} ${isLive}`} filter={filter} isLive={isLive} />
    </>
  )
}

/** What a filter finds; a page of it may be short, or empty, and there may be more behind it. */
function Found({ filter, isLive }: { filter: Filter; isLive: boolean }) {
  const list = useList<DeliveryListing>('/api/deliveries', filter)
  if (isLive && list.items !== undefined) return <Live before={list.items} filter={filter} />
  return (
    <Listed
      list={list}
      of={['delivery', 'deliveries']}
      empty={list.isMore ? 'Nothing of the newest fits; there are older ones.' : 'Nothing is remembered that fits.'}
    >
      {(some) => <DeliveryRows rows={some} caption="Deliveries, the newest first" />}
    </Listed>
  )
}

/** The same list, growing at its top. */
function Live({ before, filter }: { before: readonly DeliveryListing[]; filter: Filter }) {
  const start = useRef(before)
  const tail = useMemo(() => followTail(start.current, (one) => isWanted(one, filter)), [])
  useEffect(() => tail.end, [tail])
  const isPaused = tail.isPaused.value
  const isOver = filter.until !== undefined && Date.parse(filter.until) < Date.now()
  return (
    <>
      <div class="tail">
        <button type="button" onClick={() => (isPaused ? tail.goOn() : tail.pause())}>
          {isPaused ? 'Go on' : 'Pause'}
        </button>
        {isPaused ? (
          <Mark tone="wait">Paused, {counted(tail.waiting.value, 'new one', 'new ones')} waiting</Mark>
        ) : (
          <Mark tone="good">Live, as they come to this gateway</Mark>
        )}
        {tail.missed.value > 0 && (
          <span class="fine">
            At most {SHOWN_A_SECOND} a second are shown, first those that failed; {count(tail.missed.value)} were not.{' '}
            <a href={href('deliveries') + queryText(filter)}>The list has them</a>.
          </span>
        )}
        {isOver && <span class="fine">Nothing new can come: “until” is in the past.</span>}
      </div>
      {tail.rows.value.length > 0 ? (
        <DeliveryRows rows={tail.rows.value} caption="Deliveries as they come, the newest first" />
      ) : (
        <Empty>Nothing that fits has come yet.</Empty>
      )}
    </>
  )
}
