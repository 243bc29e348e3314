import { randomFillSync } from 'node:crypto'
import { ulid } from 'ulid'

/** Where unique values come from; tests hand in predictable ones. */
export interface Ids {
  /** A ULID: one per webhook, sortable by time. */
  delivery(now: number): string
  /** Unguessable, never the same twice: a signature's nonce. */
  nonce(): string
  /** Lower-case hex of `bytes` random bytes, for trace ids. */
  hex(bytes: number): string
}

/** Bytes drawn from the operating system at a time: one by one, they cost an eighth of a webhook's CPU. */
const POOL_BYTES = 65_536

/** Random letters of a ULID, each of which takes one byte. */
const ULID_LETTERS = 16

export function createIds(): Ids {
  const pool = Buffer.alloc(POOL_BYTES)
  let drawn = POOL_BYTES
  const draw = (bytes: number): Buffer => {
    if (drawn + bytes > POOL_BYTES) {
      randomFillSync(pool)
      drawn = 0
    }
    drawn += bytes
    return pool.subarray(drawn - bytes, drawn)
  }
  return {
    delivery(now) {
      const random = draw(ULID_LETTERS)
      let used = 0
      return ulid(now, () => random.readUInt8(used++) / 256)
    },
    nonce: () => draw(16).toString('base64url'),
    hex: (bytes) => draw(bytes).toString('hex'),
  }
}
