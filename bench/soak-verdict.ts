import { median } from './statistics.ts'

export const SOAK_TARGETS = { rssShare: 0.05, stallMs: 50, errors: 0 }

/** What all later seconds are compared with: a single one might be the moment before a collection of garbage. */
const REFERENCE_SECONDS = 30

export interface Soaked {
  /** Of the gateway, one for each second since it has been under load. */
  readonly rssMiB: readonly number[]
  /** The longest delay of its event loop, one for each second. */
  readonly delaysMs: readonly number[]
  /** What was not answered 200. */
  readonly errors: number
}

export interface SoakVerdict {
  /** `worst`: the second that is furthest from the reference, in MiB and as a share of it; negative: below. */
  readonly rss: {
    readonly holds: boolean
    readonly referenceMiB: number
    readonly worstMiB: number
    readonly worst: number
  }
  readonly stalls: { readonly holds: boolean; readonly longestMs: number; readonly count: number }
  readonly errors: { readonly holds: boolean; readonly count: number }
  readonly holds: boolean
}

/**
 * Memory must be flat once the gateway has settled: each second within 5 % of the median of the first half minute that
 * counts. Stalls and errors count from the first second on. What was not measured does not hold.
 */
export function judgeSoak({ rssMiB, delaysMs, errors }: Soaked, settleSeconds = 60): SoakVerdict {
  const settled = rssMiB.slice(settleSeconds)
  const referenceMiB = median(settled.slice(0, REFERENCE_SECONDS))
  const off = (mib: number): number => mib / referenceMiB - 1
  const worstMiB = settled.toSorted((a, b) => Math.abs(off(b)) - Math.abs(off(a)))[0] ?? Number.NaN
  const rss = {
    holds: settled.length > REFERENCE_SECONDS && settled.every((mib) => Math.abs(off(mib)) <= SOAK_TARGETS.rssShare),
    referenceMiB,
    worstMiB,
    worst: off(worstMiB),
  }
  const stalled = delaysMs.filter((ms) => !(ms <= SOAK_TARGETS.stallMs))
  const stalls = {
    holds: delaysMs.length > 0 && stalled.length === 0,
    longestMs: delaysMs.length === 0 ? Number.NaN : Math.max(...delaysMs),
    count: stalled.length,
  }
  const wrong = { holds: errors <= SOAK_TARGETS.errors, count: errors }
  return { rss, stalls, errors: wrong, holds: rss.holds && stalls.holds && wrong.holds }
}
