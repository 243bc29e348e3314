import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { createShortLivedMap } from '../../src/short-lived-map.ts'
import { grownOld } from '../support/grown-old.ts'

const keys = fc.oneof(fc.nat({ max: 5 }), fc.constantFrom(2 ** 29, 2 ** 30 + 1, 2 ** 31 - 1))

it('holds what a Map would hold, the one with the lowest key first', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('set', 'delete'), keys))
  fc.assert(
    fc.property(steps, (taken) => {
      const map = new Map<number, object>()
      const shortLived = createShortLivedMap()
      for (const [step, key] of taken) {
        if (step === 'delete') {
          map.delete(key)
          shortLived.delete(key)
        } else {
          const value = { key }
          map.set(key, value)
          shortLived.set(key, value)
        }
        expect(shortLived.get(key)).toBe(map.get(key))
      }
      expect(shortLived.size).toBe(map.size)
      const sorted = [...map].toSorted(([one], [other]) => one - other).map(([, value]) => value)
      expect(shortLived.values()).toEqual(sorted)
    }),
  )
})

/** MiB left of what has come to a map and gone. */
const leftOf = (map: string): number =>
  grownOld({
    file: 'short-lived-map.ts',
    make: 'createShortLivedMap',
    come: `
      const map = ${map}
      const keyOf = (number) => Math.imul(number, 2654435761) >>> 1
      let next = 0
      const come = (count) => {
        for (const end = next + count; next < end; next += 1) {
          map.set(keyOf(next), { next, held: held() })
          map.delete(keyOf(next - 50))
        }
      }`,
  })

it('lets go of what has left it in the next small collection, which a Map does not', () => {
  expect(leftOf('make()')).toBeLessThan(10)
  expect(leftOf('new Map()')).toBeGreaterThan(30)
})
