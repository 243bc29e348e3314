import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { createShortLivedMap } from '../../src/short-lived-map.ts'

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

/** More than all that comes, so that V8 has no reason for another collection than those that are asked for. */
const OLD_SPACE_MIB = 1024

/** MiB that are in use after 100,000 have come and gone, with none but small collections in between. */
function leftOf(map: string): number {
  const script = `
    import { createShortLivedMap } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../src/short-lived-map.ts')).href)}
    const map = ${map}
    const keyOf = (number) => Math.imul(number, 2654435761) >>> 1
    const used = () => process.memoryUsage().heapUsed / 2 ** 20
    let next = 0
    const come = (count) => {
      for (const end = next + count; next < end; next += 1) {
        map.set(keyOf(next), { next, filler: new Array(128).fill(next) })
        map.delete(keyOf(next - 50))
      }
    }
    // One of its tables grows old.
    for (let round = 0; round < 3; round += 1) { come(1); gc({ type: 'minor' }) }
    const before = used()
    for (let round = 0; round < 100; round += 1) { come(1000); gc({ type: 'minor' }) }
    console.log(used() - before)`
  const args = ['--expose-gc', `--initial-old-space-size=${OLD_SPACE_MIB}`, '--input-type=module', '--eval', script]
  return Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

it('lets go of what has left it in the next small collection, which a Map does not', () => {
  expect(leftOf('createShortLivedMap()')).toBeLessThan(10)
  expect(leftOf('new Map()')).toBeGreaterThan(30)
})
