import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backOffMs } from '../../../src/delivery/back-off.ts'
import { retryAfterMs } from '../../../src/delivery/retry-after.ts'

const longest = () => 1 - Number.EPSILON

describe('waiting for the next attempt', () => {
  it.each([
    [1, 1000],
    [2, 2000],
    [3, 4000],
    [9, 256_000],
    [10, 300_000],
    [1000, 300_000],
  ])('after %i failures waits up to %i ms', (failures, atMost) => {
    expect(backOffMs(failures, longest, undefined)).toBe(atMost)
  })

  it('is spread over all of that time', () => {
    expect(backOffMs(4, () => 0, undefined)).toBe(0)
    expect(backOffMs(4, () => 0.25, undefined)).toBe(2000)
  })

  it('waits at least as long as the region asks, and no longer than five minutes for it', () => {
    expect(backOffMs(1, () => 0, 60_000)).toBe(60_000)
    expect(backOffMs(1, () => 0, 3_600_000)).toBe(300_000)
    expect(backOffMs(10, longest, 1000)).toBe(300_000)
  })

  it('is never more than five minutes nor less than nothing', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.option(fc.nat()),
        (failures, share, asked) => {
          const waitMs = backOffMs(failures, () => share, asked ?? undefined)
          expect(waitMs).toBeGreaterThanOrEqual(0)
          expect(waitMs).toBeLessThanOrEqual(300_000)
        },
      ),
    )
  })
})

describe('what a Retry-After asks for', () => {
  const now = Date.parse('Sat, 21 Nov 2026 10:00:00 GMT')

  it.each([
    ['120', 120_000],
    ['0', 0],
    [' 5 ', 5000],
    ['Sat, 21 Nov 2026 10:00:30 GMT', 30_000],
    ['Sat, 21 Nov 2026 09:00:00 GMT', 0],
    ['-1', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['2026', 2_026_000],
    ['', undefined],
    ['99999999999', undefined],
    ['Sat, 99 Nov 2026 10:00:30 GMT', undefined],
  ])('%j', (value, expected) => {
    expect(retryAfterMs(['Content-Type', 'text/plain', 'retry-AFTER', value], now)).toBe(expected)
  })

  it('is nothing where it does not stand, or stands in a value', () => {
    expect(retryAfterMs([], now)).toBeUndefined()
    expect(retryAfterMs(['X-Word', 'Retry-After', 'X-Number', '5'], now)).toBeUndefined()
  })
})
