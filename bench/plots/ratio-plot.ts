import { standings, type RatioResults, type Standing } from '../ratio-results.ts'
import { median } from '../statistics.ts'
import { ACCENT, element, INK, picture, text } from './svg.ts'

const WIDTH = 900
const BARS_FROM = 320
const LONGEST_BAR = 380
const ROW = 22
const BAR = 14
const HEAD = 44

/** The ratio table as bars: one for each contender, as long as its CPU time, with what the gateway is beside it. */
export function drawRatios({ machine, fields, rounds }: RatioResults): string {
  const elements: string[] = []
  let y = 0
  for (const field of fields) {
    const rows = standings(field)
    const most = Math.max(...rows.map(({ cpuMicros }) => Math.max(...cpuMicros)))
    elements.push(text(`CPU per webhook, ${field.title}`, { x: 0, y: y + 24, 'font-weight': 600, 'font-size': 14 }))
    y += HEAD
    for (const row of rows) {
      elements.push(...bar(row, y, LONGEST_BAR / most))
      y += ROW
    }
  }
  const where = `${machine.cores} × ${machine.cpu}, Node ${machine.node}, ${machine.date}`
  elements.push(text(`median of ${rounds} rounds, line: least to most; ${where}`, { x: 0, y: y + 24, 'font-size': 11 }))
  return picture({ width: WIDTH, height: y + 36 }, 'CPU time per webhook of the gateway and of others', elements)
}

function bar({ what, isGateway, cpuMicros, ratios }: Standing, y: number, scale: number): string[] {
  const colour = isGateway ? ACCENT : INK
  const [least, middle, most] = [Math.min(...cpuMicros), median(cpuMicros), Math.max(...cpuMicros)]
  const ratio = isGateway || ratios.length === 0 ? '' : `, gateway ${median(ratios).toFixed(2)} ×`
  const centre = y + BAR / 2
  const spreads = { x1: BARS_FROM + least * scale, x2: BARS_FROM + most * scale, y1: centre, y2: centre }
  return [
    text(what, { x: BARS_FROM - 8, y: y + 11, 'text-anchor': 'end', ...(isGateway && { fill: ACCENT }) }),
    element('rect', { x: BARS_FROM, y, width: middle * scale, height: BAR, rx: 2, fill: colour, 'fill-opacity': 0.7 }),
    element('line', { ...spreads, stroke: colour, 'stroke-width': 2 }),
    text(`${middle.toFixed(0)} µs${ratio}`, { x: BARS_FROM + most * scale + 8, y: y + 11 }),
  ]
}
