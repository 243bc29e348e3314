import { startFakeRegion, type Answer } from './fake-region.ts'
import { readSpans, type CollectedSpan } from './otlp-spans.ts'

/** A collector of traces on a free port: takes OTLP over HTTP, as protobuf, and reads it. */
export interface Collector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string
  /** What it has taken, in the order in which it came. */
  readonly spans: CollectedSpan[]
  /** How many exports have come, taken or not. */
  exports(): number
  /** Of the last one. */
  lastUrl(): string | undefined
  headers(): Readonly<Record<string, unknown>>
  close(): Promise<void>
}

/** `answer` may refuse an export: then its spans are not taken. By default all are. */
export async function startCollector({ answer }: { readonly answer?: Answer } = {}): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const server = await startFakeRegion((res, request, req) => {
    if (answer !== undefined) return answer(res, request, req)
    if (request.method !== 'POST' || !request.url.endsWith('/v1/traces')) return void res.writeHead(404).end()
    if (request.headers['content-type'] !== 'application/x-protobuf') return void res.writeHead(415).end()
    spans.push(...readSpans(request.body))
    // An ExportTraceServiceResponse that says nothing is empty.
    res.writeHead(200, { 'Content-Type': 'application/x-protobuf' }).end()
  })
  return {
    url: server.url,
    spans,
    exports: () => server.requests.length,
    lastUrl: () => server.requests.at(-1)?.url,
    headers: () => server.requests.at(-1)?.headers ?? {},
    close: () => server.close(),
  }
}
