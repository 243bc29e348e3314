import type { Clock } from '../clock.ts'
import type { Attempt, Destination, Forward } from '../dispatch/forward.ts'
import type { RegionResult } from '../dispatch/region-result.ts'
import { didFail } from './log-attempt.ts'
import { sampledSpan, traceparentOf, type Span, type SpanContext, type Tracing } from './span.ts'
import { regionRecord } from './webhook-record.ts'

/**
 * Attempts with a span each, which the region's own spans hang under: a child of the webhook's while the provider
 * waits, afterwards a trace of its own that is linked to it. Those of a webhook whose trace is not recorded stay as
 * they are.
 */
export function traceAttempts(forward: Forward, tracing: Tracing, clock: Pick<Clock, 'now'>): Forward {
  const { ids } = tracing
  return async (what, to, attempt) => {
    const at = traceparentAt(what.headers)
    const webhook = sampledSpan(what.headers[at] ?? '')
    if (webhook === undefined) return await forward(what, to, attempt)
    const isFirst = attempt.kind === 'first'
    const spanId = ids.hex(8)
    const context = isFirst ? { ...webhook, spanId } : { traceId: ids.hex(16), spanId }
    // What an attempt's times count from.
    const begunAt = isFirst ? what.receivedAt : clock.now()
    const continued = what.headers.with(at, traceparentOf(context))
    const headers = isFirst ? continued : withoutTracestate(continued)
    const result = await forward({ ...what, headers }, to, attempt)
    // While nothing is sent to a region, there would be one each second for each that waits.
    if (isFirst || result.kind !== 'refused') {
      tracing.ended(attemptSpan(result, { context, webhook, begunAt, what, to: to.destination, attempt }))
    }
    return result
  }
}

interface Made {
  readonly context: SpanContext
  readonly webhook: SpanContext
  readonly begunAt: number
  readonly what: { readonly delivery: string; readonly method: string }
  readonly to: Destination
  readonly attempt: Attempt
}

function attemptSpan(result: RegionResult, { context, webhook, begunAt, what, to, attempt }: Made): Span {
  const { startedMs, endedMs, slotMs, sentMs, firstByteMs, ...record } = regionRecord(result)
  const failed = didFail(record)
  const isFirst = attempt.kind === 'first'
  const address = to.region?.address
  const status = record.status ?? statusOf(result)
  const since = (ms: number | undefined): number | undefined => ms && Math.round((ms - startedMs) * 100) / 100
  return {
    name: `${what.method} ${record.region}`,
    kind: 'client',
    context,
    ...(isFirst ? { parent: { spanId: webhook.spanId, isRemote: false } } : { link: webhook }),
    startMs: begunAt + startedMs,
    endMs: begunAt + endedMs,
    failed,
    attributes: {
      'http.request.method': what.method,
      'http.response.status_code': status,
      'server.address': address?.hostname,
      'server.port': address && Number(address.port || (address.protocol === 'https:' ? 443 : 80)),
      'error.type': failed ? (status?.toString() ?? record.result) : undefined,
      'silo.delivery': what.delivery,
      'silo.region': record.region,
      'silo.attempt': isFirst ? 1 : attempt.number,
      'silo.result': record.result,
      'silo.cause': record.cause,
      'silo.breaker': record.breaker,
      'silo.slot_ms': since(slotMs),
      'silo.sent_ms': since(sentMs),
      'silo.first_byte_ms': since(firstByteMs),
    },
  }
}

/** Of an answer that does not count as one. */
function statusOf(result: RegionResult): number | undefined {
  const isAnswer = result.kind === 'failed' && result.reason.startsWith('http_')
  return isAnswer ? Number(result.reason.slice('http_'.length)) : undefined
}

/** Where the value of `traceparent` stands in a flat list of headers; -1: nowhere. */
export function traceparentAt(headers: readonly string[]): number {
  return headers.findIndex((_, index) => index % 2 === 1 && headers[index - 1]?.toLowerCase() === 'traceparent')
}

/** What vendors have said of the webhook's trace is nothing that is known of another one. */
function withoutTracestate(headers: readonly string[]): readonly string[] {
  return headers.filter((_, index) => headers[index - (index % 2)]?.toLowerCase() !== 'tracestate')
}
