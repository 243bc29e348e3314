import { judge, median, type Judged } from './statistics.ts'

const MOST_RATIO = 1.1

export type ScaleJudged = Omit<Judged, 'verdict'> & { readonly verdict: Judged['verdict'] | 'not judged' }

/**
 * What a directory costs as a multiple of the smallest, in each round; `equals`: the same of another one as small. Where that
 * differs by more than a larger one may, chance does as much, and nobody can tell.
 */
export function judgeScale(multiples: readonly number[], equals: readonly number[]): ScaleJudged {
  const judgement = judge(multiples, MOST_RATIO)
  const byChance = median(equals)
  const canTell = byChance <= MOST_RATIO && byChance >= 1 / MOST_RATIO
  return canTell ? judgement : { ...judgement, verdict: 'not judged' }
}
