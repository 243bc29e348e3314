import type { Dispatched, RegionResult } from './region-result.ts'

/** Asks one region. Its reply passes whatever its status, as long as that is below 500. */
export async function toFirst(call: Promise<RegionResult>): Promise<Dispatched> {
  const result = await call
  const results = [result]
  return {
    outcome: result.kind === 'answered' ? { kind: 'won', winner: result, results } : { kind: 'lost', results },
    settled: Promise.resolve(results),
  }
}
