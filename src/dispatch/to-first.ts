import { isSuccess, type Dispatched, type RegionResult, type Wins } from './region-result.ts'

/** Asks one region. Its reply passes if it `wins`. */
export async function toFirst(call: Promise<RegionResult>, wins: Wins): Promise<Dispatched> {
  const result = await call
  const won = wins === 'reply' ? result.kind === 'answered' : isSuccess(result)
  const results = [result]
  return {
    outcome: won && result.kind === 'answered' ? { kind: 'won', winner: result } : { kind: 'lost', results },
    settled: Promise.resolve(results),
  }
}
