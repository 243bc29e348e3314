import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSealer, readSpoolKeys, type SealContext } from '../../../src/spool/seal.ts'

const older = { id: 'k1', key: randomBytes(32) }
const newer = { id: 'k2', key: randomBytes(32) }
const here: SealContext = { delivery: '01J00000000000000000000000', region: 'us' }
const plain = Buffer.from('{"event":"a secret"}')

const contexts = fc.record({ delivery: fc.string({ unit: 'binary' }), region: fc.string({ unit: 'binary' }) })

describe('what is sealed', () => {
  it('opens to the same bytes for its own delivery and region', () => {
    const sealer = createSealer([newer])
    fc.assert(
      fc.property(fc.uint8Array(), contexts, (bytes, context) => {
        expect(sealer.open(sealer.seal(bytes, context), context)).toEqual({
          kind: 'opened',
          plain: Buffer.from(bytes),
        })
      }),
    )
  })

  it('opens for no other delivery or region, however the two are cut', () => {
    const sealer = createSealer([newer])
    const cutElsewhere = fc.tuple(fc.string(), fc.nat(), fc.nat()).map(([text, a, b]) => {
      const cut = (at: number) => ({
        delivery: text.slice(0, at % (text.length + 1)),
        region: text.slice(at % (text.length + 1)),
      })
      return [cut(a), cut(b)] as const
    })
    const pairs = fc
      .oneof(fc.tuple(contexts, contexts), cutElsewhere)
      .filter(([a, b]) => a.delivery !== b.delivery || a.region !== b.region)
    fc.assert(
      fc.property(pairs, ([own, foreign]) => {
        expect(sealer.open(sealer.seal(plain, own), foreign)).toEqual({ kind: 'not_authentic' })
      }),
    )
  })

  it('does not open once any byte of it is changed, or it is cut off or longer', () => {
    const sealer = createSealer([newer])
    const sealed = sealer.seal(plain, here)
    const changes = fc.oneof(
      fc.tuple(fc.nat(sealed.bytes.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, by]) => {
        const bytes = Buffer.from(sealed.bytes)
        bytes[at]! ^= by
        return bytes
      }),
      fc.nat(sealed.bytes.length - 1).map((length) => sealed.bytes.subarray(0, length)),
      fc.uint8Array({ minLength: 1 }).map((more) => Buffer.concat([sealed.bytes, more])),
    )
    fc.assert(
      fc.property(changes, (bytes) => {
        expect(sealer.open({ ...sealed, bytes }, here)).toEqual({ kind: 'not_authentic' })
      }),
    )
  })

  it('shows nothing of what it holds and is never the same twice', () => {
    const sealer = createSealer([newer])
    const [first, second] = [sealer.seal(plain, here), sealer.seal(plain, here)]
    expect(Buffer.from(first.bytes).includes('secret')).toBe(false)
    expect(first.bytes).not.toEqual(second.bytes)
  })
})

describe('keys that change', () => {
  it('seal with the newest and open with any', () => {
    const before = createSealer([older]).seal(plain, here)
    const now = createSealer([newer, older])
    expect(now.seal(plain, here).keyId).toBe('k2')
    expect(now.open(before, here)).toEqual({ kind: 'opened', plain })
  })

  it('leave what an absent one has sealed closed, by its name', () => {
    const before = createSealer([older]).seal(plain, here)
    expect(createSealer([newer]).open(before, here)).toEqual({ kind: 'unknown_key', keyId: 'k1' })
    expect(createSealer([]).open(before, here)).toEqual({ kind: 'unknown_key', keyId: 'k1' })
  })

  it('do not open what another key of the same name has sealed', () => {
    const before = createSealer([older]).seal(plain, here)
    expect(createSealer([{ ...newer, id: 'k1' }]).open(before, here)).toEqual({ kind: 'not_authentic' })
  })
})

describe('without keys', () => {
  it('what waits is stored as it is', () => {
    const sealer = createSealer([])
    expect(sealer.seal(plain, here)).toEqual({ keyId: undefined, bytes: plain })
    expect(sealer.open({ keyId: undefined, bytes: plain }, here)).toEqual({ kind: 'opened', plain })
  })

  it('what was stored is not opened once there are some', () => {
    const before = createSealer([]).seal(plain, here)
    expect(createSealer([newer]).open(before, here)).toEqual({ kind: 'not_encrypted' })
  })
})

describe('SPOOL_KEYS', () => {
  const base64 = (length: number) => Buffer.alloc(length, 7).toString('base64')

  it('holds ids and keys of 256 bits, padded or not, the newest first', () => {
    expect(readSpoolKeys(`k.2:${base64(32)}, k-1:${base64(32).replaceAll('=', '')}`)).toEqual({
      keys: [
        { id: 'k.2', key: Buffer.alloc(32, 7) },
        { id: 'k-1', key: Buffer.alloc(32, 7) },
      ],
      faults: [],
    })
  })

  it.each([
    ['nothing', '', 1, 'must be id:base64key'],
    ['a key without an id', base64(32), 1, 'must be id:base64key'],
    ['an id without a key', 'k1:', 1, 'must be id:base64key'],
    ['an id with a space', `k 1:${base64(32)}`, 1, 'must be id:base64key'],
    ['a key that is not base64', 'k1:s3cret!', 1, 'must be id:base64key'],
    ['a key that is too short', `k1:${base64(31)}`, 1, 'has a key of 31 bytes, not 32'],
    ['a key that is too long', `k1:${base64(33)}`, 1, 'has a key of 33 bytes, not 32'],
    ['an empty entry', `k1:${base64(32)},`, 2, 'must be id:base64key'],
    ['an id twice', `k1:${base64(32)},k1:${base64(32)}`, 2, 'repeats the id of entry 1'],
  ])('names the place and the fault of %s', (_, text, entry, reason) => {
    expect(readSpoolKeys(text).faults).toEqual([{ entry, reason }])
  })

  it('never shows what it holds in a fault', () => {
    const { faults } = readSpoolKeys('hunter2,k1:hunter2,hunter2:k1:hunter2,k1:aHVudGVyMg==')
    expect(faults).toHaveLength(4)
    expect(JSON.stringify(faults)).not.toMatch(/hunter2|aHVudGVyMg/)
  })
})
