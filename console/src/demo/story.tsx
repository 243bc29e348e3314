import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'
import { queryText } from '../api.ts'
import { count, counted } from '../format.ts'
import { href } from '../router.ts'
import type { Condition, DemoState } from '../shapes.ts'
import { now } from '../stream.ts'
import { bringInto, changedLast } from './state.ts'

type Fault = Exclude<Condition, 'healthy' | 'slow'>

/** What was done to a region, and what is to be seen of it; `waiting` are its events in words. */
const faults: Readonly<Record<Fault, (name: string, waiting: string) => ComponentChildren>> = {
  gone: (name, waiting) => (
    <>
      <strong>{name} is gone.</strong> The other regions answer clicks, and an event for {name} gets its 200 and waits
      in its <Mailbox /> ({waiting}). Open one of the <Deliveries of={name} /> to see who was asked, and what came of
      it.
    </>
  ),
  failing: (name, waiting) => (
    <>
      <strong>{name} answers 500.</strong> Slack does not hear of it: an event waits in its <Mailbox /> ({waiting}).
      After ten failures the breaker opens, and {name} is asked no more but for a probe each second: see <Regions />.
    </>
  ),
  hanging: (name, waiting) => (
    <>
      <strong>{name} hangs.</strong> An event is answered before Slack’s three seconds are over and waits in its{' '}
      <Mailbox /> ({waiting}). After ten such calls the breaker opens, and nobody waits for {name} any more: see{' '}
      <Regions />.
    </>
  ),
}

/** The story that a newcomer is to see in the first minute, as far as it has come, and the next step as a button. */
export function Story({ regions }: { regions: DemoState['regions'] }) {
  const waitsFor = (name: string): number =>
    now.value?.regions.find((region) => region.name === name)?.mailboxes?.depth ?? 0
  const allBroken = regions.filter(({ behaviour }) => isFault(behaviour))
  const broken = allBroken.find((region) => region.name === changedLast.value) ?? allBroken[0]
  /** The region that was broken last, and the most that has waited for it. */
  const last = useRef<{ readonly name: string; readonly most: number }>(undefined)

  const name = broken?.name ?? last.current?.name
  const depth = name === undefined ? 0 : waitsFor(name)
  if (name !== undefined) {
    const before = last.current?.name === name ? last.current.most : 0
    last.current = { name, most: Math.max(before, depth) }
  }

  if (broken !== undefined && isFault(broken.behaviour)) {
    return (
      <Step act={`Make ${broken.name} healthy again`} onAct={() => void bringInto(broken.name, 'healthy')}>
        {faults[broken.behaviour](broken.name, depth === 0 ? 'none so far' : `${count(depth)} so far`)}
      </Step>
    )
  }
  if (name !== undefined && depth > 0) {
    return (
      <Step>
        <strong>{name} is back.</strong> {counted(depth, 'event still waits', 'events still wait')} and{' '}
        {depth === 1 ? 'is' : 'are'} on the way, in the order they came.
      </Step>
    )
  }
  return (
    <Step act={`Make ${FIRST} gone`} onAct={() => void bringInto(FIRST, 'gone')}>
      {last.current === undefined ? (
        <>
          <strong>See a webhook survive a dead region.</strong> Make {FIRST} gone: the other regions answer clicks, and
          its events get their 200 and wait on disk. Make it healthy: what waited is delivered, in order.
        </>
      ) : (
        <Survived {...last.current} />
      )}
    </Step>
  )
}

/** The region whose events come most often. */
const FIRST = 'eu'

function Survived({ name, most }: { name: string; most: number }) {
  return (
    <>
      <strong>Nothing was lost.</strong>{' '}
      {most > 0 ? `${counted(most, 'event')} waited for ${name}, and it has them all` : `Nothing waits for ${name}`}:
      its <Deliveries of={name} /> tell on which attempt. Next: one that hangs, a flood, the last event again?
    </>
  )
}

function Step({ act, onAct, children }: { act?: string; onAct?: () => void; children: ComponentChildren }) {
  return (
    <div class="demo-story">
      <p>{children}</p>
      {act !== undefined && (
        <button type="button" class="primary" onClick={onAct}>
          {act}
        </button>
      )}
    </div>
  )
}

function isFault(condition: Condition): condition is Fault {
  return condition in faults
}

const Mailbox = () => <a href={href('mailboxes')}>mailbox</a>
const Deliveries = ({ of }: { of: string }) => (
  <a href={href('deliveries') + queryText({ region: of, live: true })}>deliveries</a>
)
const Regions = () => <a href={href('regions')}>Regions</a>
