import { isSuccess, type Outcome, type RegionResult, type Wins } from './region-result.ts'

/** What the one region that was asked makes of it: its reply passes if it `wins`. */
export function toFirst(settled: Promise<readonly RegionResult[]>, wins: Wins): Promise<Outcome> {
  return settled.then((results): Outcome => {
    const [result] = results
    const won = wins === 'reply' ? result?.kind === 'answered' : result !== undefined && isSuccess(result)
    return won && result?.kind === 'answered' ? { kind: 'won', winner: result } : { kind: 'lost', results }
  })
}
