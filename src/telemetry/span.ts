import type { Ids } from '../ids.ts'

/** Where a span stands: which trace it belongs to, and which of its spans it is. Lower-case hex. */
export interface SpanContext {
  readonly traceId: string
  readonly spanId: string
}

/** Something that took time and is over, to be shown beside what others did of the same trace. */
export interface Span {
  readonly name: string
  readonly kind: 'server' | 'client' | 'internal'
  readonly context: SpanContext
  /** The span that it is a part of, in the same trace. */
  readonly parent?: { readonly spanId: string; readonly isRemote: boolean }
  /** One of another trace that it goes back to. */
  readonly link?: SpanContext
  /** Unix milliseconds, with fractions. */
  readonly startMs: number
  readonly endMs: number
  /** What is undefined is left out. Nothing here may be a secret, nor a text that callers choose at any length. */
  readonly attributes: Readonly<Record<string, string | number | readonly string[] | undefined>>
  readonly failed: boolean
}

/** Where spans go. */
export interface Tracing {
  readonly ids: Pick<Ids, 'hex'>
  /** Takes a span that has ended. Never throws, and nothing waits for it. */
  ended(span: Span): void
}

/** The span that a valid `traceparent` names, if whoever began its trace has it recorded. */
export function sampledSpan(traceparent: string): SpanContext | undefined {
  const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-')
  return (Number.parseInt(flags, 16) & 1) === 1 ? { traceId, spanId } : undefined
}

/** The `traceparent` by which others continue a span of ours. */
export function traceparentOf({ traceId, spanId }: SpanContext): string {
  return `00-${traceId}-${spanId}-01`
}
