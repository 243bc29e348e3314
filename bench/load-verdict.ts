import { fellBehind, type Percentiles } from './pace.ts'
import { keptUp, type ConstantRate } from './saturation.ts'
import { median, ratios, verdict } from './statistics.ts'

export const MOST_P99_RATIO = 1.3

export interface LoadRound extends ConstantRate {
  readonly latencyMs: Percentiles
  readonly lagMs: Percentiles
}

export interface LoadVerdict {
  /** One server's p99 as a multiple of the other's, round by round. */
  readonly ratios: readonly number[]
  readonly verdict: 'holds' | 'FAILS' | 'not judged: behind' | 'not judged: overloaded'
}

/**
 * A p99 says nothing of a server that has left some without a good answer, be it the one or the other; nor where the
 * load generator fell behind, for then it is of both; nor beside another that did not keep up: what it is beside that one
 * is no merit.
 */
export function judgeLoad(one: readonly LoadRound[], other: readonly LoadRound[]): LoadVerdict {
  const p99 = (rounds: readonly LoadRound[]): number[] => rounds.map(({ latencyMs }) => latencyMs.p99)
  const multiples = ratios(p99(one), p99(other))
  const rounds = [...one, ...other]
  if (rounds.some(({ due, accepted }) => accepted !== due)) return { ratios: multiples, verdict: 'FAILS' }
  if (rounds.some(({ lagMs }) => fellBehind(lagMs.p99))) return { ratios: multiples, verdict: 'not judged: behind' }
  if (!other.every(keptUp)) return { ratios: multiples, verdict: 'not judged: overloaded' }
  return { ratios: multiples, verdict: verdict(median(multiples), MOST_P99_RATIO) }
}
