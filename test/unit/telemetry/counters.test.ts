import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createCounters } from '../../../src/telemetry/counters.ts'

describe('counters', () => {
  it('keep one count for each set of labels', () => {
    const counters = createCounters()
    counters.count('clock_skew_total', {})
    counters.count('region_results_total', { region: 'eu', result: 'answered' })
    counters.count('region_results_total', { region: 'eu', result: 'timeout' })
    counters.count('region_results_total', { region: 'eu', result: 'answered' })
    expect(Object.fromEntries(counters.read())).toEqual({
      clock_skew_total: 1,
      'region_results_total{region="eu",result="answered"}': 2,
      'region_results_total{region="eu",result="timeout"}': 1,
    })
  })

  it('name a series the same way in whatever order its labels are given', () => {
    const counters = createCounters()
    counters.count('region_results_total', { region: 'eu', result: 'timeout' })
    counters.count('region_results_total', { result: 'timeout', region: 'eu' })
    expect([...counters.read()]).toEqual([['region_results_total{region="eu",result="timeout"}', 2]])
  })

  it('escape quotes, backslashes and line breaks as the Prometheus text format wants it', () => {
    const counters = createCounters()
    counters.count('unknown_region_total', { region: 'a"b\\c\nd' })
    expect([...counters.read().keys()]).toEqual([String.raw`unknown_region_total{region="a\"b\\c\nd"}`])
  })

  it('never count two values as one', () => {
    const values = fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', 'n', ',', '}') })
    fc.assert(
      fc.property(values, values, values, values, (region, result, otherRegion, otherResult) => {
        const counters = createCounters()
        counters.count('region_results_total', { region, result })
        counters.count('region_results_total', { region: otherRegion, result: otherResult })
        expect(counters.read().size).toBe(region === otherRegion && result === otherResult ? 1 : 2)
      }),
    )
  })

  it('are read as they stood', () => {
    const counters = createCounters()
    const before = counters.read()
    counters.count('clock_skew_total', {})
    expect(before.size).toBe(0)
  })
})
