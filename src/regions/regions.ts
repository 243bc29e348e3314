import { X509Certificate } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { z } from 'zod'
import type { SigningKey } from '../wire/signature.ts'
import { faultsOf, readLocatedYaml, yamlWords, type YamlFault } from './located-yaml.ts'

/** One isolated region, as `regions.yaml` describes it. */
export type Region = Readonly<z.output<ReturnType<typeof regionSchema>>>

/** The regions in the order of the file, which is their priority. */
export interface Topology {
  readonly regions: readonly Region[]
  readonly byName: ReadonlyMap<string, Region>
}

/** A provider's own section: its key in the file, and the schema that judges it. */
export interface RulesSection {
  readonly name: string
  readonly rules: z.ZodType
}

export interface RegionsSource {
  /** The name shown in faults; files named inside are found from its folder. */
  readonly file: string
  readonly sections: readonly RulesSection[]
  /** Undefined: not known, so a `signing_key` is not looked up. */
  readonly signingKeys: readonly SigningKey[] | undefined
  /** Throws an error whose message is fit for a fault line. */
  readonly readFile: (path: string) => Buffer
}

export type RegionsReading =
  | {
      readonly ok: true
      readonly topology: Topology
      /** The output of each section's schema, by the section's name. */
      readonly rules: ReadonlyMap<string, unknown>
      readonly warnings: readonly string[]
    }
  | { readonly ok: false; readonly faults: readonly string[] }

/** Reads `regions.yaml`. Every fault is a line `FILE:LINE:COL path message`; a file with one fault gives no topology. */
export function readRegions(text: string, source: RegionsSource): RegionsReading {
  const yaml = readLocatedYaml(text, source.file)
  if (!yaml.ok) return yaml
  const parsed = regionsFileSchema(source).safeParse(yaml.value, { error: yamlWords })
  const faults = [...faultsOf(parsed.error?.issues ?? []), ...repeatedNames(yaml.value)]
  if (!parsed.success || faults.length > 0) return { ok: false, faults: yaml.render(faults) }
  const { version: _, regions, ...sections } = parsed.data
  return {
    ok: true,
    topology: Object.freeze({
      regions: Object.freeze(regions),
      byName: new Map(regions.map((region) => [region.name, region])),
    }),
    rules: new Map(Object.entries(sections)),
    warnings: regions.flatMap(warningsAbout),
  }
}

/** The whole file. A section that is absent, or holds nothing but comments, has its provider's defaults. */
export function regionsFileSchema(source: RegionsSource) {
  const sections: Record<string, z.ZodType> = {}
  for (const { name, rules } of source.sections) sections[name] = z.preprocess((value) => value ?? {}, rules)
  return z.strictObject({
    version: z.literal(1).describe('The version of this file’s format: `1`.'),
    regions: z
      .array(regionSchema(source))
      .min(1, 'must hold at least one region')
      .describe('The regions. Their order is their priority.'),
    ...sections,
  })
}

function regionSchema(source: Pick<RegionsSource, 'file' | 'signingKeys' | 'readFile'>) {
  return z
    .strictObject({
      name: z
        .string()
        .regex(/^[a-z][a-z0-9-]*$/, 'must be lower-case letters, digits and hyphens, and begin with a letter')
        .describe('Unique. `[a-z][a-z0-9-]*`.'),
      address: z
        .string()
        .transform(toAddress)
        .describe('http(s) base URL. A path prefix is kept; no credentials, query or fragment.'),
      category: z
        .enum(['multi_tenant', 'single_tenant'])
        .prefault('multi_tenant')
        .describe('`multi_tenant` or `single_tenant`.'),
      state: z
        .enum(['active', 'draining', 'down'])
        .prefault('active')
        .describe('`active`, `draining` (is sent only what waits for it) or `down` (is sent nothing).'),
      signing_key: z
        .string()
        .transform((id, context) => {
          if (source.signingKeys === undefined) return undefined
          const key = source.signingKeys.find((candidate) => candidate.id === id)
          if (key === undefined) context.addIssue('is not the id of a key in REGION_SIGNING_KEYS')
          return key
        })
        .optional()
        .describe('The id in `REGION_SIGNING_KEYS` that signs towards it. Without one, requests go unsigned.'),
      // Each request in flight holds a local port, and there are 65535 of those.
      max_concurrency: wholeNumber(1, 65_535).prefault(256).describe('Requests in flight to this region.'),
      max_queue: wholeNumber(0, 1_000_000)
        .prefault(1024)
        .describe(
          'Requests waiting beyond that, interactive before events before mailboxes; more are refused at once.',
        ),
      timeout_ms: wholeNumber(1, 600_000)
        .prefault(10_000)
        .describe('Milliseconds one attempt may take outside the provider’s budget.'),
      breaker: breakerSchema().prefault({}).describe('When the region is no longer asked, and when it is tried again.'),
      idempotent: z
        .boolean()
        .prefault(false)
        .describe('`true`: the region honours `Idempotency-Key`, so interactive requests may be sent to it again.'),
      // The most is one TiB.
      max_spool_mb: numberUpTo(1_048_576)
        .prefault(1024)
        .describe('MiB that may wait for this region; beyond, its events are answered 503.'),
      tls: tlsSchema(source).optional().describe('Private CA and mutual TLS, for an https address.'),
    })
    .transform((region) =>
      Object.freeze({
        name: region.name,
        address: region.address,
        category: region.category,
        state: region.state,
        signingKey: region.signing_key,
        maxConcurrency: region.max_concurrency,
        maxQueue: region.max_queue,
        timeoutMs: region.timeout_ms,
        breaker: region.breaker,
        idempotent: region.idempotent,
        maxSpoolBytes: Math.ceil(region.max_spool_mb * 1_048_576),
        tls: region.tls,
      }),
    )
}

