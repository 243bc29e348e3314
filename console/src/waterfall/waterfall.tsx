import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { duration } from '../format.ts'
import { shapes } from '../parts/mark.tsx'
import { ticksTo, type Lane, type Stage } from './lanes.ts'
import './waterfall.css'

/** A moment that all lanes share. */
export interface Moment {
  readonly at: number
  readonly text: string
  readonly kind: 'answer' | 'budget'
}

/** Below it the names stand over their bars rather than beside them. */
const NARROW = 560
const NAMES = 210
const LEFT = 2
const RIGHT = 14
const MOMENT_ROW = 18
const AXIS = 26
/** What is shorter is drawn so wide: it happened. */
const LEAST_BAR = 2

/** Attempts as bars on one time axis. Each can be reached by the keyboard, and its figures are then read and shown. */
export function Waterfall({
  label,
  lanes,
  moments = [],
  from,
}: {
  readonly label: string
  readonly lanes: readonly Lane[]
  readonly moments?: readonly Moment[]
  /** What the axis counts from: `after the first byte`. */
  readonly from: string
}) {
  const { ref, width } = useWidth()
  const [shown, setShown] = useState<string>()
  const hatch = useId().replace(/\W/g, '')
  const last = Math.max(...lanes.map(({ end }) => end ?? 0), ...moments.map(({ at }) => (isFar(at) ? 0 : at)))
  const isOpen = lanes.some(({ end }) => end === undefined)
  const far = moments.filter(({ at }) => isFar(at))
  const near = moments.filter(({ at }) => !isFar(at))
  const span = Math.max(last * 1.04, isOpen ? Math.max(0, ...moments.map(({ at }) => at)) : 0, 1)

  /** A budget that nobody came near would leave no room for what happened. */
  function isFar(at: number): boolean {
    const busy = Math.max(...lanes.map(({ end }) => end ?? Infinity), 0)
    return busy * 4 < at
  }

  const isNarrow = width < NARROW
  const x0 = isNarrow ? LEFT : NAMES
  const laneHeight = isNarrow ? 46 : 40
  const top = near.length * MOMENT_ROW + 6
  const bottom = top + lanes.length * laneHeight
  const scale = (ms: number): number => x0 + (Math.max(0, ms) / span) * Math.max(1, width - x0 - RIGHT)
  const active = lanes.find(({ id }) => id === shown)

  return (
    <div class="waterfall" ref={ref}>
      {width > 0 && (
        <svg role="group" aria-label={label} width={width} height={bottom + AXIS}>
          <Patterns id={hatch} />
          <Axis ticks={ticksTo(span, (width - x0) / 84)} scale={scale} top={top} bottom={bottom} />
          {lanes.map((lane, index) => (
            <g
              key={lane.id}
              class={`lane ${lane.tone}`}
              role="img"
              aria-label={lane.figures}
              tabindex={0}
              onFocus={() => setShown(lane.id)}
              onMouseEnter={() => setShown(lane.id)}
            >
              <rect
                class="lane-ground"
                x={1}
                y={top + index * laneHeight + 1}
                width={width - 2}
                height={laneHeight - 2}
                rx={4}
              />
              <Name lane={lane} y={top + index * laneHeight} isNarrow={isNarrow} />
              <Bars
                lane={lane}
                y={top + index * laneHeight + (isNarrow ? 24 : 11)}
                scale={scale}
                span={span}
                hatch={hatch}
              />
            </g>
          ))}
          {near.map((moment, row) => (
            <MomentLine
              key={moment.kind}
              moment={moment}
              row={row}
              x={scale(moment.at)}
              bottom={bottom}
              width={width}
            />
          ))}
        </svg>
      )}
      <p class="waterfall-says" aria-hidden="true">
        {active?.figures ?? 'Point at a bar, or move to it with the Tab key, for its figures.'}
      </p>
      <Legend lanes={lanes} hatch={hatch} />
      <p class="hint">
        Time {from}.{far.map(({ text, at }) => ` Beyond the right edge: ${text}, at ${duration(at)}.`)}
      </p>
    </div>
  )
}

function Name({ lane: { name, result, tone }, y, isNarrow }: { lane: Lane; y: number; isNarrow: boolean }) {
  const mark = <path class="lane-mark" d={shapes[tone]} />
  if (isNarrow) {
    return (
      <g transform={`translate(8 ${y + 16})`}>
        <g transform="translate(0 -9)">{mark}</g>
        <text class="lane-name" x={15}>
          {cut(name, 30)}
          <tspan class="lane-result" dx={8}>
            {result}
          </tspan>
        </text>
      </g>
    )
  }
  return (
    <g transform={`translate(8 ${y})`}>
      <text class="lane-name" y={17}>
        {cut(name, 28)}
      </text>
      <g transform="translate(0 23)">{mark}</g>
      <text class="lane-result" x={15} y={32}>
        {cut(result, 27)}
      </text>
    </g>
  )
}

