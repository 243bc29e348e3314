import type { Clock } from '../clock.ts'

/** How long what this instance has claimed is its own, as far as it knows from its own writes (monotonic). */
export interface Lease {
  /** The store has renewed it: it is good until then. */
  renewed(until: number): void
  /** Of what was claimed by now: the answer tells, whenever asked, whether it is still this instance's. */
  claims(): () => boolean
}

/** What was claimed before a lapse may be somebody else's by now, even if the lease was renewed since. */
export function createLease(clock: Clock): Lease {
  let goodUntil = 0
  let lapses = 0
  return {
    renewed(until) {
      if (clock.monotonic() >= goodUntil) lapses += 1
      goodUntil = Math.max(goodUntil, until)
    },
    claims() {
      const before = lapses
      return () => lapses === before && clock.monotonic() < goodUntil
    },
  }
}
