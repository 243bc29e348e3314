import { createHmac, hash } from 'node:crypto'

/** The MAC of a text, as UTF-8, and the bytes behind it. */
export type Mac = (text: string, bytes: Uint8Array | undefined, encoding: 'hex' | 'base64') => string

/** SHA-256 takes in so many bytes at a time (RFC 2104 calls it B), and gives so many. */
const BLOCK_BYTES = 64
const DIGEST_BYTES = 32
/** The scratch of a key: longer messages are rare, and then the digest is what costs. */
const SCRATCH_BYTES = 16_384
const NO_BYTES = Buffer.alloc(0)

/**
 * HMAC-SHA-256 with one key (RFC 2104), for messages by the thousand. Node's `createHmac` looks the digest up, makes a
 * stream and registers it with the garbage collector for each of them: in a loop 1.9 µs for a message of 600 bytes,
 * several times a webhook. Two plain hashes over memory that is made once take 1 µs.
 */
export function hmacSha256(secret: Uint8Array): Mac {
  const key = Buffer.alloc(BLOCK_BYTES)
  key.set(secret.length > BLOCK_BYTES ? hash('sha256', secret, 'buffer') : secret)
  const inner = Buffer.alloc(SCRATCH_BYTES)
  inner.set(key.map((byte) => byte ^ 0x36))
  const outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES)
  outer.set(key.map((byte) => byte ^ 0x5c))

  return (text, bytes = NO_BYTES, encoding) => {
    // A character takes three bytes at most.
    if (BLOCK_BYTES + 3 * text.length + bytes.length > SCRATCH_BYTES) {
      return createHmac('sha256', secret).update(text).update(bytes).digest(encoding)
    }
    const end = BLOCK_BYTES + inner.write(text, BLOCK_BYTES, 'utf8')
    inner.set(bytes, end)
    outer.write(hash('sha256', inner.subarray(0, end + bytes.length), 'latin1'), BLOCK_BYTES, 'latin1')
    return hash('sha256', outer, encoding)
  }
}
