import { describe, expect, it } from 'vitest'
import { beatMs, dueMs, fellBehind, percentilesOf } from '../../../bench/pace.ts'

describe('the schedule of an open loop', () => {
  it('has the first request due at once and the others at equal intervals', () => {
    expect([0, 1, 2, 250].map((number) => dueMs(number, 250))).toEqual([0, 4, 8, 1000])
  })

  it('does not drift over an hour of a rate whose interval is no whole number', () => {
    expect(dueMs(3 * 3600, 3)).toBe(3_600_000)
  })

  it('beats when something is due, and every half millisecond at the most', () => {
    expect([100, 2000, 4000, 3000].map(beatMs)).toEqual([10, 0.5, 0.5, (2 * 1000) / 3000])
  })

  it('has those due together that leave together, so that none of them is late by the schedule itself', () => {
    const due = Array.from({ length: 9 }, (_, number) => dueMs(number, 7000))
    const beat = beatMs(7000)
    expect(due).toEqual([0, 0, 0, 0, beat, beat, beat, beat, 2 * beat])
  })
})

describe('percentiles', () => {
  const upTo = (most: number): Float64Array => Float64Array.from({ length: most }, (_, at) => most - at)

  it('are the smallest values that so many are not above', () => {
    expect(percentilesOf(upTo(1000))).toEqual({ p50: 500, p99: 990, p999: 999, longest: 1000 })
    expect(percentilesOf(upTo(100))).toEqual({ p50: 50, p99: 99, p999: 100, longest: 100 })
    expect(percentilesOf(upTo(1001))).toEqual({ p50: 501, p99: 991, p999: 1000, longest: 1001 })
  })

  it('order numbers as numbers, and leave the values in theirs', () => {
    const values = Float64Array.of(9, 10, 100, 2)
    expect(percentilesOf(values).longest).toBe(100)
    expect([...values]).toEqual([9, 10, 100, 2])
  })

  it('are no number where there are no values', () => {
    expect(percentilesOf(new Float64Array(0)).p99).toBeNaN()
  })
})

describe('a generator', () => {
  it('has fallen behind when one request in a hundred left more than a millisecond late', () => {
    expect([0.2, 1, 1.1].map(fellBehind)).toEqual([false, false, true])
  })

  it('has fallen behind when nothing left at all', () => {
    expect(fellBehind(Number.NaN)).toBe(true)
  })
})
