import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { offsetOfBrokenJson } from '../../../src/directory/broken-json.ts'

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const json = fc
  .tuple(fc.json(), fc.nat({ max: 2 }), fc.constantFrom('', ' ', '\n', '\r\n\t'))
  .map(([text, indent, around]) => around + JSON.stringify(JSON.parse(text), null, indent) + around)
const crumb = fc.oneof(
  fc.constantFrom(...Array.from('{}[],:"\\-+.0129eEtruefalsn \n\u0000\u007f\u2028')),
  fc.constantFrom('""', 'null', '\\u00', '01'),
)
const damaged = fc
  .tuple(json, fc.nat(), fc.nat({ max: 2 }), fc.option(crumb, { nil: '' }))
  .map(([text, at, removed, added]) => {
    const cut = at % (text.length + 1)
    return text.slice(0, cut) + added + text.slice(cut + removed)
  })

describe('where a text stops being JSON', () => {
  it('is nowhere exactly where JSON.parse takes it', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          json,
          damaged,
          fc.array(crumb).map((crumbs) => crumbs.join('')),
        ),
        (text) => {
          expect(offsetOfBrokenJson(text) === undefined).toBe(isJson(text))
        },
      ),
      { numRuns: 2000 },
    )
  })

  it.each([
    ['{"a": 1,}', 8],
    ['[1 2]', 3],
    ['[1] 2', 4],
    ['{"a" 1}', 5],
    ['{1: 1}', 1],
    ['[}', 1],
    ['{"a": 1]', 7],
    ['["\\x"]', 1],
    ['[tru]', 1],
    ['[01]', 2],
    ['{"a": [', 7],
    ['', 0],
  ])('in %j is at %i', (text, offset) => {
    expect(offsetOfBrokenJson(text)).toBe(offset)
  })

  it('is found in a text of any length', () => {
    expect(offsetOfBrokenJson(`["${'a'.repeat(10_000_000)}`)).toBe(1)
  })
})
