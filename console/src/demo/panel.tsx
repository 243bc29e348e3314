import { useEffect } from 'preact/hooks'
import { counted } from '../format.ts'
import type { Condition } from '../shapes.ts'
import { bringInto, demo, flood, followDemo, sendAgain } from './state.ts'
import { Story } from './story.tsx'
import './panel.css'

const conditions = ['healthy', 'slow', 'failing', 'hanging', 'gone'] as const satisfies readonly Condition[]

/** What each comes to, for whoever points at it or has it read. */
const meanings: Readonly<Record<Condition, string>> = {
  healthy: 'answers at once',
  slow: 'answers after 400 ms',
  failing: 'answers 500',
  hanging: 'takes requests and does not answer',
  gone: 'refuses connections',
}

const FLOOD = { seconds: 10, perSecond: 100 }
const COPIES = 5

/** Breaks the demo's regions, floods it, repeats what was sent, and says what to look at. */
export function DemoPanel() {
  useEffect(followDemo, [])
  if (demo.value === undefined) return null
  const { regions, pace, flooding } = demo.value
  return (
    <aside class="demo" aria-label="Demo">
      <details open={matchMedia('(min-width: 761px)').matches}>
        <summary>Demo: break something</summary>
        <div class="demo-regions">
          {regions.map(({ name, behaviour }) => (
            <Region key={name} name={name} behaviour={behaviour} />
          ))}
        </div>
        <div class="demo-more">
          <button type="button" onClick={() => void flood(FLOOD)}>
            Flood: {FLOOD.perSecond}/s, {FLOOD.seconds} s
          </button>
          <button type="button" onClick={() => void sendAgain(COPIES)}>
            Last event again, ×{COPIES}
          </button>
          <span class="fine">
            {flooding ? 'A flood: ' : 'Slack sends '}
            {counted(pace, 'webhook')} a second
          </span>
        </div>
        <Story regions={regions} />
      </details>
    </aside>
  )
}

function Region({ name, behaviour }: { name: string; behaviour: Condition }) {
  return (
    <fieldset class="segments">
      <legend>{name}</legend>
      {conditions.map((condition) => (
        <label key={condition} class={condition} title={`${name} ${meanings[condition]}`}>
          <input
            type="radio"
            name={`demo-${name}`}
            checked={condition === behaviour}
            onChange={() => void bringInto(name, condition)}
          />
          <span>{condition}</span>
        </label>
      ))}
    </fieldset>
  )
}
