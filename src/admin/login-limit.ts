import { isIP } from 'node:net'
import type { Clock } from '../clock.ts'

/** Somebody who mistypes a token, and then looks for it. */
const TRIES = 10
/** 10 a minute from then on: a token of four random letters would take a month. */
const ANOTHER_AFTER_MS = 6000
/** Addresses that are told apart at a time: some 100 kB. Beyond, the one that has not tried for longest is forgotten. */
const MOST_ADDRESSES = 1000

/** How often an address may still try a token. Never everybody's: nobody can lock out an operator who is elsewhere. */
export interface LoginLimit {
  /** Takes one try. Returns 0, or in how many milliseconds there is another; what is refused costs none. */
  take(address: string): number
  /** It has brought the right one. */
  forget(address: string): void
}

export function createLoginLimit({ monotonic }: Pick<Clock, 'monotonic'>): LoginLimit {
  /** By network: when all its tries are there again. In the order in which they last tried. */
  const restedAt = new Map<string, number>()
  return {
    take(address) {
      const network = networkOf(address)
      const now = monotonic()
      const after = Math.max(now, restedAt.get(network) ?? 0) + ANOTHER_AFTER_MS
      const tooEarlyMs = after - now - TRIES * ANOTHER_AFTER_MS
      if (tooEarlyMs > 0) return tooEarlyMs
      restedAt.delete(network)
      restedAt.set(network, after)
      const [oldest] = restedAt.keys()
      if (restedAt.size > MOST_ADDRESSES && oldest !== undefined) restedAt.delete(oldest)
      return 0
    },
    forget: (address) => void restedAt.delete(networkOf(address)),
  }
}

/** Of IPv6, whoever has one address has the 2^64 of its network. */
function networkOf(address: string): string {
  if (isIP(address) !== 6) return address
  const [head = '', tail = ''] = address.split('::')
  const [left, right] = [head, tail].map((side) => (side === '' ? [] : side.split(':')))
  const zeros = Array<string>(Math.max(0, 8 - (left?.length ?? 0) - (right?.length ?? 0))).fill('0')
  return [...(left ?? []), ...zeros, ...(right ?? [])].slice(0, 4).join(':')
}
