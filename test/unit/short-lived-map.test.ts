import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { createShortLivedMap } from '../../src/short-lived-map.ts'

const keys = fc.oneof(fc.nat({ max: 5 }), fc.constantFrom('', 'a', 'b', '7', '__proto__', 'constructor', 'toString'))

it('holds what a Map would hold, whatever its keys are called', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('set', 'delete'), keys))
  fc.assert(
    fc.property(steps, (taken) => {
      const map = new Map<string, object>()
      const shortLived = createShortLivedMap()
      for (const [step, key] of taken) {
        // To an object 7 and '7' are one name.
        if (step === 'delete') {
          map.delete(String(key))
          shortLived.delete(key)
        } else {
          const value = { key }
          map.set(String(key), value)
          shortLived.set(key, value)
        }
        expect(shortLived.get(key)).toBe(map.get(String(key)))
      }
      expect(shortLived.size).toBe(map.size)
      expect(new Set(shortLived.values())).toEqual(new Set(map.values()))
    }),
  )
})

it('gives its values as their keys came, whatever has left or come anew meanwhile', () => {
  const map = createShortLivedMap<{ key: string }>()
  for (const key of ['c', 'a', 'd', 'b', 'a']) map.set(key, { key })
  map.delete('d')
  map.set('d', { key: 'd' })
  expect([...map.values()].map(({ key }) => key)).toEqual(['c', 'a', 'b', 'd'])
})

/** MiB that are in use after 100 have come and gone, with none but small collections in between. */
function leftOf(map: string): number {
  const script = `
    import { createShortLivedMap } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../src/short-lived-map.ts')).href)}
    const map = ${map}
    const used = () => process.memoryUsage().heapUsed / 2 ** 20
    let next = 0
    const come = (count) => {
      for (const end = next + count; next < end; next += 1) {
        map.set('k' + next, { next, filler: new Array(128).fill(next) })
        map.delete('k' + (next - 50))
      }
    }
    // One of its tables grows old.
    for (let round = 0; round < 3; round += 1) { come(1); gc({ type: 'minor' }) }
    const before = used()
    for (let round = 0; round < 100; round += 1) { come(1000); gc({ type: 'minor' }) }
    console.log(used() - before)`
  const args = ['--expose-gc', '--input-type=module', '--eval', script]
  return Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

it('lets go of what has left it in the next small collection, which a Map does not', () => {
  expect(leftOf('createShortLivedMap()')).toBeLessThan(10)
  expect(leftOf('new Map()')).toBeGreaterThan(30)
})
