import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { createRecentKeys, fingerprintOf } from '../../../src/dedup/recent-keys.ts'
import { createManualClock } from '../../support/manual-clock.ts'

it('recent keys are what a list of the last `max` of them says, in any order and with any number of them', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ key: fc.nat(40).map(String), status: fc.nat(65_535), place: fc.nat() }) },
    { weight: 1, arbitrary: fc.constantFrom(1, 30, 99, 100) },
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 33 }), fc.array(step, { maxLength: 200 }), (max, steps) => {
      const clock = createManualClock()
      const keys = createRecentKeys({ max, lifeMs: 100, clock })
      const list: { key: string; status: number; place: number; expires: number }[] = []
      const reserving = keys.reserve()
      for (const one of steps) {
        reserving.next()
        if (typeof one === 'number') {
          clock.advance(one)
          continue
        }
        keys.add(fingerprintOf(one.key), one.status, one.place)
        list.push({ ...one, expires: clock.monotonic() + 100 })
        if (list.length > max) list.shift()
      }
      for (let key = 0; key <= 41; key++) {
        const last = list.findLast((entry) => entry.key === String(key))
        const isKnown = last !== undefined && clock.monotonic() < last.expires
        const expected = isKnown ? { status: last.status, place: last.place } : undefined
        expect(keys.get(fingerprintOf(String(key)))).toEqual(expected)
      }
    }),
    { numRuns: 500 },
  )
})
