import { median, verdict } from './statistics.ts'

export const SOAK_TARGETS = { rssShare: 0.05, stallMs: 50, errors: 0 }

/** What a gateway may take as it likes: its caches fill, and what runs all the time is compiled. */
export const SETTLE_SECONDS = 60

/** What all later seconds are compared with: a single one might be the moment before a collection of garbage. */
export const REFERENCE_SECONDS = 30

export interface Delay {
  readonly longestMs: number
  /** For how much of it its thread was on a core: computing, or in the kernel on its own account. */
  readonly onCoreMs: number
  /** For how much of it its thread was ready to run and stood in line for a core. */
  readonly inLineMs: number
}

/** Of what was never told. */
const UNKNOWN: Delay = { longestMs: Number.NaN, onCoreMs: Number.NaN, inLineMs: Number.NaN }

/** As it was written: `at`, in ms since the epoch, at the end of its second. */
export type TimedDelay = Delay & { readonly at: number }

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
  /** In how many seconds there was one, and the longest delay. */
  readonly stalls: Delay & { readonly verdict: Verdict; readonly count: number }
  readonly errors: { readonly verdict: Verdict; readonly count: number }
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
  const longestMs = delays.length === 0 ? Number.NaN : Math.max(...delays.map((delay) => delay.longestMs))
  const { onCoreMs, inLineMs } = delays.find((delay) => delay.longestMs === longestMs) ?? UNKNOWN
  return {
    rss: {
      verdict: settled.length > REFERENCE_SECONDS ? verdict(furthest, SOAK_TARGETS.rssShare) : 'not judged',
      referenceMiB,
      worstMiB,
      worst: off(worstMiB),
    },
    stalls: {
      verdict: verdict(longestMs, SOAK_TARGETS.stallMs),
      longestMs,
      onCoreMs,
      inLineMs,
      count: delays.filter((delay) => delay.longestMs > SOAK_TARGETS.stallMs).length,
    },
    errors: { verdict: verdict(errors, SOAK_TARGETS.errors), count: errors },
  }
}

/**
 * Those of a load, its first and last part of a second too. One that was never written is NaN: nobody knows how long
 * somebody waited then.
 */
export function delaysWithin(
  delays: readonly TimedDelay[],
  { begunAt, endedAt }: { readonly begunAt: number; readonly endedAt: number },
): TimedDelay[] {
  const after = delays.filter(({ at }) => at > begunAt)
  const last = after.findIndex(({ at }) => at >= endedAt)
  return last === -1 ? [...after, { at: endedAt, ...UNKNOWN }] : after.slice(0, last + 1)
}

/** What was looked at nearest to that time, by another clock. */
export function nearest<Look extends { readonly at: number }>(looks: readonly Look[], at: number): Look | undefined {
  return looks.toSorted((a, b) => Math.abs(a.at - at) - Math.abs(b.at - at))[0]
}

/** How much more often than was sent to it each region was asked; negative: less. Commands go to the first one only. */
export function askedTooOften(
  asked: readonly number[],
  { commands, clicks }: { readonly commands: number; readonly clicks: number },
): number[] {
  return asked.map((times, region) => times - clicks - (region === 0 ? commands : 0))
}
