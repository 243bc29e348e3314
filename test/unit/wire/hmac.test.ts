import { createHmac } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hmacSha256 } from '../../../src/wire/hmac.ts'

describe('HMAC-SHA-256', () => {
  // RFC 4231 sections 4.2, 4.3 and 4.7: a short key, a shorter one, and one longer than a block.
  it.each([
    [Buffer.alloc(20, 0x0b), 'Hi There', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
    [
      Buffer.from('Jefe'),
      'what do ya want for nothing?',
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
    [
      Buffer.alloc(131, 0xaa),
      'Test Using Larger Than Block-Size Key - Hash Key First',
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    ],
  ])('is that of RFC 4231', (secret, text, expected) => {
    expect(hmacSha256(secret)(text, undefined, 'hex')).toBe(expected)
  })

  it("is that of node's createHmac for any key, text and bytes, one after the other with the same key", () => {
    const message = fc.record({
      text: fc.oneof(
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.integer({ min: 5000, max: 6000 }).map((n) => 'é'.repeat(n)),
      ),
      bytes: fc.option(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.integer({ min: 16_000, max: 17_000 }).map((n) => new Uint8Array(n)),
        ),
        { nil: undefined },
      ),
    })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 140 }), fc.array(message, { minLength: 1, maxLength: 5 }), (key, list) => {
        const mac = hmacSha256(key)
        for (const { text, bytes } of list) {
          for (const encoding of ['hex', 'base64'] as const) {
            const expected = createHmac('sha256', key)
              .update(text)
              .update(bytes ?? '')
              .digest(encoding)
            expect(mac(text, bytes, encoding)).toBe(expected)
          }
        }
      }),
    )
  })
})
