import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { fromBase64 } from '../wire/signing-keys.ts'
import type { Sealed } from './spool.ts'

/** A key that what waits is encrypted with; its id is stored beside each row, so that older ones stay readable. */
export interface SpoolKey {
  /** Letters, digits, `_`, `.` and `-`. */
  readonly id: string
  /** 32 bytes. */
  readonly key: Uint8Array
}

/** Whose row it is. What was sealed for another opens for nobody. */
export interface SealContext {
  readonly delivery: string
  readonly region: string
}

export type Opened =
  | { readonly kind: 'opened'; readonly plain: Buffer }
  /** Changed at rest, cut off, or another row's: never to be sent. */
  | { readonly kind: 'not_authentic' }
  | { readonly kind: 'unknown_key'; readonly keyId: string }
  /** Plain bytes although there are keys: whoever can write to the store could have put them there. Never to be sent. */
  | { readonly kind: 'not_encrypted' }

export interface Sealer {
  seal(plain: Uint8Array, context: SealContext): Sealed
  open(sealed: Sealed, context: SealContext): Opened
}

const KEY_BYTES = 32
/** 96 random bits (NIST SP 800-38D section 8.2.2): one key is good for 2^32 rows, so change it before that. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * AES-256-GCM with the first key; any of them opens. Stored as nonce, ciphertext, tag. Without keys what waits is
 * stored as it is.
 */
export function createSealer(keys: readonly SpoolKey[]): Sealer {
  const [newest] = keys
  const byId = new Map(keys.map(({ id, key }) => [id, key]))
  return {
    seal(plain, context) {
      if (newest === undefined) return { keyId: undefined, bytes: plain }
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', newest.key, nonce).setAAD(additionalData(context))
      const parts = [nonce, cipher.update(plain), cipher.final()]
      return { keyId: newest.id, bytes: Buffer.concat([...parts, cipher.getAuthTag()]) }
    },
    open({ keyId, bytes }, context) {
      if (keyId === undefined) {
        return newest === undefined ? { kind: 'opened', plain: Buffer.from(bytes) } : { kind: 'not_encrypted' }
      }
      const key = byId.get(keyId)
      if (key === undefined) return { kind: 'unknown_key', keyId }
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return { kind: 'not_authentic' }
      const nonce = bytes.subarray(0, NONCE_BYTES)
      // A shorter tag would be accepted unless its length is said, and is guessed far sooner.
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(additionalData(context)).setAuthTag(bytes.subarray(-TAG_BYTES))
      const plain = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES))
      try {
        return { kind: 'opened', plain: Buffer.concat([plain, decipher.final()]) }
      } catch {
        return { kind: 'not_authentic' }
      }
    },
  }
}

/** The length in front says where the first ends, so that no other pair has the same bytes. */
function additionalData({ delivery, region }: SealContext): Buffer {
  const first = Buffer.from(delivery)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(first.length)
  return Buffer.concat([length, first, Buffer.from(region)])
}

/** Every key that is good, and what is wrong with each that is not. */
export interface SpoolKeysReading {
  readonly keys: readonly SpoolKey[]
  readonly faults: readonly SpoolKeyFault[]
}

/** Names an entry by its place, never by what it holds: a forgotten id would put the key in its stead. */
export interface SpoolKeyFault {
  /** 1 is the first. */
  readonly entry: number
  /** What follows the entry's name in a sentence. */
  readonly reason: string
}

/** Reads `id:base64key, …`, newest first: the text of `SPOOL_KEYS`. */
export function readSpoolKeys(text: string): SpoolKeysReading {
  const entries = text.split(',').map((entry) => {
    const [id = '', ...key] = entry.trim().split(':')
    return { id, key: fromBase64(key.join(':')) }
  })
  const keys: SpoolKey[] = []
  const faults: SpoolKeyFault[] = []
  for (const [index, { id, key }] of entries.entries()) {
    const fault = (reason: string): void => void faults.push({ entry: index + 1, reason })
    const before = entries.findIndex((other) => other.id === id)
    if (!/^[\w.-]+$/.test(id) || key === undefined) fault('must be id:base64key')
    else if (key.length !== KEY_BYTES) fault(`has a key of ${key.length} bytes, not ${KEY_BYTES}`)
    else if (before < index) fault(`repeats the id of entry ${before + 1}`)
    else keys.push({ id, key })
  }
  return { keys, faults }
}
