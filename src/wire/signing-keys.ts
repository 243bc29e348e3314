import type { SigningKey } from './signature.ts'

/**
 * Reads `id:base64secret, …`, the text of `REGION_SIGNING_KEYS`. Throws `TypeError` for anything that is not usable as
 * it stands; the message names the id and never the secret.
 */
export function readSigningKeys(text: string): SigningKey[] {
  const keys = text.split(',').map((entry) => {
    const colon = entry.indexOf(':')
    if (colon === -1) throw new TypeError('A signing key is written as id:base64secret')
    return signingKey(entry.slice(0, colon).trim(), entry.slice(colon + 1).trim())
  })
  const twice = keys.find((key, at) => keys.some((other, otherAt) => otherAt < at && other.id === key.id))
  if (twice !== undefined) throw new TypeError(`Signing key ${twice.id} is given twice`)
  return keys
}

/** One key; throws `TypeError` when the id cannot stand in a signature or the secret is empty or not base64. */
export function signingKey(id: string, secret: string | Uint8Array): SigningKey {
  if (!/^[!-~]+$/.test(id)) throw new TypeError('The id of a signing key is printable ASCII without spaces')
  const bytes = typeof secret === 'string' ? fromBase64(id, secret) : secret
  if (!(bytes instanceof Uint8Array) || bytes.length === 0) throw new TypeError(`Signing key ${id} has no secret`)
  return { id, secret: bytes }
}

/** `Buffer.from` skips what is not base64, so a mistyped secret would become another, shorter one. */
function fromBase64(id: string, text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  const unpadded = text.replace(/={1,2}$/, '')
  if (bytes.toString('base64').replace(/={1,2}$/, '') !== unpadded) {
    throw new TypeError(`The secret of signing key ${id} is not base64`)
  }
  return bytes
}
