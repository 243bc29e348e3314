import { sampledSpan, type Tracing } from './span.ts'
import { traceparentAt } from './trace-attempts.ts'

/** An answer that was owed to whoever sent a webhook, and has come to its end. */
interface LateAnswer {
  readonly delivery: string
  readonly provider: string
  readonly integration: string
  readonly result: string
  readonly reason: string | undefined
  /** Unix milliseconds. */
  readonly owedAt: number
  readonly endedAt: number
  readonly what: { readonly kept: { readonly what: { readonly headers: readonly string[] } } } | undefined
}

/** Whoever was owed it has been told what there was to tell. */
const wentWell: ReadonlySet<string> = new Set(['posted', 'nothing_to_say', 'failed_told', 'unknown_told'])

/** A trace of its own, linked to the webhook's, if that is recorded. Where the answer went is a secret. */
export function traceLateAnswer(answer: LateAnswer, tracing: Tracing): void {
  const { headers } = answer.what?.kept.what ?? { headers: [] }
  const webhook = sampledSpan(headers[traceparentAt(headers)] ?? '')
  if (webhook === undefined) return
  const { result, reason } = answer
  const failed = !wentWell.has(result)
  tracing.ended({
    name: 'late answer',
    kind: 'internal',
    context: { traceId: tracing.ids.hex(16), spanId: tracing.ids.hex(8) },
    link: webhook,
    startMs: answer.owedAt,
    endMs: answer.endedAt,
    failed,
    attributes: {
      'error.type': failed ? (reason ?? result) : undefined,
      'silo.delivery': answer.delivery,
      'silo.provider': answer.provider,
      'silo.integration': answer.integration,
      'silo.result': result,
    },
  })
}
