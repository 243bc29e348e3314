import { randomBytes } from 'node:crypto'
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

export const systemIds: Ids = {
  delivery: (now) => ulid(now),
  nonce: () => randomBytes(16).toString('base64url'),
  hex: (bytes) => randomBytes(bytes).toString('hex'),
}
