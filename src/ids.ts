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
const POOL_BYTES = 4096

export function createIds(): Ids {
  const pool = Buffer.alloc(POOL_BYTES)
  let used = POOL_BYTES
  const draw = (bytes: number): Buffer => {
    if (used + bytes > POOL_BYTES) {
      randomFillSync(pool)
      used = 0
    }
    used += bytes
    return pool.subarray(used - bytes, used)
  }
  const fraction = (): number => draw(1).readUInt8() / 256

  return {
    delivery: (now) => ulid(now, fraction),
    nonce: () => draw(16).toString('base64url'),
    hex: (bytes) => draw(bytes).toString('hex'),
  }
}
