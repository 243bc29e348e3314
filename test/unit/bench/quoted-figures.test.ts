import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fellBehind } from '../../../bench/pace.ts'
import { readPublished } from '../../../bench/published.ts'
import { standings } from '../../../bench/ratio-results.ts'
import { median } from '../../../bench/statistics.ts'

const { ratios, latency } = readPublished()
const all = ratios!.fields.flatMap(standings)
const page = (name: string): string => readFileSync(join(import.meta.dirname, '../../..', name), 'utf8')
/** A row that begins so, and its last three cells, however wide. */
const row = (label: string, figure: string, atMost: string, verdict: string): RegExp => {
  const [begins, says, limit] = [label, figure, atMost].map((text) => text.replaceAll('.', String.raw`\.`))
  return new RegExp(`\\| ${begins}[^|]*\\| +${says}\\D[^|]*\\| +${limit} +\\| +${verdict} +\\|`)
}

describe('where the gateway stands, as bench/README.md says it', () => {
  const judged = all.flatMap(({ what, judged: of }) =>
    of === undefined ? [] : [{ what, figure: of.median.toFixed(2), atMost: of.atMost.toFixed(2), verdict: of.verdict }],
  )

  it('is judged beside three others', () => {
    expect(judged).toHaveLength(3)
  })

  const labels: Readonly<Record<string, string>> = {
    'bare node:http + undici request': 'one region ÷ bare `request`, CPU',
    'http-proxy-middleware + express': 'one region ÷ `http-proxy-middleware`, CPU',
    'nginx with two mirrors': 'three regions ÷ nginx with two mirrors, CPU',
  }

  it.each(judged)('is $figure times $what, as published', ({ what, figure, atMost, verdict }) => {
    expect(page('bench/README.md')).toMatch(row(labels[what]!, figure, atMost, verdict))
  })

  it.each([
    ['ownRates', "p99 ÷ bare `request`'s, each at 70 %"],
    ['sameRate', 'the same, the bare one as often as the gateway'],
  ] as const)('has so many times the bare one’s p99 (%s), as published', (rates, label) => {
    const { atMost, [rates]: judgement } = latency!.judged
    const figure = judgement.median?.toFixed(2) ?? 'n/a'
    expect(page('bench/README.md')).toMatch(row(label, figure, atMost.toFixed(2), judgement.verdict))
  })
})

describe('the README', () => {
  it('says how much more than the bare one the gateway takes', () => {
    const bare = all.find(({ what }) => what === 'bare node:http + undici request')!
    expect(page('README.md').replaceAll(/\s+/g, ' ')).toContain(
      `the gateway takes ${median(bare.ratios).toFixed(1)} times`,
    )
  })

  it('says of rates at which the generator was in time how long 99 in a hundred take, as published', () => {
    const text = page('README.md').replaceAll(/\s+/g, ' ')
    const said = [
      ...text.matchAll(/within (\d+(?:\.\d+)?) ms at ([\d,]+) a second, and a bare proxy's within (\d+(?:\.\d+)?)/g),
    ]
    const [gateway, bare] = latency!.series.map(({ points }) =>
      points.filter(({ lagP99Ms }) => lagP99Ms !== null && !fellBehind(lagP99Ms)),
    )
    const told = ({ perSecond, p99Ms }: { perSecond: number; p99Ms: number }): string[] => [
      (Math.round(perSecond / 100) * 100).toLocaleString('en'),
      p99Ms.toFixed(p99Ms < 10 ? 1 : 0),
    ]
    const published = gateway!.flatMap((point) => {
      const beside = bare!.find(({ perSecond }) => perSecond === point.perSecond)
      return beside === undefined ? [] : [[...told(point), ...told(beside).slice(1)].join()]
    })
    expect(said.length).toBeGreaterThan(0)
    for (const [, ours, rate, theirs] of said) expect(published).toContain([rate, ours, theirs].join())
  })
})
