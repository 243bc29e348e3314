import type { Clock } from '../clock.ts'
import { isSuccess, type AnsweredResult, type Outcome, type RegionResult, type Wins } from './region-result.ts'

/**
 * What several regions make of it, `calls` in region order. The first 2xx to arrive answers, while the others go on to
 * their own end; an empty one first waits up to `preferBodyForMs` for a 2xx that says something. Without a 2xx, when
 * every call has ended: the first other reply in region order, which unlike the first to arrive is the same each time
 * (not where only a success `wins`).
 */
export function toAll(
  calls: readonly Promise<RegionResult>[],
  { wins, preferBodyForMs, clock }: { wins: Wins; preferBodyForMs: number; clock: Clock },
): Promise<Outcome> {
  return new Promise<Outcome>((resolve, reject) => {
    let running = calls.length
    let emptySuccess: AnsweredResult | undefined
    let stopWaiting = (): void => {}
    const win = (winner: AnsweredResult): void => {
      stopWaiting()
      resolve({ kind: 'won', winner })
    }
    const onResult = (result: RegionResult): void => {
      running -= 1
      if (isSuccess(result)) {
        if (preferBodyForMs === 0 || result.reply.body.length > 0) return win(result)
        if (emptySuccess === undefined) {
          emptySuccess = result
          stopWaiting = clock.after(preferBodyForMs, () => win(result))
        }
      }
      if (running > 0) return
      if (emptySuccess !== undefined) return win(emptySuccess)
      Promise.all(calls).then((results) => resolve(bestOf(results, wins)), reject)
    }
    for (const call of calls) call.then(onResult, reject)
  })
}

function bestOf(results: readonly RegionResult[], wins: Wins): Outcome {
  const reply = results.find((result): result is AnsweredResult => result.kind === 'answered')
  return reply === undefined || wins === 'success' ? { kind: 'lost', results } : { kind: 'won', winner: reply }
}
