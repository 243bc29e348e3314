import type { Ids } from '../ids.ts'

/** Where a span stands: which trace it belongs to, and which of its spans it is. Lower-case hex. */
export interface SpanContext {
  readonly traceId: string
  readonly spanId: string
  /** Whoever began the trace says that its id is random enough to sample by (W3C Trace Context level 2). */
  readonly isRandom?: boolean
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
  const bits = Number.parseInt(flags, 16)
  return (bits & SAMPLED) === SAMPLED ? { traceId, spanId, isRandom: (bits & RANDOM) === RANDOM } : undefined
}

/** The `traceparent` by which others continue a span of ours. */
export function traceparentOf(context: SpanContext): string {
  return `00-${context.traceId}-${context.spanId}-0${flagsOf(context)}`
}

/** Of a span of ours, which is recorded. Flags that nobody knows are to be zero. */
export function flagsOf({ isRandom }: SpanContext): number {
  return isRandom === true ? SAMPLED | RANDOM : SAMPLED
}

const SAMPLED = 1
const RANDOM = 2
