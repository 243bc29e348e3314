import { describe, expect, it } from 'vitest'
import { createIds } from '../../src/ids.ts'

// Enough draws to go round the pool of random bytes several times.
const many = Array.from({ length: 2000 })

describe('ids', () => {
  it('name a delivery by a ULID of its time', () => {
    const ids = createIds()
    expect(ids.delivery(1)).toMatch(/^0{9}1[0-9A-HJKMNP-TV-Z]{16}$/)
    // The example of the ULID specification.
    expect(ids.delivery(1_469_918_176_385).slice(0, 10)).toBe('01ARYZ6S41')
  })

  it('never name two deliveries of one millisecond alike', () => {
    const ids = createIds()
    expect(new Set(many.map(() => ids.delivery(1))).size).toBe(many.length)
  })

  it('use every letter at every place of a ULID', () => {
    const ids = createIds()
    const drawn = many.map(() => ids.delivery(1).slice(10))
    for (let place = 0; place < 16; place++) expect(new Set(drawn.map((text) => text[place])).size).toBe(32)
  })

  it('give a nonce of 128 bits once', () => {
    const ids = createIds()
    expect(ids.nonce()).toMatch(/^[\w-]{22}$/)
    expect(new Set(many.map(() => ids.nonce())).size).toBe(many.length)
  })

  it('give as many random bytes in hex as are asked for', () => {
    const ids = createIds()
    expect(ids.hex(8)).toMatch(/^[0-9a-f]{16}$/)
    expect(new Set(many.map(() => ids.hex(16))).size).toBe(many.length)
  })

  it('give different processes different ids', () => {
    expect(createIds().delivery(1)).not.toBe(createIds().delivery(1))
  })
})
