import { describe, expect, it } from 'vitest'
import { readSigningKeys, signingKeysOf } from '../../../src/wire/signing-keys.ts'

const base64 = (length: number) => Buffer.alloc(length, 7).toString('base64')

describe('REGION_SIGNING_KEYS', () => {
  it('holds ids and secrets of at least 128 bits, padded or not', () => {
    expect(readSigningKeys(`eu-2026:${base64(32)}, us.1:${base64(16).replaceAll('=', '')}`)).toEqual({
      keys: [
        { id: 'eu-2026', secret: Buffer.alloc(32, 7) },
        { id: 'us.1', secret: Buffer.alloc(16, 7) },
      ],
      faults: [],
    })
  })

  it.each([
    ['nothing', '', 1, 'must be id:base64secret'],
    ['a secret without an id', base64(32), 1, 'must be id:base64secret'],
    ['an id without a secret', 'eu:', 1, 'must be id:base64secret'],
    ['an id that no file could name', `e u:${base64(32)}`, 1, 'must be id:base64secret'],
    ['a secret that is not base64', 'eu:s3cret!s3cret!s3cret!', 1, 'must be id:base64secret'],
    ['a secret that is cut off', `eu:${base64(33)}A`, 1, 'must be id:base64secret'],
    ['an empty entry', `eu:${base64(32)},`, 2, 'must be id:base64secret'],
    ['an id twice', `eu:${base64(32)},eu:${base64(33)}`, 2, 'repeats the id of entry 1'],
  ])('names the place and the fault of %s', (_, text, entry, reason) => {
    expect(readSigningKeys(text).faults).toEqual([{ entry, reason }])
  })

  it('gives the good entries beside the faults', () => {
    const { keys, faults } = readSigningKeys(`eu,us:${base64(32)},ap`)
    expect([keys.map(({ id }) => id), faults.map(({ entry }) => entry)]).toEqual([['us'], [1, 3]])
  })

  it('never shows what it holds in a fault', () => {
    const { faults } = readSigningKeys('hunter2,eu:hunter2,hunter2:eu:hunter2,eu:aHVudGVyMg==')
    expect(faults).toHaveLength(4)
    expect(JSON.stringify(faults)).not.toMatch(/hunter2|aHVudGVyMg/)
  })
})

describe('keys given one by one', () => {
  it('may be bytes', () => {
    const secret = new Uint8Array(16)
    expect(signingKeysOf([['eu', secret]])).toEqual({ keys: [{ id: 'eu', secret }], faults: [] })
  })

  it.each([
    ['no bytes', 'eu', new Uint8Array(), 'has an empty secret'],
    ['an id with a space', 'e u', new Uint8Array(16), 'must be id:base64secret'],
  ])('are held to the same rules: %s', (_, id, secret, reason) => {
    expect(signingKeysOf([[id, secret]]).faults).toEqual([{ entry: 1, reason }])
  })
})
