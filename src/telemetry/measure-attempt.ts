import type { CallOutcome } from '../dispatch/region-client.ts'
import type { Counters } from './counters.ts'
import type { Histograms } from './histograms.ts'

/** Measures one call to a region, first or deferred. `ms`: since it had a slot. */
export function measureAttempt(
  region: string,
  ms: number,
  outcome: CallOutcome,
  { counters, histograms }: { readonly counters: Counters; readonly histograms: Histograms },
): void {
  counters.count('region_attempts_total', { region, result: resultOf(outcome) })
  histograms.observe('region_attempt_duration_seconds', region, ms / 1000)
}

function resultOf(outcome: CallOutcome): string {
  switch (outcome.kind) {
    case 'answered':
      return statusWord(outcome.reply.status)
    case 'timed_out':
      return 'timeout'
    case 'failed':
    case 'refused':
      return outcome.reason
  }
}

/** A text that is new each time would be hashed each time. Node's parser lets no more than a thousand of them through. */
const statusWords = new Map<number, string>()

function statusWord(status: number): string {
  let word = statusWords.get(status)
  if (word === undefined) statusWords.set(status, (word = `http_${status}`))
  return word
}
