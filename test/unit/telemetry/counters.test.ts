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
    counters.count('late_answers_total', { result: 'a"b\\c\nd' })
    expect([...counters.read().keys()]).toEqual([String.raw`late_answers_total{result="a\"b\\c\nd"}`])
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

  describe('that tell regions apart', () => {
    const regionsIn = (...names: string[]) => {
      const counters = createCounters({ isRegion: (name) => name === 'eu' || name === 'us' })
      for (const region of names) counters.count('region_results_total', { region, result: 'answered' })
      return Object.fromEntries(
        [...counters.read()].map(([series, count]) => [/region="(.*?)"/.exec(series)?.[1], count]),
      )
    }

    it('count those by their names that are known, and all others as one', () => {
      expect(regionsIn('eu', 'atlantis', 'us', 'eldorado', 'eu')).toEqual({ eu: 2, us: 1, other: 2 })
    })

    it('count what waits for organizations that are held as one, and so what nobody could place', () => {
      expect(regionsIn('@12', '@13', '')).toEqual({ '@held': 2, '@unresolved': 1 })
    })

    it('count one by its name from when it is known', () => {
      const known = new Set<string>()
      const counters = createCounters({ isRegion: (name) => known.has(name) })
      counters.count('region_results_total', { region: 'ap', result: 'answered' })
      known.add('ap')
      counters.count('region_results_total', { region: 'ap', result: 'answered' })
      expect([...counters.read().values()]).toEqual([1, 1])
    })
  })

  it('tell at most a hundred values of a label apart, and count the others as one', () => {
    const counters = createCounters()
    for (let status = 500; status < 1000; status++) {
      counters.count('region_results_total', { region: 'eu', result: `http_${status}` })
    }
    expect(counters.read().size).toBe(101)
    expect(counters.read().get('region_results_total{region="eu",result="other"}')).toBe(400)
  })
})
