import type { LatencyPoint, LatencyResults } from '../latency-results.ts'
import { fellBehind } from '../pace.ts'
import { COLOURS, element, INK, picture, text } from './svg.ts'

const [WIDTH, HEIGHT] = [900, 420]
const AREA = { left: 72, right: 640, top: 40, bottom: 360 }

/**
 * p99 drawn solid and p50 dashed, on a logarithmic scale: what counts is how soon it grows tenfold. Points at which the
 * load generator was late are left out: they may be its own.
 */
export function drawLatency({ machine, series }: LatencyResults): string {
  const x = linear(Math.max(...series.flatMap(({ points }) => points.map(({ perSecond }) => perSecond))))
  const believed = series.map(({ what, points }) => ({ what, points: points.filter(isServers) }))
  const latencies = believed.flatMap(({ points }) => points.flatMap(({ p50Ms, p99Ms }) => [p50Ms, p99Ms]))
  // With 1 ms among them there is a scale even where no point is left.
  const y = logarithmic(Math.min(1, ...latencies), Math.max(1, ...latencies))
  const lines = believed.flatMap(({ what, points }, at) => {
    const colour = COLOURS[at % COLOURS.length] ?? INK
    const path = (of: 'p50Ms' | 'p99Ms'): string =>
      points.map((point) => `${x.at(point.perSecond).toFixed(1)},${y.at(point[of]).toFixed(1)}`).join(' ')
    // One that has no neighbour is no line.
    const dots = points.flatMap(({ perSecond, p50Ms, p99Ms }) =>
      [p99Ms, p50Ms].map((ms) => element('circle', { cx: x.at(perSecond), cy: y.at(ms), r: 2.5, fill: colour })),
    )
    const stroke = { fill: 'none', stroke: colour, 'stroke-width': 2 }
    const legend = { x: AREA.right + 24, y: AREA.top + 12 + at * 20 }
    return [
      element('polyline', { points: path('p99Ms'), ...stroke }),
      element('polyline', { points: path('p50Ms'), ...stroke, 'stroke-dasharray': '4 4' }),
      ...dots,
      text(what, { ...legend, fill: colour }),
    ]
  })
  const how = 'each server on one core; points at which the load generator was late are left out'
  const where = `solid: p99, dashed: p50; ${machine.cores} × ${machine.cpu}, Node ${machine.node}, ${machine.date}`
  return picture({ width: WIDTH, height: HEIGHT }, 'Latency of the gateway and of others against load', [
    text('Latency against load', { x: 0, y: 20, 'font-weight': 600, 'font-size': 14 }),
    text(how, { x: AREA.right, y: 20, 'font-size': 11, 'text-anchor': 'end' }),
    ...x.ticks.map((tick) => text(String(tick), { x: x.at(tick), y: AREA.bottom + 18, 'text-anchor': 'middle' })),
    ...y.ticks.flatMap((tick) => [
      text(`${tick} ms`, { x: AREA.left - 8, y: y.at(tick) + 4, 'text-anchor': 'end' }),
      element('line', { x1: AREA.left, x2: AREA.right, y1: y.at(tick), y2: y.at(tick), stroke: INK, opacity: 0.3 }),
    ]),
    text('webhooks a second', { x: AREA.right, y: AREA.bottom + 36, 'text-anchor': 'end' }),
    ...lines,
    text(where, { x: 0, y: HEIGHT - 8, 'font-size': 11 }),
  ])
}

function isServers({ lagP99Ms }: LatencyPoint): boolean {
  return lagP99Ms !== null && !fellBehind(lagP99Ms)
}

interface Scale {
  readonly ticks: readonly number[]
  at(value: number): number
}

/** From 0 to the most, with a tick at each 1, 2 or 5 times a power of ten, ten of them at the most. */
function linear(most: number): Scale {
  const power = 10 ** Math.floor(Math.log10(most / 10))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => most / each <= 10) ?? most
  const ticks = Array.from({ length: Math.floor(most / step) + 1 }, (_, at) => at * step)
  return { ticks, at: (value) => AREA.left + (value / most) * (AREA.right - AREA.left) }
}

/** By whole powers of ten. */
function logarithmic(least: number, most: number): Scale {
  const [from, to] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))]
  const ticks = Array.from({ length: to - from + 1 }, (_, at) => Number((10 ** (from + at)).toPrecision(1)))
  const height = (AREA.bottom - AREA.top) / Math.max(1, to - from)
  return { ticks, at: (value) => AREA.bottom - (Math.log10(value) - from) * height }
}
