import type { OpenLoopReport } from './open-loop.ts'
import { judge, type Judged } from './statistics.ts'

const MOST_AFTER_MS = 1
/** A fifth of that: half of the answers are judged, and so it is of half of them that the load generator may not be late. */
const MOST_LAG_MS = 0.2

export interface Answers {
  /** From when a click was due to its answer; half of them took at most so long. */
  readonly answerMs: number
  /** The same of the fastest region, asked by itself in this round. */
  readonly regionMs: number
  /** By how much the load generator was late with half of them: with the gateway or with the region, whichever was worse. */
  readonly lagMs: number
}

export interface AnswersJudged {
  /** In each round, by how much the answer came after the fastest region's. */
  readonly afterMs: readonly number[]
  readonly after: Omit<Judged, 'verdict'> & { readonly verdict: Judged['verdict'] | 'not judged: behind' }
}

type Asked = Pick<OpenLoopReport, 'latencyMs' | 'lagMs'>

export function answersOf({ region, gateway }: { readonly region: Asked; readonly gateway: Asked }): Answers {
  const lagMs = Math.max(region.lagMs.p50, gateway.lagMs.p50)
  return { answerMs: gateway.latencyMs.p50, regionMs: region.latencyMs.p50, lagMs }
}

/** Also where nothing left at all, and nobody knows how late it was. */
export function wasLate({ lagMs }: Pick<Answers, 'lagMs'>): boolean {
  return !(lagMs <= MOST_LAG_MS)
}

/** Late with the region alone, the generator makes the gateway look early: a round in which it was tells nothing. */
export function judgeAnswers(rounds: readonly Answers[]): AnswersJudged {
  const afterMs = rounds.map(({ answerMs, regionMs }) => answerMs - regionMs)
  const after = judge(afterMs, MOST_AFTER_MS)
  const isBehind = rounds.some(wasLate)
  return { afterMs, after: isBehind ? { ...after, verdict: 'not judged: behind' } : after }
}
