import { describe, expect, it } from 'vitest'
import { highestRate, keptUp, type Asked } from '../../../bench/saturation.ts'

describe('a server at a constant rate', () => {
  const asked: Asked = { sentPerSecond: 1000, perSecond: 980, due: 2000, accepted: 2000, waited: 20 }

  it('keeps up while it answers as fast as it is asked, and a connection is free for nearly all', () => {
    expect(keptUp(asked)).toBe(true)
  })

  it.each([
    ['answers fewer in a second than are sent', { perSecond: 979 }],
    ['leaves one without a good answer', { accepted: 1999 }],
    ['has no connection free for more than one in a hundred', { waited: 21 }],
  ])('does not where it %s', (_, how) => {
    expect(keptUp({ ...asked, ...how })).toBe(false)
  })
})

describe('the highest rate that is kept up with', () => {
  it.each([1, 100, 500, 777, 999])('is found to a thirtieth of where it begins: %i', async (can) => {
    const tried: number[] = []
    const found = await highestRate(1000, (rate) => {
      tried.push(rate)
      return Promise.resolve(rate <= can)
    })
    expect(found).toBeLessThanOrEqual(can)
    expect(can - found).toBeLessThanOrEqual(1000 / 30)
    expect(tried).toHaveLength(5)
  })

  it('is none where none was', async () => {
    expect(await highestRate(1000, () => Promise.resolve(false))).toBe(0)
  })
})
