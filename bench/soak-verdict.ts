import { median, verdict } from './statistics.ts'

export const SOAK_TARGETS = { rssShare: 0.05, stallMs: 50, errors: 0 }

/** What a gateway may take as it likes: its caches fill, and what runs all the time is compiled. */
export const SETTLE_SECONDS = 60

/** What all later seconds are compared with: a single one might be the moment before a collection of garbage. */
export const REFERENCE_SECONDS = 30

export interface Delay {
  readonly longestMs: number
  /** Without the time in which its thread was ready to run and no core was free: that is whoever had them's. */
  readonly longestOwnMs: number
}

export interface Soaked {
  /** Of the gateway, one for each second since it has been under load. */
  readonly rssMiB: readonly number[]
  /** The longest of its event loop, one for each second. */
  readonly delays: readonly Delay[]
  /** What had no good answer, and by how much regions were asked more or less often than was sent. */
  readonly errors: number
}

type Verdict = ReturnType<typeof verdict>

export interface SoakVerdict {
  /** `worst`: the second that is furthest from the reference, in MiB and as a share of it; negative: below. */
  readonly rss: {
    readonly verdict: Verdict | 'not judged'
    readonly referenceMiB: number
    readonly worstMiB: number
    readonly worst: number
  }
  /** In how many seconds there was one, and the longest; `own` alone are judged. */
  readonly stalls: { readonly verdict: Verdict; readonly own: Stalls; readonly all: Stalls }
  readonly errors: { readonly verdict: Verdict; readonly count: number }
}

interface Stalls {
  readonly longestMs: number
  readonly count: number
}

/**
 * Memory must be flat once the gateway has settled: each second within 5 % of the median of the first half minute that
 * counts; a soak that ends before that says nothing of it. Stalls and errors count from the first second on.
 */
export function judgeSoak({ rssMiB, delays, errors }: Soaked): SoakVerdict {
  const settled = rssMiB.slice(SETTLE_SECONDS)
  const referenceMiB = median(settled.slice(0, REFERENCE_SECONDS))
  const off = (mib: number): number => mib / referenceMiB - 1
  const furthest = Math.max(...settled.map((mib) => Math.abs(off(mib))))
  const worstMiB = settled.find((mib) => Math.abs(off(mib)) === furthest) ?? Number.NaN
  const own = stallsAmong(delays.map(({ longestOwnMs }) => longestOwnMs))
  return {
    rss: {
      verdict: settled.length > REFERENCE_SECONDS ? verdict(furthest, SOAK_TARGETS.rssShare) : 'not judged',
      referenceMiB,
      worstMiB,
      worst: off(worstMiB),
    },
    stalls: {
      verdict: verdict(own.longestMs, SOAK_TARGETS.stallMs),
      own,
      all: stallsAmong(delays.map(({ longestMs }) => longestMs)),
    },
    errors: { verdict: verdict(errors, SOAK_TARGETS.errors), count: errors },
  }
}

function stallsAmong(delaysMs: readonly number[]): Stalls {
  return {
    longestMs: delaysMs.length === 0 ? Number.NaN : Math.max(...delaysMs),
    count: delaysMs.filter((ms) => ms > SOAK_TARGETS.stallMs).length,
  }
}

/** How much more often than was sent to it each region was asked; negative: less. Commands go to the first one only. */
export function askedTooOften(
  asked: readonly number[],
  { commands, clicks }: { readonly commands: number; readonly clicks: number },
): number[] {
  return asked.map((times, region) => times - clicks - (region === 0 ? commands : 0))
}
