import { SpanKind, SpanStatusCode, type Attributes } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { ExportSpans } from './span-queue.ts'
import { flagsOf, type Span, type SpanContext } from './span.ts'

/** One export, tries included: three of them, about a second apart. */
const TIMEOUT_MS = 5000

const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL }

/**
 * Exports spans in OpenTelemetry's protocol (OTLP over HTTP, protobuf). Only spans that have ended come here, so that
 * of the SDK nothing is needed but what puts them on the wire.
 */
export function createOtlpExporter({
  endpoint,
  headers,
  service,
}: {
  /** Traces are sent to `v1/traces` below it. */
  readonly endpoint: URL
  readonly headers: Readonly<Record<string, string>>
  readonly service: { readonly name: string; readonly version: string; readonly instance: string }
}): { readonly exportSpans: ExportSpans; readonly close: () => void } {
  let closed = false
  const agent = new (endpoint.protocol === 'https:' ? HttpsAgent : HttpAgent)({ keepAlive: true })
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.href.replace(/\/$/, '')}/v1/traces`,
    // Asked before each try: none is made any more once nobody waits for it.
    headers: () => (closed ? Promise.reject(new Error('The exporter is closed')) : Promise.resolve({ ...headers })),
    timeoutMillis: TIMEOUT_MS,
    // Its own would leave connections open that nobody can close.
    httpAgentOptions: () => agent,
  })
  const resource = resourceFromAttributes({
    'service.name': service.name,
    'service.version': service.version,
    'service.instance.id': service.instance,
  })
  const instrumentationScope = { name: 'silo-gateway', version: service.version }

  const readable = (span: Span): ReadableSpan => {
    const context = contextOf(span.context)
    return {
      name: span.name,
      kind: kinds[span.kind],
      spanContext: () => context,
      ...(span.parent && {
        parentSpanContext: {
          ...contextOf({ traceId: span.context.traceId, spanId: span.parent.spanId }),
          isRemote: span.parent.isRemote,
        },
      }),
      startTime: timeOf(span.startMs),
      endTime: timeOf(span.endMs),
      duration: timeOf(span.endMs - span.startMs),
      status: { code: span.failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
      attributes: attributesOf(span),
      links: span.link ? [{ context: contextOf(span.link) }] : [],
      events: [],
      ended: true,
      resource,
      instrumentationScope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    }
  }

  return {
    exportSpans: (spans) =>
      new Promise((resolve, reject) => {
        exporter.export(spans.map(readable), ({ error }) => {
          if (error === undefined) resolve()
          else reject(new Error(reasonOf(error)))
        })
      }),
    close() {
      closed = true
      // A connection that was reset would be tried again; an error of ours is not.
      for (const sockets of Object.values(agent.sockets)) {
        for (const socket of sockets ?? []) socket.destroy(new Error('The exporter is closed'))
      }
      agent.destroy()
    },
  }
}

function contextOf(context: SpanContext) {
  return { traceId: context.traceId, spanId: context.spanId, traceFlags: flagsOf(context) }
}

/** Seconds and nanoseconds. */
function timeOf(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)]
}

function attributesOf({ attributes }: Span): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === 'object' ? [...value] : value]],
    ),
  )
}

/** Never the message: a collector may repeat there what it was sent. */
function reasonOf(error: Error): string {
  const code: unknown = Reflect.get(error, 'code')
  if (typeof code === 'number') return `http_${code}`
  if (typeof code === 'string') return code
  return error.message === 'Request timed out' ? 'timeout' : 'unavailable'
}
