import { isIP } from 'node:net'
import { z } from 'zod'
import type { Database } from '../directory/store.ts'
import { readSpoolKeys } from '../spool/seal.ts'
import { readSigningKeys } from '../wire/signing-keys.ts'
import { parseTrustedProxies } from './trusted-proxies.ts'

/** What the core is told by the environment, checked and typed; keys are the variables' names. */
export type Settings = Readonly<z.output<typeof coreEnvironment>>

const week = 7 * 24 * 3_600_000

/** The core's variables, one by one; `coreEnvironment` adds what must hold between them. */
export const coreVariables = z.object({
  HOST: host().prefault('0.0.0.0').describe('Address of the public listener.'),
  PORT: wholeNumber(0, 65_535).prefault('8080').describe('Port of the public listener; `0` takes a free one.'),
  ADMIN_HOST: host()
    .prefault('127.0.0.1')
    .describe('Address of the admin listener. One that is not loopback needs `ADMIN_TOKEN`.'),
  ADMIN_PORT: wholeNumber(0, 65_535).prefault('8081').describe('Port of the admin listener; `0` takes a free one.'),
  ADMIN_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without blanks, since it travels in a header')
    .optional()
    .describe('Bearer token of the admin listener.'),
  TRUSTED_PROXIES: z
    .string()
    .prefault('')
    .transform((text, context) => {
      const proxies = parseTrustedProxies(text === '' ? [] : entriesOf(text))
      if (proxies !== undefined) return proxies
      context.addIssue('must be IP addresses or CIDR ranges, comma separated')
      return z.NEVER
    })
    .describe('Comma separated addresses and CIDR ranges whose `X-Forwarded-*` and identity header are believed.'),
  IDENTITY_HEADER: z
    .string()
    // RFC 9110, section 5.6.2: token.
    .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be the name of a header')
    // As Node names it in a request's headers.
    .toLowerCase()
    .prefault('X-Forwarded-User')
    .describe('Header in which a trusted proxy says who is signed in.'),
  REGIONS_FILE: z.string().prefault('regions.yaml').describe('The regions: see the keys below.'),
  DATABASE_URL: z
    .string()
    .prefault('sqlite:silo-gateway.db')
    .transform(toDatabase)
    .describe(
      'Where the directory and what waits are kept: `sqlite:` and the path of a file, `sqlite::memory:`, or a ' +
        '`postgres://` URL, with `pool_max` (10) and `statement_timeout_ms` (2000) among its parameters.',
    ),
  REDIS_URL: z
    .string()
    .refine(
      (text) => /^rediss?:$/.test(URL.parse(text)?.protocol ?? '') && /^\/?\d*$/.test(URL.parse(text)?.pathname ?? ''),
      'must be redis:// or rediss://, a host, and perhaps the number of a database: redis://user:password@host:6379/0',
    )
    .optional()
    .describe(
      'What the gateways of a fleet share: changes of the directory, duplicates, limits. Without it each is on its own.',
    ),
  RATE_LIMIT_PER_MINUTE: wholeNumber(1, 10_000_000)
    .optional()
    .describe(
      'Webhooks an integration may send within a minute. Beyond, events wait in their mailboxes, others get 429.',
    ),
  REGION_SIGNING_KEYS: keys(readSigningKeys).describe(
    '`id:base64secret`, comma separated: the keys that `signing_key` in the regions file names.',
  ),
  SPOOL_KEYS: keys(readSpoolKeys).describe(
    '`id:base64key` (32 bytes), comma separated, newest first: what waits for a region is encrypted with the first.',
  ),
  // Bodies are held in memory whole, which is what bounds these two.
  MAX_BODY_BYTES: wholeNumber(1, 67_108_864).prefault('1048576').describe('Largest webhook that is read.'),
  MAX_REPLY_BYTES: wholeNumber(1, 67_108_864).prefault('2097152').describe('Largest reply of a region that counts.'),
  CACHE_ENTRIES: wholeNumber(1, 10_000_000).prefault('100000').describe('Directory entries kept in memory.'),
  CACHE_FRESH_MS: wholeNumber(0, week)
    .prefault('30000')
    .describe('How long a directory entry is used as it is, `CACHE_HARD_MS` at the most.'),
  CACHE_HARD_MS: wholeNumber(0, week)
    .prefault('60000')
    .describe(
      'How long it is used while it is refreshed behind, `CACHE_STALE_MS` at the most; beyond, the directory is asked first.',
    ),
  CACHE_STALE_MS: wholeNumber(0, week)
    .prefault('86400000')
    .describe('How long it is still used when the directory cannot be asked.'),
  DEDUP_MAX_ENTRIES: wholeNumber(1, 10_000_000)
    .prefault('1000000')
    .describe(
      'Webhooks that are remembered, so that one that comes again is not carried out again. Each of two kinds takes 42 bytes for each of them, from the first seconds on.',
    ),
  SPOOL_MAX_AGE_HOURS: timeUpTo(720)
    .prefault('24')
    .describe('How long an event waits for its region before it is put with the dead letters.'),
  DEAD_LETTER_DAYS: timeUpTo(3650).prefault('30').describe('How long dead letters are kept.'),
  RECORD_BODIES: oneOf(['off', 'failures', 'all'])
    .prefault('off')
    .describe('Whose body is kept in the record of a delivery, without its secrets: `off`, `failures` or `all`.'),
  RECORD_DAYS: timeUpTo(3650).prefault('7').describe('How long records of deliveries are kept.'),
  RECORD_MAX_MB: wholeNumber(1, 1_000_000)
    .prefault('1024')
    .describe('Space for records of deliveries; beyond it the oldest are removed.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .string()
    .refine(isBaseUrl, 'must be http:// or https:// and a host, without credentials, query or fragment')
    .optional()
    .describe('Where traces are exported to: a collector that takes OTLP over HTTP, at `v1/traces` below this URL.'),
  OTEL_EXPORTER_OTLP_HEADERS: z
    .string()
    .transform(toHeaders)
    .optional()
    .describe('Headers of each export, such as a key: `name=value`, comma separated, values percent-encoded.'),
  OTEL_SERVICE_NAME: z.string().prefault('silo-gateway').describe('What the gateway is called in traces.'),
  DRAIN_DELAY_MS: wholeNumber(0, 600_000)
    .prefault('0')
    .describe(
      'How long connections are still accepted after SIGTERM, while ready answers 503. Less than `DRAIN_TIMEOUT_MS`.',
    ),
  DRAIN_TIMEOUT_MS: wholeNumber(0, 600_000)
    .prefault('10000')
    .describe('The process ends this long after, at the latest.'),
  SILO_MODE: oneOf(['CONTROL', 'REGION', 'MONOLITH'])
    .prefault('CONTROL')
    .describe('`REGION` and `MONOLITH`: the middleware passes everything on, and `serve` refuses to start.'),
  LOG_LEVEL: oneOf(['debug', 'info', 'warn', 'error', 'silent'])
    .prefault('info')
    .describe('`debug`, `info`, `warn`, `error` or `silent`.'),
  LOG_SAMPLE: z
    .string()
    .regex(/^(0|1|0?\.\d+|[01]\.0+)$/, 'must be a number from 0 to 1')
    .transform(Number)
    .prefault('1')
    .describe(
      'Share of successes that are logged, 0 to 1; failures always are, of webhooks that nobody signed 50 a second.',
    ),
})

/** A rule between variables is only asked where none of them is already at fault. */
const whenSound =
  (...names: (keyof typeof coreVariables.shape)[]) =>
  ({ issues }: z.core.ParsePayload) =>
    !issues.some((issue) => names.some((name) => issue.path?.[0] === name))

export const coreEnvironment = coreVariables
  .refine(({ ADMIN_HOST, ADMIN_TOKEN }) => ADMIN_TOKEN !== undefined || isLoopback(ADMIN_HOST), {
    path: ['ADMIN_TOKEN'],
    error: 'must be set, since ADMIN_HOST is not a loopback address',
    when: whenSound('ADMIN_HOST', 'ADMIN_TOKEN'),
  })
  // The delay is part of the time there is: nothing would ever be answered to its end.
  .refine(({ DRAIN_DELAY_MS, DRAIN_TIMEOUT_MS }) => DRAIN_DELAY_MS < DRAIN_TIMEOUT_MS, {
    path: ['DRAIN_DELAY_MS'],
    error: 'must be less than DRAIN_TIMEOUT_MS',
    when: whenSound('DRAIN_DELAY_MS', 'DRAIN_TIMEOUT_MS'),
  })

function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`
  return z
    .string()
    .regex(/^(0|[1-9]\d*)$/, message)
    .transform(Number)
    .pipe(z.number().min(least, message).max(most, message))
}

/** Of hours or days, which may be parts of one: 0.5. */
function timeUpTo(most: number) {
  const message = `must be a number above 0, at most ${most}`
  return z
    .string()
    .regex(/^(\d+(\.\d+)?|\.\d+)$/, message)
    .transform(Number)
    .pipe(z.number().gt(0, message).max(most, message))
}

/** None where it is not set. A fault names an entry by its place, for what it holds is a secret. */
function keys<Key>(
  read: (text: string) => { keys: readonly Key[]; faults: readonly { entry: number; reason: string }[] },
) {
  return z
    .string()
    .optional()
    .transform((text, context): readonly Key[] => {
      if (text === undefined) return []
      const { keys: found, faults } = read(text)
      for (const { entry, reason } of faults) context.addIssue(`entry ${entry} ${reason}`)
      return found
    })
}

function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, `must be one of ${words.join(', ')}`)
}

function host() {
  return z
    .string()
    .refine(
      (text) => isIP(text) !== 0 || /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(text),
      'must be an IP address or a host name',
    )
}

function isBaseUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) return false
  return `${url.username}${url.password}${url.search}${url.hash}` === ''
}

/** As OpenTelemetry writes them. A fault names an entry by its place, for what it holds may be a secret. */
function toHeaders(text: string, context: z.RefinementCtx): Readonly<Record<string, string>> {
  const entries = entriesOf(text).map((entry, at) => {
    const [, name = '', value = ''] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(.*)$/s.exec(entry) ?? []
    const decoded = percentDecoded(value)
    if (name === '' || decoded === undefined) context.addIssue(`entry ${at + 1} must be name=value, percent-encoded`)
    return [name, decoded ?? ''] as const
  })
  return Object.fromEntries(entries)
}

/** Undefined: it is not percent-encoded, or nothing that may stand in a header. */
function percentDecoded(text: string): string | undefined {
  try {
    const decoded = decodeURIComponent(text)
    return /^[\x20-\x7e]*$/.test(decoded) ? decoded : undefined
  } catch {
    return undefined
  }
}

function isLoopback(name: string): boolean {
  const loopback = parseTrustedProxies(['127.0.0.0/8', '::1'])
  return name.toLowerCase() === 'localhost' || loopback?.trusts(name) === true
}

function entriesOf(text: string): string[] {
  return text.split(',').map((entry) => entry.trim())
}

function toDatabase(text: string, context: z.RefinementCtx): Database {
  if (/^postgres(ql)?:/i.test(text)) return toPostgres(text, context)
  // A second slash would begin a host, which a file does not have: sqlite:///var/lib/gateway.db has an empty one.
  const path = /^sqlite:(?:\/\/(?=\/)|(?!\/\/))(.+)$/.exec(text)?.[1]
  if (path !== undefined) return { kind: 'sqlite', path }
  context.addIssue('must be sqlite: and the path of a file, or a postgres:// URL')
  return z.NEVER
}

function toPostgres(text: string, context: z.RefinementCtx): Database {
  const url = URL.parse(text)
  if (url === null || url.pathname.length < 2) {
    context.addIssue('must be postgres://user:password@host:port/database')
    return z.NEVER
  }
  const taken = (name: string, standard: number): number => {
    const given = url.searchParams.get(name)
    url.searchParams.delete(name)
    if (given === null) return standard
    if (!/^[1-9]\d{0,5}$/.test(given)) context.addIssue(`${name} must be a whole number from 1`)
    return Number(given)
  }
  const poolMax = taken('pool_max', 10)
  const statementTimeoutMs = taken('statement_timeout_ms', 2000)
  return { kind: 'postgres', url: url.href, poolMax, statementTimeoutMs }
}
