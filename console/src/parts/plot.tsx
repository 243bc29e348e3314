import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import './plot.css'
import { isDark } from '../theme.ts'

export interface Series {
  readonly name: string
  /** Tokens of style.css: `--good`. */
  readonly stroke: string
  readonly fill?: string
  readonly dash?: readonly number[]
  /** What is drawn; null: nothing is known of that time. */
  readonly values: readonly (number | null)[]
  /** What is said of it beside its name, where that is not what is drawn. */
  readonly told?: readonly (number | null)[]
}

export interface PlotProps {
  /** What can be seen, in words: all that there is for those who cannot. */
  readonly summary: string
  /** Unix seconds, ascending. */
  readonly times: readonly number[]
  /** How many seconds up to the last are seen at most, once there are so many. */
  readonly span: number
  /** The first is drawn first, behind the others. */
  readonly series: readonly Series[]
  /** Factors of ten instead of a line from 0, from `min` to `max`. */
  readonly log?: { readonly min: number; readonly max: number }
  /** A value that must not be reached, and what it is. */
  readonly limit?: { readonly at: number; readonly name: string }
  readonly format: (value: number) => string
}

const HEIGHT = 190
/** Seconds: what has just begun grows from the right, and is not blown up. */
const LEAST_SPAN = 60

/** Values over time. The line under it says what they are under the pointer, or last. */
export function Plot(props: PlotProps) {
  const { summary, series, times, format } = props
  const holder = useRef<HTMLDivElement>(null)
  const drawn = useRef<uPlot>(undefined)
  const latest = useRef(props)
  latest.current = props
  const [pointed, setPointed] = useState<number>()

  // Colours are read from the page as it is drawn, so that a change of theme draws it anew.
  const theme = isDark.value
  useEffect(() => {
    if (holder.current === null) return undefined
    const element = holder.current
    const plot = new uPlot(optionsOf(latest, element, setPointed), dataOf(latest.current), element)
    drawn.current = plot
    const fit = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }))
    fit.observe(element)
    return () => {
      fit.disconnect()
      plot.destroy()
    }
  }, [theme])
  useEffect(() => {
    drawn.current?.setData(dataOf(props))
  }, [times, series])

  const at = pointed !== undefined && pointed < times.length ? pointed : times.length - 1
  return (
    <figure class="plot">
      <div ref={holder} role="img" aria-label={summary} />
      <figcaption>
        {series.toReversed().map(({ name, stroke, dash, values, told = values }) => (
          <span key={name} class="key">
            <svg viewBox="0 0 16 8" aria-hidden="true">
              <line x1="0" y1="4" x2="16" y2="4" stroke={`var(${stroke})`} stroke-dasharray={dash?.join(' ')} />
            </svg>
            {name} <b>{shown(told[at], format)}</b>
          </span>
        ))}
        <span class="when">{pointed === undefined || at < 0 ? 'now' : clock(times[at])}</span>
      </figcaption>
    </figure>
  )
}

const shown = (value: number | null | undefined, format: PlotProps['format']): string =>
  value === null || value === undefined ? '–' : format(value)

function dataOf({ times, series, log }: PlotProps): uPlot.AlignedData {
  // On a scale of factors there is no place below its end.
  const within = (value: number | null) => (value === null || log === undefined ? value : Math.max(log.min, value))
  return [[...times], ...series.map(({ values }) => values.map(within))]
}

function optionsOf(
  latest: { readonly current: PlotProps },
  element: HTMLElement,
  point: (index: number | undefined) => void,
): uPlot.Options {
  const { series, log, span, format } = latest.current
  const style = getComputedStyle(element)
  const token = (name: string) => style.getPropertyValue(name).trim()
  const font = `11px ${style.fontFamily}`
  const axis = { stroke: token('--ink-soft'), font, ticks: { show: false } }
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [10, 4, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { setScale: false, x: false, y: false },
      points: { size: 6, width: 1 },
    },
    scales: {
      x: { range: (_plot, min, max) => seen(min, max ?? Date.now() / 1000, span) },
      y:
        log === undefined
          ? { range: (_plot, _min, max) => [0, Math.max(5, (max ?? 0) * 1.15)] }
          : { distr: 3, log: 10, range: [log.min, log.max] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 24, space: 70, values: ticksThatFit },
      {
        ...axis,
        size: 52,
        gap: 6,
        space: 28,
        grid: { stroke: token('--rule'), width: 1 },
        ...(log && { splits: () => tens(log.min, log.max) }),
        values: (_plot, values) => values.map((value) => format(value).replace('.00', '')),
      },
    ],
    series: [
      {},
      ...series.map(({ stroke, fill, dash }) => ({
        stroke: token(stroke),
        width: 1.25,
        points: { show: false },
        ...(fill !== undefined && { fill: token(fill) }),
        ...(dash !== undefined && { dash: [...dash] }),
      })),
    ],
    hooks: {
      setCursor: [({ cursor }) => point(cursor.idx ?? undefined)],
      draw: [(plot) => drawLimit(plot, latest.current.limit, { colour: token('--bad'), font })],
    },
  }
}

function drawLimit(plot: uPlot, limit: PlotProps['limit'], { colour, font }: { colour: string; font: string }): void {
  if (limit === undefined) return
  const { ctx, bbox } = plot
  const ratio = devicePixelRatio
  const y = Math.round(plot.valToPos(limit.at, 'y', true))
  ctx.save()
  ctx.strokeStyle = colour
  ctx.fillStyle = colour
  ctx.lineWidth = ratio
  ctx.setLineDash([5 * ratio, 4 * ratio])
  ctx.beginPath()
  ctx.moveTo(bbox.left, y)
  ctx.lineTo(bbox.left + bbox.width, y)
  ctx.stroke()
  ctx.font = font.replace('11px', `${11 * ratio}px`)
  ctx.textAlign = 'left'
  ctx.textBaseline = 'bottom'
  ctx.fillText(limit.name, bbox.left + 6 * ratio, y - 3 * ratio)
  ctx.restore()
}

/** From when to when, in Unix seconds; without anything to show there is no `min`. */
function seen(min: number | null, max: number, span: number): [number, number] {
  return [Math.max(max - span, Math.min(min ?? max, max - LEAST_SPAN)), max]
}

/** The names of the ticks of the time axis, but for one that would be cut off at the right. */
function ticksThatFit(plot: uPlot, at: number[]): string[] {
  const end = plot.bbox.width / devicePixelRatio - HALF_A_TICK
  return at.map((one) => (plot.valToPos(one, 'x') > end ? '' : clockTick(one)))
}

/** In pixels, of `16:07:15`. */
const HALF_A_TICK = 26

function tens(min: number, max: number): number[] {
  const found: number[] = []
  for (let at = min; at <= max; at *= 10) found.push(at)
  return found
}

const seconds = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const minutes = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const clock = (at: number | undefined): string => (at === undefined ? '' : seconds.format(at * 1000))
/** Between two minutes to the second: a plot that has just begun has several ticks there. */
const clockTick = (at: number): string => (at % 60 === 0 ? minutes : seconds).format(at * 1000)
