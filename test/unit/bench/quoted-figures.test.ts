import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readPublished } from '../../../bench/published.ts'
import { standings } from '../../../bench/ratio-results.ts'
import { median } from '../../../bench/statistics.ts'

const { ratios, latency } = readPublished()
const all = ratios!.fields.flatMap(standings)
const page = (name: string): string => readFileSync(join(import.meta.dirname, '../../..', name), 'utf8')
/** A row's last three cells, however wide. */
const row = (figure: string, atMost: string, verdict: string): RegExp =>
  new RegExp(`\\| +${figure}\\D[^|]*\\| +${atMost} +\\| +${verdict} +\\|`)

describe('where the gateway stands, as bench/README.md says it', () => {
  const judged = all.flatMap(({ what, judged: of }) =>
    of === undefined ? [] : [{ what, figure: of.median.toFixed(2), atMost: of.atMost.toFixed(2), verdict: of.verdict }],
  )

  it('is judged beside three others', () => {
    expect(judged).toHaveLength(3)
  })

  it.each(judged)('is $figure times $what, as published', ({ figure, atMost, verdict }) => {
    expect(page('bench/README.md')).toMatch(row(figure, atMost, verdict))
  })

  it('is so many times the bare one’s p99 at the same rate, as published', () => {
    const { sameRate, atMost } = latency!.judged
    expect(page('bench/README.md')).toMatch(row(sameRate.median.toFixed(2), atMost.toFixed(2), sameRate.verdict))
  })
})

describe('the README', () => {
  it('says how much more than the bare one the gateway takes', () => {
    const bare = all.find(({ what }) => what === 'bare node:http + undici request')!
    expect(page('README.md').replaceAll(/\s+/g, ' ')).toContain(
      `the gateway takes ${median(bare.ratios).toFixed(1)} times`,
    )
  })
})