function Bars({
  lane: { bars, end },
  y,
  scale,
  span,
  hatch,
}: {
  lane: Lane
  y: number
  scale: (ms: number) => number
  span: number
  hatch: string
}) {
  if (end === undefined) {
    return <rect class="bar open" x={scale(0)} y={y} width={scale(span) - scale(0)} height={18} rx={2} />
  }
  const drawn = bars.filter(({ from, to }) => to > from)
  if (drawn.length === 0) return <rect class="bar tick" x={scale(end) - 1} y={y} width={3} height={18} />
  return (
    <>
      {drawn.map(({ stage, from, to }) => {
        const place = { x: scale(from), y, width: Math.max(LEAST_BAR, scale(to) - scale(from)), height: 18 }
        return (
          <g key={stage} class={`bar ${stage}`}>
            <rect {...place} />
            {(stage === 'queued' || stage === 'sending') && (
              <rect {...place} class="bar-pattern" fill={`url(#${hatch}-${stage})`} />
            )}
          </g>
        )
      })}
    </>
  )
}

function Axis({
  ticks,
  scale,
  top,
  bottom,
}: {
  ticks: readonly number[]
  scale: (ms: number) => number
  top: number
  bottom: number
}) {
  return (
    <g class="axis" aria-hidden="true">
      {ticks.map((ms, index) => (
        <g key={ms} transform={`translate(${scale(ms)} 0)`}>
          <path d={`M.5 ${top}V${bottom + 4}`} />
          <text y={bottom + 18} text-anchor={index === 0 ? 'start' : 'middle'}>
            {ms === 0 ? '0' : duration(ms)}
          </text>
        </g>
      ))}
    </g>
  )
}

function MomentLine({
  moment: { kind, text, at },
  row,
  x,
  bottom,
  width,
}: {
  moment: Moment
  row: number
  x: number
  bottom: number
  width: number
}) {
  const y = row * MOMENT_ROW + 13
  const isRight = x > width * 0.55
  return (
    <g class={`moment ${kind}`}>
      <path d={`M${Math.round(x) + 0.5} ${y - 9}V${bottom}`} />
      <text x={x + (isRight ? -6 : 6)} y={y} text-anchor={isRight ? 'end' : 'start'}>
        {text} at {duration(at)}
      </text>
    </g>
  )
}

/** Lines for what stood in a queue, dots for what was being connected. */
function Patterns({ id }: { id: string }) {
  return (
    <defs>
      <pattern id={`${id}-queued`} width={6} height={6} patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <path class="pattern-line" d="M0 0V6" />
      </pattern>
      <pattern id={`${id}-sending`} width={5} height={5} patternUnits="userSpaceOnUse">
        <circle class="pattern-dot" cx={2} cy={2} r={1} />
      </pattern>
    </defs>
  )
}

const stages: Readonly<Record<Stage, string>> = {
  queued: 'waits for a slot',
  sending: 'is connected and sent',
  waiting: 'waits for the first byte',
  reading: 'reads the answer',
}

function Legend({ lanes, hatch }: { lanes: readonly Lane[]; hatch: string }) {
  const seen = new Set(lanes.flatMap(({ bars }) => bars.filter(({ from, to }) => to > from).map(({ stage }) => stage)))
  const listed = (['queued', 'sending', 'waiting', 'reading'] as const).filter((stage) => seen.has(stage))
  if (listed.length === 0) return null
  return (
    <ul class="waterfall-legend">
      {listed.map((stage) => (
        <li key={stage}>
          <svg class="lane legend" width={22} height={12} aria-hidden="true">
            <g class={`bar ${stage}`}>
              <rect width={22} height={12} />
              {(stage === 'queued' || stage === 'sending') && (
                <rect class="bar-pattern" width={22} height={12} fill={`url(#${hatch}-${stage})`} />
              )}
            </g>
          </svg>
          {stages[stage]}
        </li>
      ))}
    </ul>
  )
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text
}

/** The width of an element, in whole pixels, 0 until it is known. */
function useWidth() {
  const ref = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  useEffect(() => {
    if (ref.current === null) return undefined
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)))
    observer.observe(ref.current)
    return () => observer.disconnect()
  }, [])
  return { ref, width }
}
