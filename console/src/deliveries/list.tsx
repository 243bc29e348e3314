import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { get, queryText, type Page } from '../api.ts'
import { count, counted } from '../format.ts'
import { Mark } from '../parts/mark.tsx'
import { PageHead } from '../parts/section.tsx'
import { Empty, Failure, Loading } from '../parts/states.tsx'
import { go, href, type Place } from '../router.ts'
import type { DeliveryListing, RegionNow } from '../shapes.ts'
import { asApiError, useResource } from '../use-resource.ts'
import { FilterForm } from './filter-form.tsx'
import { asQuery, filterIn, isWanted, type Filter } from './filter.ts'
import { DeliveryRows } from './rows.tsx'
import { followTail } from './tail.ts'

/** Every webhook that is remembered, by filter, a page at a time or as they come. */
export function DeliveryList({ place }: { place: Place }) {
  const filter = filterIn(place.query)
  const isLive = place.query.get('live') === 'true'
  const key = queryText(asQuery(filter))
  const regions = useResource((signal) => get<Page<RegionNow>>('/api/regions', {}, { signal }))

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
      <FilterForm filter={filter} regions={regions.data?.items.map(({ name }) => name) ?? []} />
      <Found key={key} filter={filter} isLive={isLive} />
    </>
  )
}

interface Looked {
  readonly rows: readonly DeliveryListing[]
  readonly next: string | null
}

/** What a filter finds; a page of it may be short, or empty, and there may be more behind it. */
function Found({ filter, isLive }: { filter: Filter; isLive: boolean }) {
  const first = useResource(async (signal) => pageFrom(filter, undefined, signal))
  const [more, setMore] = useState<Looked>()
  const [state, setState] = useState<{ isAsking: boolean; error?: unknown; says: string }>({
    isAsking: false,
    says: '',
  })
  const looked = more ?? first.data

  async function further(): Promise<void> {
    if (looked === undefined || looked.next === null) return
    setState({ isAsking: true, says: '' })
    try {
      const page = await pageFrom(filter, looked.next)
      const rows = [...looked.rows, ...page.rows]
      setMore({ rows, next: page.next })
      setState({ isAsking: false, says: `${counted(page.rows.length, 'more delivery', 'more deliveries')} found.` })
    } catch (error) {
      setState({ isAsking: false, error, says: '' })
    }
  }

  if (looked === undefined) {
    return first.error === undefined ? (
      <Loading what="deliveries" />
    ) : (
      <Failure error={first.error} retry={first.reload} />
    )
  }
  if (isLive) return <Live before={looked.rows} filter={filter} />
  return (
    <>
      {looked.rows.length > 0 ? (
        <DeliveryRows rows={looked.rows} caption="Deliveries, the newest first" />
      ) : (
        <Empty>
          {looked.next === null
            ? 'Nothing is remembered that fits.'
            : 'Nothing of the newest fits; there are older ones.'}
        </Empty>
      )}
      <div class="further">
        {looked.next !== null && (
          <button type="button" disabled={state.isAsking} onClick={() => void further()}>
            {state.isAsking ? 'Looking …' : 'Look further back'}
          </button>
        )}
        <button type="button" onClick={() => (setMore(undefined), first.reload())}>
          Refresh
        </button>
        <span role="status">
          {state.says} {counted(looked.rows.length, 'delivery', 'deliveries')}
          {looked.next === null ? ', and no more.' : ' so far.'}
        </span>
      </div>
      {state.error !== undefined && <Failure error={asApiError(state.error)} retry={() => void further()} />}
    </>
  )
}

async function pageFrom(filter: Filter, cursor?: string, signal?: AbortSignal): Promise<Looked> {
  const { items, next_cursor } = await get<Page<DeliveryListing>>(
    '/api/deliveries',
    { ...filter, cursor },
    signal === undefined ? {} : { signal },
  )
  return { rows: items, next: next_cursor }
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
          <span class="fine">{count(tail.missed.value)} came too quickly to be shown; a search finds them.</span>
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
