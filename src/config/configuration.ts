import { isDeepStrictEqual } from 'node:util'
import type { ProviderDefinition } from '../provider.ts'
import { readRegions, type RegionsReading, type Topology } from '../regions/regions.ts'
import type { SigningKey } from '../wire/signature.ts'
import { coreEnvironment, coreVariables, type Settings } from './environment.ts'
import { readNamedFile, readVariables, textIn, variableFiles, type Environment } from './read-variables.ts'

/** A provider and what it is told: `definition.create({ environment, rules }, parts)`. */
export interface ConfiguredProvider {
  readonly definition: ProviderDefinition
  readonly environment: Record<string, unknown>
  readonly rules: unknown
}

/** Everything the gateway is told from outside, checked as a whole. */
export interface Configuration {
  readonly settings: Settings
  readonly topology: Topology
  readonly providers: readonly ConfiguredProvider[]
  /** Every file that was read: a change of one of them is a change of the configuration. */
  readonly files: readonly string[]
  /** What works but should not stay: to be logged by whoever starts or reloads. */
  readonly warnings: readonly string[]
}

export type ConfigurationReading =
  | { readonly ok: true; readonly configuration: Configuration }
  /** With its files, as far as they are named: whoever mends one of them wants it to be read again. */
  | { readonly ok: false; readonly faults: readonly string[]; readonly files: readonly string[] }

/**
 * Reads the environment and the files it names. Faults are complete and ready to print, one line each: `NAME message`
 * for a variable, `FILE:LINE:COL path message` for the regions file. Keeps nothing between calls and blocks while it
 * reads, so it is for the start and for a reload.
 */
export function readConfiguration(source: {
  readonly definitions: readonly ProviderDefinition[]
  readonly env?: Environment
}): ConfigurationReading {
  const { definitions, env = process.env } = source
  const core = readVariables(coreEnvironment, env)
  const environments = definitions.map((definition) => ({ definition, ...readVariables(definition.environment, env) }))
  const keys = readVariables(coreVariables.pick({ REGION_SIGNING_KEYS: true }), env)
  // Keys that are at fault themselves are not looked up: one fault is enough.
  const files = new Set(variableFiles([coreVariables, ...definitions.map(({ environment }) => environment)], env))
  const readFile = (path: string) => {
    files.add(path)
    return readNamedFile(path)
  }
  const regions = readRegionsFile(definitions, env, readFile, keys.ok ? keys.values.REGION_SIGNING_KEYS : undefined)

  const faults = [core, ...environments, regions].flatMap((reading) => (reading?.ok === false ? reading.faults : []))
  if (!core.ok || regions?.ok !== true || faults.length > 0) {
    return { ok: false, faults: faults.map(onOneLine), files: [...files] }
  }
  return {
    ok: true,
    configuration: Object.freeze({
      settings: Object.freeze(core.values),
      topology: regions.topology,
      providers: environments.flatMap((reading) =>
        reading.ok
          ? [
              {
                definition: reading.definition,
                environment: reading.values,
                rules: regions.rules.get(reading.definition.name),
              },
            ]
          : [],
      ),
      files: [...files],
      warnings: [
        ...weakKeys(core.values.REGION_SIGNING_KEYS),
        ...(core.values.SPOOL_KEYS.length === 0 ? [UNENCRYPTED] : []),
        ...regions.warnings,
      ],
    }),
  }
}

/** The regions file alone, for a command that needs no more; whether a `signing_key` is known is not asked. */
export function readTopology(source: {
  readonly definitions: readonly ProviderDefinition[]
  readonly env?: Environment
}): RegionsReading {
  const reading = readRegionsFile(source.definitions, source.env ?? process.env, readNamedFile, undefined)
  return reading ?? { ok: false, faults: ['REGIONS_FILE names no file'] }
}

/** Undefined: the variable that names the file is itself at fault. A fault in any other variable does not hide those here. */
function readRegionsFile(
  definitions: readonly ProviderDefinition[],
  env: Environment,
  readFile: (path: string) => Buffer,
  signingKeys: readonly SigningKey[] | undefined,
): RegionsReading | undefined {
  const named = readVariables(coreVariables.pick({ REGIONS_FILE: true }), env)
  if (!named.ok) return undefined
  const file = named.values.REGIONS_FILE
  let text
  try {
    text = textIn(readFile(file), file)
  } catch (error) {
    const message = error instanceof Error ? error.message : 'cannot be read'
    return { ok: false, faults: [`REGIONS_FILE ${message}`] }
  }
  return readRegions(text, {
    file,
    sections: definitions,
    signingKeys,
    readFile,
  })
}

/** 128 bits: below that the key, not HMAC-SHA-256, is what an attacker would search. */
const SHORT_SECRET_BYTES = 16

function weakKeys(keys: readonly SigningKey[]): string[] {
  return keys
    .filter(({ secret }) => secret.length < SHORT_SECRET_BYTES)
    .map(
      ({ id }) =>
        `REGION_SIGNING_KEYS: the secret of ${id} has less than ${SHORT_SECRET_BYTES} bytes, make a longer one`,
    )
}

const UNENCRYPTED = 'SPOOL_KEYS is not set: what waits for a region is stored unencrypted'

/** Names and paths come from outside, and a fault is promised to be one line. */
function onOneLine(fault: string): string {
  return fault.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
}

/** Opened or decided once, at the start. Whoever reads any other setting reads it from the configuration in effect. */
const fixedAtStart = [
  'HOST',
  'PORT',
  'ADMIN_HOST',
  'ADMIN_PORT',
  'DATABASE_URL',
  'REDIS_URL',
  'CACHE_ENTRIES',
  'CACHE_FRESH_MS',
  'CACHE_HARD_MS',
  'CACHE_STALE_MS',
  'DEDUP_MAX_ENTRIES',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_SERVICE_NAME',
  'SILO_MODE',
  'LOG_LEVEL',
] as const satisfies readonly (keyof Settings)[]

/** The variables whose change since the start a reload cannot put into effect. */
export function changedButFixed(atStart: Settings, now: Settings): string[] {
  return fixedAtStart.filter((name) => !isDeepStrictEqual(atStart[name], now[name]))
}

// By name rather than by a mark in the schema, which a provider could forget to set.
const secret = /(?:SECRET|TOKEN|KEY|PASSWORD)S?$|_HEADERS$/

/** The effective configuration for the log line of a start or reload; of a secret only whether it is set. */
export function describeConfiguration({ settings, topology, providers }: Configuration): Record<string, unknown> {
  const described: Record<string, unknown> = {}
  const describe = (name: string, value: unknown) => {
    described[name] = secret.test(name) || value === undefined ? presence(value) : value
  }
  const { DATABASE_URL: database, REDIS_URL: redis } = settings
  for (const name of coreVariables.keyof().options) describe(name, settings[name])
  if (database.kind === 'postgres') describe('DATABASE_URL', { ...database, url: withoutCredentials(database.url) })
  if (redis !== undefined) describe('REDIS_URL', withoutCredentials(redis))
  for (const { definition, environment } of providers) {
    for (const name of Object.keys(definition.environment.shape)) describe(name, environment[name])
  }
  described.regions = topology.regions.map(({ signingKey, tls, address, ...region }) => ({
    ...region,
    address: address.href,
    signing_key: signingKey?.id ?? 'not set',
    tls: presence(tls),
  }))
  return described
}

/** Where a server is; who signs in there, and with which password, may also stand in the query. */
function withoutCredentials(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

function presence(value: unknown): 'set' | 'not set' {
  return value === undefined || (Array.isArray(value) && value.length === 0) ? 'not set' : 'set'
}
