import { describeConfiguration, readConfiguration, type ConfigurationReading } from '../config/configuration.ts'
import { ConfigurationError } from '../config/required.ts'
import { providers } from '../providers/index.ts'
import { loadExporter } from '../telemetry/open-tracing.ts'
import type { ExitCode, Process } from './process.ts'

export async function checkConfig(io: Process, options: { json?: true }): Promise<ExitCode> {
  const reading = await withInstalled(readConfiguration({ definitions: providers }))
  if (options.json === true) {
    const result = reading.ok
      ? {
          ok: true,
          faults: [],
          warnings: reading.configuration.warnings,
          configuration: describeConfiguration(reading.configuration),
        }
      : { ok: false, faults: reading.faults }
    io.stdout.write(`${JSON.stringify(result)}\n`)
    return reading.ok ? 0 : 2
  }
  if (!reading.ok) {
    for (const fault of reading.faults) io.stderr.write(`${fault}\n`)
    return 2
  }
  for (const warning of reading.configuration.warnings) io.stderr.write(`warning: ${warning}\n`)
  const names = reading.configuration.topology.regions.map((region) => region.name)
  io.stdout.write(`The configuration is valid. Regions in order of priority: ${names.join(', ')}.\n`)
  return 0
}

/** The start needs what it is configured to use. */
async function withInstalled(reading: ConfigurationReading): Promise<ConfigurationReading> {
  if (!reading.ok || reading.configuration.settings.OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return reading
  try {
    await loadExporter()
    return reading
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    return { ok: false, faults: error.faults, files: reading.configuration.files }
  }
}
