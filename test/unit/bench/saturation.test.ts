import { describe, expect, it } from 'vitest'
import { highestRate, keptUp, type ConstantRate } from '../../../bench/saturation.ts'

describe('a server at a constant rate', () => {
  const rate: ConstantRate = {
    sentPerSecond: 1000,
    perSecond: 980,
    due: 3000,
    accepted: 3000,
    counted: 2000,
    waited: 20,
  }

  it('keeps up while it answers as fast as it is asked, and a connection is free for nearly all', () => {
    expect(keptUp(rate)).toBe(true)
  })

  it.each([
    ['answers fewer in a second than are sent', { perSecond: 979 }],
    ['leaves one without a good answer', { accepted: 2999 }],
    ['has no connection free for more than one in a hundred of those that count', { waited: 21 }],
  ])('does not where it %s', (_, how) => {
    expect(keptUp({ ...rate, ...how })).toBe(false)
  })
})

describe('the highest rate that is kept up with', () => {
  it.each([1, 100, 500, 777, 999])('is found to a thirtieth of a guess above it: %i', async (can) => {
    const { highest, tooHigh } = await highestRate(1000, (rate) => Promise.resolve(rate <= can))
    expect(highest).toBeLessThanOrEqual(can)
    expect(tooHigh).toBeGreaterThan(can)
    expect(tooHigh - highest).toBeLessThanOrEqual(1000 / 30)
  })

  it.each([1001, 1700])('is found to a tenth above a guess that was too low: %i', async (can) => {
    const { highest, tooHigh } = await highestRate(1000, (rate) => Promise.resolve(rate <= can))
    expect(highest).toBeLessThanOrEqual(can)
    expect(tooHigh).toBeGreaterThan(can)
    expect(tooHigh / highest).toBeCloseTo(1.1, 2)
  })

  it('may have failed before, but not twice', async () => {
    const tried = new Set<number>()
    const { highest } = await highestRate(1000, (rate) => {
      const isFirst = !tried.has(rate)
      tried.add(rate)
      return Promise.resolve(!isFirst && rate <= 700)
    })
    expect(highest).toBeGreaterThan(700 - 1000 / 30)
  })

  it('is none where none was', async () => {
    expect(await highestRate(1000, () => Promise.resolve(false))).toMatchObject({ highest: 0 })
  })
})
