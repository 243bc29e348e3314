/** Keys that are told apart at a time: some 200 kB. */
const MOST_KEYS = 2000

/** How often each key came, of however many there are. */
export interface Frequent<About> {
  /** `about`: what is known of the key when it first comes. */
  add(key: string, about: () => About): void
  /** No count is too high; each may be too low by one in `MOST_KEYS` of all that were added. */
  counts(): Iterable<readonly [key: string, count: number, about: About]>
}

/**
 * Finds what is frequent in bounded memory (Misra and Gries, "Finding repeated elements", 1982): when there is no room
 * for another key, every count goes down by one. That pays for as many before it, so that what is added costs the same
 * on average whatever comes.
 */
export function countFrequent<About>(): Frequent<About> {
  const kept = new Map<string, { count: number; readonly about: About }>()
  return {
    add(key, about) {
      const known = kept.get(key)
      if (known !== undefined) known.count += 1
      else if (kept.size < MOST_KEYS) kept.set(key, { count: 1, about: about() })
      else for (const [other, entry] of kept) if ((entry.count -= 1) === 0) kept.delete(other)
    },
    *counts() {
      for (const [key, { count, about }] of kept) yield [key, count, about]
    },
  }
}