function breakerSchema() {
  const anHour = 3_600_000
  return z
    .strictObject({
      failure_rate: numberUpTo(1).prefault(0.5).describe('The share of calls that must have failed for it to open.'),
      minimum_calls: wholeNumber(1, 1_000_000).prefault(20).describe('With fewer calls in the window it stays closed.'),
      window_ms: wholeNumber(1, anHour).prefault(10_000).describe('How far back calls are counted.'),
      open_ms: wholeNumber(1, anHour)
        .prefault(5000)
        .describe('How long calls are refused until one is let through to try.'),
    })
    .transform((breaker) =>
      Object.freeze({
        failureRate: breaker.failure_rate,
        minimumCalls: breaker.minimum_calls,
        windowMs: breaker.window_ms,
        openMs: breaker.open_ms,
      }),
    )
}

function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`
  return z.int(message).min(least, message).max(most, message)
}

function numberUpTo(most: number) {
  const message = `must be a number above 0, at most ${most}`
  return z.number(message).positive(message).max(most, message)
}

function toAddress(text: string, context: z.RefinementCtx): URL {
  // URL.parse alone would also take blanks around it, backslashes, and a scheme without slashes.
  const url = /^https?:\/\/[^/\s\\][^\s\\]*$/i.test(text) ? URL.parse(text) : null
  if (url === null) {
    context.addIssue('must be a URL that begins with http:// or https://')
    return z.NEVER
  }
  if (/^[^/]*\/\/[^/?#]*@/.test(text)) context.addIssue('must not hold credentials')
  if (text.includes('?') || text.includes('#')) context.addIssue('must not hold a query or fragment')
  url.pathname = url.pathname.replace(/\/+$/, '')
  return url
}

function tlsSchema({ file, readFile }: Pick<RegionsSource, 'file' | 'readFile'>) {
  const contents = (what: string) =>
    z
      .string()
      .min(1, 'must be the path of a file')
      .transform((path, context) => {
        try {
          return readFile(resolve(dirname(file), path))
        } catch (error) {
          context.addIssue(error instanceof Error ? error.message : 'cannot be read')
          return z.NEVER
        }
      })
      .optional()
      .describe(`${what} (PEM), looked for from the folder of this file.`)
  return z
    .strictObject({
      ca_file: contents('The certificate authority that signs the region’s certificate'),
      cert_file: contents('The gateway’s certificate'),
      key_file: contents('The private key of `cert_file`'),
    })
    .transform(({ ca_file: ca, cert_file: cert, key_file: key }, context) => {
      if ((cert === undefined) !== (key === undefined))
        context.addIssue('must hold both cert_file and key_file, or neither')
      else {
        try {
          // A secure context takes any bytes as `ca` and trusts nothing; only reading it as a certificate tells.
          if (ca !== undefined) new X509Certificate(ca).subject.trim()
          createSecureContext({ ca, cert, key })
        } catch {
          context.addIssue('holds files that are not PEM certificates and keys that belong together')
        }
      }
      return Object.freeze({ ca, cert, key })
    })
}

const namesIn = z.object({ regions: z.array(z.object({ name: z.unknown() }).catch({ name: undefined })) })

/** Read from the raw file, so that a fault elsewhere in a region does not hide that its name is taken. */
function repeatedNames(value: unknown): YamlFault[] {
  const names = (namesIn.safeParse(value).data?.regions ?? []).map((region) => region.name)
  return names.flatMap((name, index): YamlFault[] => {
    const first = names.indexOf(name)
    if (typeof name !== 'string' || first === index) return []
    return [{ path: ['regions', index, 'name'], message: `is already the name of regions[${first}]`, at: 'value' }]
  })
}

function warningsAbout(region: Region): string[] {
  const warnings = []
  if (region.signingKey === undefined) {
    warnings.push(`region ${region.name} has no signing_key: requests to it go unsigned`)
  }
  if (region.tls !== undefined && region.address.protocol === 'http:') {
    warnings.push(`region ${region.name} has an http address: its tls files are not used`)
  }
  return warnings
}
