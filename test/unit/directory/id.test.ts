import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readId, toStored } from '../../../src/directory/id.ts'

describe('an id', () => {
  it('is any positive number of 64 bits, however many zeros stand in front', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }), fc.nat({ max: 40 }), (id, zeros) => {
        const text = '0'.repeat(zeros) + id
        expect([readId(text), toStored(text)]).toEqual([String(id), id])
      }),
    )
  })

  it('is nothing beyond 64 bits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 2n ** 63n, max: 2n ** 130n }), (number) => {
        expect(readId(String(number))).toBeUndefined()
      }),
    )
  })

  it.each(['', '0', '000', '-1', '+1', ' 1', '1 ', '1\n', '1.0', '1e3', '0x10', '1n', '١٢', 'x'])(
    'is not %j',
    (text) => {
      expect(readId(text)).toBeUndefined()
    },
  )
})
