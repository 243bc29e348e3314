import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countFrequent } from '../../../src/telemetry/frequent.ts'

function counted(keys: Iterable<string>): Map<string, number> {
  const frequent = countFrequent<string>()
  for (const key of keys) frequent.add(key, () => `about ${key}`)
  return new Map(
    [...frequent.counts()].map(([key, count, about]) => {
      expect(about).toBe(`about ${key}`)
      return [key, count]
    }),
  )
}

describe('how often keys come', () => {
  it('is exact as long as there are no more than 2,000 of them', () => {
    const keys = Array.from({ length: 6000 }, (_, at) => `T${at % 2000}`)
    expect(counted(keys)).toEqual(new Map(Array.from({ length: 2000 }, (_, at) => [`T${at}`, 3])))
  })

  it('is never too high, and too low by a 2,000th of all at most, however many there are', () => {
    const many = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 3000 })), {
      maxLength: 12,
    })
    fc.assert(
      fc.property(many, (runs) => {
        const keys = runs.flatMap(([busy, others]) => [
          ...Array.from({ length: others }, (_, at) => `T${at}`),
          ...Array<string>(busy * 100).fill(`B${busy}`),
        ])
        const found = counted(keys)
        expect(found.size).toBeLessThanOrEqual(2000)
        for (const [key, those] of Map.groupBy(keys, (one) => one)) {
          const count = found.get(key) ?? 0
          expect(count).toBeLessThanOrEqual(those.length)
          expect(count).toBeGreaterThanOrEqual(those.length - keys.length / 2000)
        }
      }),
      { numRuns: 20 },
    )
  })
})
