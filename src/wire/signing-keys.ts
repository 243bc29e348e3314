import type { SigningKey } from './signature.ts'

/** Every key that is good, and what is wrong with each that is not. */
export interface SigningKeysReading {
  readonly keys: readonly SigningKey[]
  readonly faults: readonly SigningKeyFault[]
}

/** Names an entry by its place, never by what it holds: a forgotten id would put the secret in its stead. */
export interface SigningKeyFault {
  /** 1 is the first. */
  readonly entry: number
  /** What follows the entry's name in a sentence. */
  readonly reason: string
}

/** Reads `id:base64secret, …`, the text of `REGION_SIGNING_KEYS`. */
export function readSigningKeys(text: string): SigningKeysReading {
  return signingKeysOf(
    text.split(',').map((entry) => {
      const [id = '', ...secret] = entry.trim().split(':')
      return [id, secret.join(':')]
    }),
  )
}

/** The same rules for keys that are at hand one by one, their secrets as base64 or bytes. */
export function signingKeysOf(
  entries: readonly (readonly [id: string, secret: string | Uint8Array])[],
): SigningKeysReading {
  const keys: SigningKey[] = []
  const faults: SigningKeyFault[] = []
  for (const [index, [id, given]] of entries.entries()) {
    const fault = (reason: string): void => void faults.push({ entry: index + 1, reason })
    const secret = typeof given === 'string' ? fromBase64(given) : given
    const before = entries.findIndex(([other]) => other === id)
    // An id stands in a signature, in regions.yaml and in this list: these letters need no quoting in any of them.
    if (!/^[\w.-]+$/.test(id) || !(secret instanceof Uint8Array)) fault('must be id:base64secret')
    else if (secret.length === 0) fault('has an empty secret')
    else if (before < index) fault(`repeats the id of entry ${before + 1}`)
    else keys.push({ id, secret })
  }
  return { keys, faults }
}

/** The bytes, or undefined where it is none; padded or not. `Buffer.from` skips what is not base64, so a mistyped secret would become another, shorter one. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  const unpadded = (base64: string): string => base64.replace(/={1,2}$/, '')
  return text !== '' && unpadded(bytes.toString('base64')) === unpadded(text) ? bytes : undefined
}
