import type { Clock } from '../clock.ts'
import type { Settings } from '../config/environment.ts'
import { ConfigurationError } from '../config/required.ts'
import type { Ids } from '../ids.ts'
import type { Alarms } from './alarm.ts'
import type { Counters } from './counters.ts'
import { createSpanQueue } from './span-queue.ts'
import type { Tracing } from './span.ts'

export interface OpenTracing extends Tracing {
  /** Sends what there is, for up to 2 s, and lets go of the collector. Never rejects. */
  close(): Promise<void>
}

/**
 * Traces, where an endpoint says where they go. OpenTelemetry's packages are loaded then and only then. Throws like
 * `loadExporter`.
 */
export async function openTracing(
  settings: Pick<Settings, 'OTEL_EXPORTER_OTLP_ENDPOINT' | 'OTEL_EXPORTER_OTLP_HEADERS' | 'OTEL_SERVICE_NAME'>,
  parts: {
    readonly ids: Ids
    readonly instance: string
    readonly version: string
    readonly clock: Clock
    readonly counters: Counters
    readonly alarms: Alarms
  },
): Promise<OpenTracing | undefined> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers } = settings
  if (endpoint === undefined) return undefined
  const { createOtlpExporter } = await loadExporter()
  const { ids, instance, version } = parts
  const service = { name: settings.OTEL_SERVICE_NAME, version, instance }
  const exporter = createOtlpExporter({ endpoint: new URL(endpoint), headers: headers ?? {}, service })
  const queue = createSpanQueue({ ...parts, exportSpans: exporter.exportSpans })
  return {
    ids,
    ended: (span) => queue.add(span),
    async close() {
      await queue.close()
      exporter.close()
    },
  }
}

/** Throws a `ConfigurationError` where OpenTelemetry is not installed. */
export async function loadExporter() {
  try {
    return await import('./open-telemetry.ts')
  } catch (error) {
    const code: unknown = error instanceof Error && Reflect.get(error, 'code')
    if (code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new ConfigurationError([
      'OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed: npm install --include=optional, or take it out',
    ])
  }
}
