import type { Door, Peer, Provider, RequestHead } from '../provider.ts'
import { traceparentIn } from '../wire/clean-headers.ts'
import { sampledSpan, type Span, type SpanContext, type Tracing } from './span.ts'
import type { WebhookRecord } from './webhook-record.ts'

/** A webhook's span before it has ended. */
export interface BegunSpan {
  readonly context: SpanContext
  /** The caller's. */
  readonly parent: string | undefined
}

/** What a span tells of a webhook that its record does not. */
export interface WebhookAt {
  readonly provider: Pick<Provider, 'name'>
  readonly door: Door
  readonly head: Pick<RequestHead, 'method' | 'target' | 'rawHeaders'>
  readonly peer: Pick<Peer, 'proto'>
  /** Unix milliseconds of the first byte. */
  readonly receivedAt: number
}

/** A webhook can be routed to so many organizations that naming them all would cost more than it tells. */
const MOST_ORGANIZATIONS = 50
/** A proxy may say any other. */
const schemes = ['https', 'http'] as const
/** It is the provider's word, and nobody says how long that may be. */
const LONGEST_TYPE = 100

/** Goes on with the caller's trace; undefined where that is not recorded. Without one a new trace begins, and is. */
export function beginWebhookSpan(rawHeaders: readonly string[], { ids }: Pick<Tracing, 'ids'>): BegunSpan | undefined {
  const given = traceparentIn(rawHeaders)
  const spanId = ids.hex(8)
  if (given === undefined) return { context: { traceId: ids.hex(16), spanId }, parent: undefined }
  const caller = sampledSpan(given)
  return caller && { context: { ...caller, spanId }, parent: caller.spanId }
}

/** From the first byte to the answer. Attempts that go on longer are its children all the same. */
export function webhookSpan(
  { context, parent }: BegunSpan,
  { provider, door, head, peer, receivedAt }: WebhookAt,
  record: WebhookRecord,
): Span {
  // The path of a page holds its token; a webhook's is one of a few.
  const route = door.kind === 'webhook' ? head.target.replace(/\/?(?:\?.*)?$/s, '') : undefined
  const failed = record.status === undefined || record.status >= 500
  return {
    name: `${head.method} ${route ?? door.surface}`,
    kind: 'server',
    context,
    ...(parent !== undefined && { parent: { spanId: parent, isRemote: true } }),
    startMs: receivedAt,
    endMs: receivedAt + record.answeredMs,
    failed,
    attributes: {
      'http.request.method': head.method,
      'http.route': route,
      'url.path': route,
      'url.scheme': schemes.find((scheme) => scheme === peer.proto),
      'http.response.status_code': record.status,
      'error.type': failed
        ? (record.code ?? (record.status === undefined ? 'caller_gone' : record.outcome))
        : undefined,
      'silo.delivery': record.delivery,
      'silo.provider': provider.name,
      'silo.surface': record.surface,
      'silo.type': record.type?.slice(0, LONGEST_TYPE),
      'silo.outcome': record.outcome,
      'silo.rule': record.rule,
      'silo.verdict': record.verdict,
      'silo.integration': record.integration,
      'silo.organizations': record.organizations?.slice(0, MOST_ORGANIZATIONS),
      'silo.hint': record.hint,
      'silo.plan': record.plan,
      'silo.answered_from': record.answeredFrom,
    },
  }
}
