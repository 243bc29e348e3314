import { describe, expect, it } from 'vitest'
import { createHistograms } from '../../../src/telemetry/histograms.ts'
import { histograms as declared } from '../../../src/telemetry/metrics.ts'

type Kept = ReturnType<typeof createHistograms>
const counts = (kept: Kept, label: string) =>
  Object.fromEntries(
    [...kept.samples('webhook_budget_left_seconds')]
      .filter(({ values }) => values[0] === label)
      .map(({ suffix, le, value }) => [le ?? suffix, value]),
  )

describe('histograms', () => {
  it('count what is at most each bound, all, and their sum', () => {
    const kept = createHistograms()
    for (const seconds of [0, 0.05, 0.06, 2.45, 100]) kept.observe('webhook_budget_left_seconds', 'event', seconds)
    expect(counts(kept, 'event')).toMatchObject({ '0': 1, '0.05': 2, '0.1': 3, '2.4': 3, '+Inf': 5, _count: 5 })
    expect(counts(kept, 'event')['_sum']).toBeCloseTo(102.56)
  })

  it('keep one series for each value of the label', () => {
    const kept = createHistograms()
    kept.observe('webhook_budget_left_seconds', 'event', 1)
    kept.observe('webhook_budget_left_seconds', 'command', 2)
    kept.observe('webhook_budget_left_seconds', 'command', 2)
    expect([counts(kept, 'event')['_count'], counts(kept, 'command')['_count']]).toEqual([1, 2])
    expect(counts(kept, 'options')).toEqual({})
  })

  it('without a label are there before anything was observed', () => {
    const samples = [...createHistograms().samples('directory_entry_age_seconds')]
    expect(samples).toHaveLength(declared.directory_entry_age_seconds.buckets.length + 3)
    expect(samples.every(({ value }) => value === 0)).toBe(true)
  })
})
