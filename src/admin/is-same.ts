import { createHash, timingSafeEqual } from 'node:crypto'

/** Digests have one length, so that the time it takes says nothing of the secret, its length neither. */
export function isSame(given: string, secret: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(secret))
}
