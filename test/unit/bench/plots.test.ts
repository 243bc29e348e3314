import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LatencyPoint, LatencyResults } from '../../../bench/latency-results.ts'
import { drawLatency } from '../../../bench/plots/latency-plot.ts'
import { drawRatios } from '../../../bench/plots/ratio-plot.ts'
import { element, picture, text } from '../../../bench/plots/svg.ts'
import { publish } from '../../../bench/published.ts'
import { summarized } from '../../../bench/ratio-results.ts'
import { fieldOf, resultsOf, roundsOf } from './ratio-results.ts'

const ratios = resultsOf(
  fieldOf([
    { name: 'nginx', what: 'nginx <proxy_pass> & co', rounds: roundsOf(20, 20, 20) },
    { name: 'gateway', what: 'silo-gateway', rounds: roundsOf(60, 80, 70) },
  ]),
)
const point = (perSecond: number, p50Ms: number, p99Ms: number, lagP99Ms: number | null = 0.1): LatencyPoint => {
  const cpuMicros = 100
  const rounds = [{ sentPerSecond: perSecond, p50Ms, p99Ms, cpuMicros, othersShare: 0 }]
  return { perSecond, p50Ms, p99Ms, lagP99Ms, cpuMicros, notAnswered: 0, rounds }
}
const ratio: LatencyResults['judged']['ownRates'] = {
  rounds: [{ ratio: 2, leftOut: null }],
  median: 2,
  verdict: 'FAILS',
}
const latency: LatencyResults = {
  machine: ratios.machine,
  rounds: 5,
  seconds: 5,
  series: [
    {
      what: 'silo-gateway',
      saturation: [5000],
      saturationBehind: 0,
      points: [point(1000, 0.5, 2), point(4000, 1, 80, 1)],
    },
    { what: 'bare', saturation: [10_000], saturationBehind: 1, points: [point(2000, 0.3, 1)] },
  ],
  judged: {
    share: 0.7,
    atMost: 1.3,
    ownRates: ratio,
    sameRate: ratio,
    gateway: point(3500, 1, 4).rounds,
    bareOwn: point(7000, 0.5, 2).rounds,
    bareSame: point(3500, 0.5, 2).rounds,
  },
}

describe('a picture', () => {
  it('has text as text, with what means something in markup escaped', () => {
    expect(text('a < b & "c"', { x: 1 })).toBe('<text x="1">a &lt; b &amp; &quot;c&quot;</text>')
    expect(element('rect', { fill: '"<&' })).toBe('<rect fill="&quot;&lt;&amp;"></rect>')
  })

  it('is named for who does not see it, and has the background of where it stands', () => {
    const drawn = picture({ width: 10, height: 20 }, 'a < b', [element('line', {})])
    expect(drawn).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 10 20" role="img"/)
    expect(drawn).toContain('<title>a &lt; b</title>')
    expect(drawn).not.toMatch(/style|background/)
  })
})

describe('the picture of the ratio table', () => {
  it('has a bar for each contender, as long as its median', () => {
    const widths = [...drawRatios(ratios).matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width))
    expect(widths).toHaveLength(2)
    expect(widths[1]! / widths[0]!).toBeCloseTo(70 / 20, 2)
  })

  it('says the figures and the ratio', () => {
    const drawn = drawRatios(ratios)
    expect(drawn).toContain('>nginx &lt;proxy_pass&gt; &amp; co</text>')
    expect(drawn).toContain('>20 µs, gateway 3.50 ×</text>')
    expect(drawn).toContain('>70 µs</text>')
  })

  it('can be drawn without a gateway', () => {
    const [nginx] = ratios.fields[0]!.contenders
    expect(drawRatios(resultsOf(fieldOf([nginx!])))).not.toMatch(/NaN|Infinity|undefined/)
  })
})

describe.each([
  ['the ratio table', drawRatios(ratios)],
  ['latency against load', drawLatency(latency)],
])('under the picture of %s', (_, drawn) => {
  it('stands on what machine and when it was measured', () => {
    expect(drawn).toContain('2 × CPU, Node v26.0.0, 2026-01-01<')
  })
})

