import { freshnessSeconds, type SeenNonces } from './verify-forwarded.ts'

/**
 * Remembers nonces in this process for as long as a signature that carries them could still be fresh. Several processes
 * behind one address each remember their own: a replay is then refused by the process that saw the first, and what
 * must happen once in all of them goes by `Silo-Delivery` or `Idempotency-Key`. `now` is unix milliseconds.
 */
export function rememberNonces({ now = Date.now }: { now?: () => number } = {}): SeenNonces {
  // Every nonce lives equally long, so the order of insertion is the order of expiry.
  const forgottenAt = new Map<string, number>()
  return {
    has: (nonce) => forgottenAt.has(nonce),
    add(nonce) {
      const time = now()
      for (const [old, until] of forgottenAt) {
        if (until > time) break
        forgottenAt.delete(old)
      }
      forgottenAt.set(nonce, time + lifetimeMs)
    },
  }
}

/** A signature may be ahead of our clock by the window and is good for another one; one more second for rounding. */
const lifetimeMs = (2 * freshnessSeconds + 1) * 1000
