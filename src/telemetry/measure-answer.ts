import type { Counters } from './counters.ts'
import type { Histograms } from './histograms.ts'

/** A webhook as it was answered. Monotonic, but for `sentAt` and `now`: unix milliseconds. */
export interface AnsweredWebhook {
  readonly surface: string
  /** Undefined: nobody was there any more to be answered. */
  readonly status: number | undefined
  readonly startedAt: number
  readonly answeredAt: number
  readonly deadline: number
  /** When its sender says that it was sent. */
  readonly sentAt: number | undefined
  readonly now: number
}

/** Measures how long a webhook's sender has waited, and how much longer it could have. */
export function measureAnswer(
  { surface, status, startedAt, answeredAt, deadline, sentAt, now }: AnsweredWebhook,
  { counters, histograms }: { readonly counters: Counters; readonly histograms: Histograms },
): void {
  if (status === undefined) return
  counters.count('webhook_responses_total', { surface, code: String(status) })
  histograms.observe('webhook_answer_duration_seconds', surface, (answeredAt - startedAt) / 1000)
  histograms.observe('webhook_budget_left_seconds', surface, Math.max(0, deadline - answeredAt) / 1000)
  if (sentAt === undefined) return
  histograms.observe('webhook_answer_since_signed_seconds', surface, Math.max(0, now - sentAt) / 1000)
}
