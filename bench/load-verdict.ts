import { fellBehind, type Percentiles } from './pace.ts'
import { keptUp, type ConstantRate } from './saturation.ts'
import { median, ratios, verdict } from './statistics.ts'

export const MOST_P99_RATIO = 1.3

export interface LoadRound extends ConstantRate {
  readonly latencyMs: Percentiles
  readonly lagMs: Percentiles
}

export interface LoadVerdict {
  readonly rounds: readonly RoundVerdict[]
  /** Of the rounds that are not left out; NaN where all are. */
  readonly median: number
  readonly verdict: 'holds' | 'FAILS' | 'not judged'
}

export interface RoundVerdict {
  /** One server's p99 as a multiple of the other's. */
  readonly ratio: number
  readonly leftOut: 'generator behind' | 'other overloaded' | null
}

/**
 * A p99 says nothing of a server that has left some without a good answer. Rounds in which the load generator fell behind
 * are left out, for their p99s are of it as well; and those in which the other did not keep up, or lost an answer: what
 * the one is beside that is no merit. More than half of them must be left.
 */
export function judgeLoad(one: readonly LoadRound[], other: readonly LoadRound[]): LoadVerdict {
  const p99 = (rounds: readonly LoadRound[]): number[] => rounds.map(({ latencyMs }) => latencyMs.p99)
  const rounds = ratios(p99(one), p99(other)).map((ratio, at) => ({ ratio, leftOut: whyLeftOut(one[at]!, other[at]!) }))
  const counting = rounds.filter(({ leftOut }) => leftOut === null)
  const middle = median(counting.map(({ ratio }) => ratio))
  const told = (how: LoadVerdict['verdict']): LoadVerdict => ({ rounds, median: middle, verdict: how })
  if (one.some(({ due, accepted }) => accepted !== due)) return told('FAILS')
  if (rounds.length > 0 && counting.length <= rounds.length / 2) return told('not judged')
  return told(verdict(middle, MOST_P99_RATIO))
}

function whyLeftOut(one: LoadRound, other: LoadRound): RoundVerdict['leftOut'] {
  if (fellBehind(one.lagMs.p99) || fellBehind(other.lagMs.p99)) return 'generator behind'
  return keptUp(other) ? null : 'other overloaded'
}
