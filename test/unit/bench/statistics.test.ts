import { describe, expect, it } from 'vitest'
import { judge, median, othersHad, ratios, spread } from '../../../bench/statistics.ts'

describe('a median', () => {
  it('is the value in the middle, in the order of numbers', () => {
    expect(median([100, 9, 20])).toBe(20)
  })

  it('of an even number of values is the mean of the two in the middle', () => {
    expect(median([1, 10, 4, 2])).toBe(3)
  })

  it('of no value is no number', () => {
    expect(median([])).toBeNaN()
  })

  it('leaves the values in their order', () => {
    const values = [3, 1, 2]
    median(values)
    expect(values).toEqual([3, 1, 2])
  })
})

describe('ratios', () => {
  it('are of the values of the same round', () => {
    expect(ratios([60, 130, 70], [50, 100, 35])).toEqual([1.2, 1.3, 2])
  })

  it('are of those rounds only that both took part in', () => {
    expect(ratios([60], [50, 100])).toEqual([1.2])
    expect(ratios([60, 70], [])).toEqual([])
  })
})

describe('a spread', () => {
  it('is told as the median and the least and most', () => {
    expect(spread([3, 11, 2], 1)).toBe('3.0 (2.0 to 11.0)')
  })
})

describe('what a bench says of a target', () => {
  it('is that the median holds it, up to the target itself, or that it fails', () => {
    expect(judge([1, 35, 90], 35)).toEqual({ median: 35, atMost: 35, verdict: 'holds' })
    expect(judge([1, 35.1, 36], 35)).toMatchObject({ verdict: 'FAILS' })
  })

  it('is that it fails when nothing was measured', () => {
    expect(judge([], 35)).toMatchObject({ verdict: 'FAILS' })
  })
})

describe('what others had of the machine', () => {
  const rounds = (...shares: number[]) => shares.map((othersShare) => ({ othersShare }))

  it('is told in per cent', () => {
    expect(othersHad(rounds(0.01, 0.05, 0.6))).toBe('others had 5 (1 to 60) % of the machine')
  })

  it('puts figures in doubt when it was more than a twentieth in half of the rounds', () => {
    expect(othersHad(rounds(0.01, 0.06, 0.06))).toContain('In doubt')
  })
})
