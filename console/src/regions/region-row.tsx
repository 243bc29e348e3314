import type { ComponentChildren } from 'preact'
import { bytes, count, words } from '../format.ts'
import { PROVIDER_WAITS_MS } from '../limits.ts'
import { LatencyBar } from '../parts/latency-bar.tsx'
import { Mark, type Tone } from '../parts/mark.tsx'
import { Since } from '../parts/time.tsx'
import { toneOf } from '../region-words.ts'
import type { RegionNow } from '../shapes.ts'
import { orders, steer } from './steer.ts'

/** One region: how it is, how busy it is, what waits for it, and what can be ordered. */
export function RegionRow({ region, onSteered }: { region: RegionNow; onSteered: () => void }) {
  const { name, category, address, latency } = region
  return (
    <li class={toneOf(region)}>
      <div class="who-is-it">
        <h2>{name}</h2>
        <p class="fine">{category === null ? 'not in regions.yaml' : words(category)}</p>
        {address !== null && <p class="fine mono">{address}</p>}
      </div>
      <dl>
        <Fact name="State">
          <Mark tone={stateTone[region.state]}>{region.state}</Mark>
          <span class="fine">{whence(region)}</span>
        </Fact>
        <Fact name="Breaker">
          {region.breaker === null ? '–' : <Mark tone={breakerTone[region.breaker]}>{words(region.breaker)}</Mark>}
        </Fact>
        <Fact name="In flight">{count(region.in_flight)}</Fact>
        <Fact name="Queue">{count(region.queued)}</Fact>
        <Fact name="Answers within" isWide>
          {latency === null ? (
            'none yet'
          ) : (
            <>
              <LatencyBar p50={latency.p50_ms} p99={latency.p99_ms} limit={PROVIDER_WAITS_MS} />
              <span class="fine">half · 99 % of the last {count(latency.of)}</span>
            </>
          )}
        </Fact>
        <Waiting region={region} />
      </dl>
      <div class="actions">
        {orders(region).map((order) => (
          <button
            key={order}
            type="button"
            class={order === 'down' ? 'danger' : ''}
            aria-label={`${orderNames[order]} ${name}`}
            onClick={() => void steer(region, order).then((done) => done && onSteered())}
          >
            {orderNames[order]} …
          </button>
        ))}
      </div>
    </li>
  )
}

function Waiting({ region: { mailboxes } }: { region: RegionNow }) {
  if (mailboxes === null) return <Fact name="Waiting">not known: the database cannot be asked</Fact>
  const { depth, bytes: size, oldest_at: oldest, paused } = mailboxes
  return (
    <>
      <Fact name="Waiting">
        {depth === 0 ? 'nothing' : <b>{count(depth)}</b>}
        {depth > 0 && <span class="fine">{bytes(size)}</span>}
        {paused > 0 && <Mark tone="wait">{count(paused)} paused</Mark>}
      </Fact>
      <Fact name="Oldest">{oldest === null ? '–' : <Since at={oldest} />}</Fact>
    </>
  )
}

function Fact({ name, isWide = false, children }: { name: string; isWide?: boolean; children: ComponentChildren }) {
  return (
    <div class={isWide ? 'wide-fact' : ''}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

const stateTone = { active: 'good', draining: 'wait', down: 'bad' } as const satisfies Record<string, Tone>
const breakerTone = { closed: 'good', half_open: 'wait', open: 'bad' } as const satisfies Record<string, Tone>
const orderNames = { drain: 'Drain', down: 'Take down', resume: 'Resume' } as const

/** Why it is in its state. */
function whence({ file_state: file, override }: RegionNow): string {
  if (override === null) return file === null ? 'the file does not know it' : 'as regions.yaml says'
  return `ordered; the file says ${file ?? 'nothing'}`
}
