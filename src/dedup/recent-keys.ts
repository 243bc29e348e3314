import { hash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { reserve } from './reserve.ts'

/** Words of 32 bits that are kept of a key's SHA-256: 128 bits, so that no two keys are ever taken for one. */
const WORDS = 4

/** What is kept of a key. */
export type Fingerprint = readonly [number, number, number, number]

export function fingerprintOf(key: string): Fingerprint {
  const digest = hash('sha256', key, 'buffer')
  return [digest.readUInt32LE(0), digest.readUInt32LE(4), digest.readUInt32LE(8), digest.readUInt32LE(12)]
}

/** What is known of a key: the status it was answered with, and where its whole answer is kept. */
export interface Known {
  readonly status: number
  readonly place: number
}

/** Keys that were seen lately. */
export interface RecentKeys {
  add(key: Fingerprint, status: number, place?: number): void
  /** What it was last added with; undefined when that was more than a life ago, or it was pushed out. */
  get(key: Fingerprint): Known | undefined
  /** Takes what `max` keys need, step by step. */
  reserve(): Generator<void>
}

/**
 * At most `max` keys that live `lifeMs`; one more pushes the oldest out. Since all live equally long, they lie in a
 * ring in the order in which they came, and the oldest is also the first to expire. A `Map` of a million strings would
 * take more memory, and stop everything for as long as it takes to grow; this takes 42 bytes a key.
 */
export function createRecentKeys({ max, lifeMs, clock }: { max: number; lifeMs: number; clock: Clock }): RecentKeys {
  const fingerprints = new Uint32Array(max * WORDS)
  const expiries = new Float64Array(max)
  const statuses = new Uint16Array(max)
  const places = new Float64Array(max)
  // Chains of places that share a bucket, newest first. A place is counted from 1, so that 0 ends a chain.
  const heads = new Uint32Array(2 ** Math.ceil(Math.log2(max)))
  const nexts = new Uint32Array(max + 1)
  const mask = heads.length - 1
  let added = 0

  const placeOf = (fingerprint: Fingerprint): number => {
    let place = heads[fingerprint[0] & mask] ?? 0
    while (place !== 0 && !holds(place, fingerprint)) place = nexts[place] ?? 0
    return place
  }
  const holds = (place: number, fingerprint: Fingerprint): boolean => {
    const at = (place - 1) * WORDS
    for (let word = 0; word < WORDS; word++) if (fingerprints[at + word] !== fingerprint[word]) return false
    return true
  }
  const unlink = (place: number): void => {
    const bucket = (fingerprints[(place - 1) * WORDS] ?? 0) & mask
    const after = nexts[place] ?? 0
    let before = heads[bucket] ?? 0
    if (before === place) {
      heads[bucket] = after
      return
    }
    while (nexts[before] !== place) before = nexts[before] ?? 0
    nexts[before] = after
  }

  return {
    add(fingerprint, status, keptAt = 0) {
      const place = (added % max) + 1
      if (added >= max) unlink(place)
      added += 1
      fingerprints.set(fingerprint, (place - 1) * WORDS)
      expiries[place - 1] = clock.monotonic() + lifeMs
      statuses[place - 1] = status
      places[place - 1] = keptAt
      const bucket = fingerprint[0] & mask
      nexts[place] = heads[bucket] ?? 0
      heads[bucket] = place
    },
    *reserve() {
      for (const array of [fingerprints, expiries, statuses, places, heads, nexts]) yield* reserve(array)
    },
    get(fingerprint) {
      const place = placeOf(fingerprint)
      if (place === 0 || clock.monotonic() >= (expiries[place - 1] ?? 0)) return undefined
      return { status: statuses[place - 1] ?? 0, place: places[place - 1] ?? 0 }
    },
  }
}
