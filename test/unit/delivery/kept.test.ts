import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pack, unpack, type Kept } from '../../../src/delivery/kept.ts'
import { contentDigest } from '../../../src/wire/signature.ts'

const anyKept = fc
  .record({
    delivery: fc.string(),
    method: fc.constantFrom('POST', 'GET'),
    target: fc.string(),
    headers: fc.array(fc.string()),
    receivedAt: fc.nat(),
    cookies: fc.boolean(),
    body: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    signedBy: fc.string(),
  })
  .map(({ signedBy, ...what }): Kept => ({ signedBy, what: { ...what, digest: contentDigest(what.body) } }))

describe('what is kept of a webhook', () => {
  it('comes back as it was, the body byte for byte', () => {
    fc.assert(
      fc.property(anyKept, (kept) => {
        expect(unpack(pack(kept))).toEqual(kept)
      }),
    )
  })

  it('is refused when it is cut short or something else', () => {
    fc.assert(
      fc.property(anyKept, fc.double({ min: 0, max: 0.999, noNaN: true }), (kept, share) => {
        const { body } = kept.what
        const description = pack(kept).length - body.length
        const cut = pack(kept).subarray(0, Math.floor(description * share))
        expect(() => unpack(cut)).toThrow(/./)
      }),
    )
    expect(() => unpack(Buffer.from('\0\0\0\u0002{}'))).toThrow('delivery')
  })
})