describe('the picture of latency against load', () => {
  it('has two lines for each server, higher where latency is lower on the page', () => {
    const lines = [...drawLatency(latency).matchAll(/<polyline points="([^"]+)"/g)].map(([, points = '']) =>
      points.split(' ').map((point) => point.split(',').map(Number)),
    )
    expect(lines).toHaveLength(4)
    const [p99, p50] = lines
    const [[x1 = 0, slow1 = 0] = [], [x2 = 0, slow2 = 0] = []] = p99!
    expect(x2).toBeGreaterThan(x1)
    expect(slow2).toBeLessThan(slow1)
    expect(slow1).toBeLessThan(p50![0]![1]!)
  })

  it.each([
    ['was late', 1.1],
    ['got nothing off, so that nobody knows how late it was', null],
  ])('leaves out the points at which the load generator %s, and says so', (_, lagP99Ms) => {
    const late = point(8000, 500, 5000, lagP99Ms)
    const of = (points: LatencyPoint[]): string =>
      drawLatency({ ...latency, series: [{ what: 'silo-gateway', saturation: [9000], saturationBehind: 0, points }] })
    const drawn = of([point(1000, 0.5, 2), late])
    expect(drawn.match(/<circle /g)).toHaveLength(2)
    expect(drawn).not.toContain('>10000 ms<')
    expect(drawn).toContain('points at which the load generator was late are left out')
    expect(of([late])).not.toMatch(/<circle|NaN|Infinity|undefined/)
  })

  it('has the same distance from 1 to 10 ms as from 10 to 100 ms', () => {
    const at = (tick: string): number =>
      Number(new RegExp(`y="([\\d.]+)" text-anchor="end">${tick} ms<`).exec(drawLatency(latency))?.[1])
    expect(at('1') - at('10')).toBeCloseTo(at('10') - at('100'), 0)
    expect(at('0.1')).toBeGreaterThan(at('1'))
  })

  it('has a tick at a round number of webhooks', () => {
    expect(drawLatency(latency)).toMatch(/>2000<\/text>/)
    expect(drawLatency(latency)).not.toMatch(/NaN|Infinity|undefined/)
  })
})

describe('what is published', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'silo-gateway-published-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('is figures and a picture of them', () => {
    publish({ ratios }, folder)
    expect(JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8'))).toEqual({ ratios: summarized(ratios) })
    expect(readFileSync(join(folder, 'ratios.svg'), 'utf8')).toBe(drawRatios(ratios))
    expect(existsSync(join(folder, 'latency.svg'))).toBe(false)
  })

  it('keeps the figures of other benches', () => {
    publish({ ratios }, folder)
    publish({ latency }, folder)
    expect(JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8'))).toEqual({
      ratios: summarized(ratios),
      latency,
    })
  })

  it('is drawn again from the figures that are there', () => {
    publish({ ratios, latency }, folder)
    rmSync(join(folder, 'ratios.svg'))
    publish({}, folder)
    expect(readFileSync(join(folder, 'ratios.svg'), 'utf8')).toBe(drawRatios(ratios))
  })

  it('is not put over a file that holds something else', () => {
    writeFileSync(join(folder, 'results.json'), '{"ratios":[]}')
    expect(() => publish({ latency }, folder)).toThrow(/results\.json holds something else than results, at ratios: /)
    expect(readFileSync(join(folder, 'results.json'), 'utf8')).toBe('{"ratios":[]}')
  })

  it('cannot be drawn before there is anything', () => {
    expect(() => publish({}, folder)).toThrow('Nothing is published yet')
    expect(readdirSync(folder)).toEqual([])
  })

  it('is in the repository as it is drawn today', () => {
    const published = join(import.meta.dirname, '../../../docs/bench')
    const pictures = ['latency.svg', 'ratios.svg']
    expect(readdirSync(published).toSorted()).toEqual([...pictures, 'results.json'])
    copyFileSync(join(published, 'results.json'), join(folder, 'results.json'))
    publish({}, folder)
    for (const file of pictures) {
      expect(readFileSync(join(published, file), 'utf8'), file).toBe(readFileSync(join(folder, file), 'utf8'))
    }
  })
})
