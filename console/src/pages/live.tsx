import { AnswerTimes } from '../live/answer-times.tsx'
import { Failures } from '../live/failures.tsx'
import { Figures } from '../live/figures.tsx'
import '../live/live.css'
import { RegionTiles } from '../live/region-tiles.tsx'
import { summaryOf } from '../live/seconds.ts'
import { Throughput } from '../live/throughput.tsx'
import { count, share } from '../format.ts'
import { PageHead } from '../parts/section.tsx'
import { Loading } from '../parts/states.tsx'
import { regionsInWords, waitingInWords } from '../region-words.ts'
import type { Now } from '../shapes.ts'
import { history, now } from '../stream.ts'

/** What the gateway does, second by second. */
export default function Live() {
  const told = now.value
  return (
    <>
      <PageHead
        title="Live"
        actions={
          <a class="button" href="#/deliveries?live=true">
            Deliveries as they come
          </a>
        }
      >
        {told === undefined ? 'Waiting for the gateway to say how it is.' : inWords(told)}
      </PageHead>
      {told === undefined ? (
        <Loading what="the last second" />
      ) : (
        <>
          <Figures now={told} history={history.value} />
          <div class="columns">
            <Throughput history={history.value} />
            <AnswerTimes history={history.value} />
          </div>
          <RegionTiles regions={told.regions} />
          <Failures />
        </>
      )}
    </>
  )
}

function inWords({ regions, at }: Now): string {
  return [
    regionsInWords(regions),
    trafficInWords(history.value.slice(-60)),
    waitingInWords(regions, Date.parse(at)),
  ].join(' ')
}

/** Of the last minute, or of what there is of it. */
function trafficInWords(minute: readonly Now[]): string {
  const { webhooks, failed, seconds } = summaryOf(minute)
  if (seconds === 0) return ''
  if (webhooks === 0) return 'No webhook came within the last minute.'
  const perSecond = webhooks / seconds
  const went = failed === 0 ? 'none of them failed' : `${share(failed / webhooks)} of them failed`
  return `${perSecond < 10 ? perSecond.toFixed(1) : count(perSecond)} webhooks a second, ${went}.`
}
