import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { coreEnvironment, coreVariables } from '../../../src/config/environment.ts'
import { readVariables, type Environment } from '../../../src/config/read-variables.ts'

const folder = mkdtempSync(join(tmpdir(), 'environment-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
function fileWith(contents: string | Buffer): string {
  files += 1
  const path = join(folder, String(files))
  writeFileSync(path, contents)
  return path
}

function faultsOf(env: Environment): readonly string[] {
  const reading = readVariables(coreEnvironment, env)
  return reading.ok ? [] : reading.faults
}

function valuesOf(env: Environment) {
  const reading = readVariables(coreEnvironment, env)
  if (!reading.ok) throw new Error(reading.faults.join('\n'))
  return reading.values
}

const bytes = (count: number) => Buffer.alloc(count, 7).toString('base64')

const NO_BASE_URL = 'must be http:// or https:// and a host, without credentials, query or fragment'

describe('the environment', () => {
  it('has the defaults of the contract where nothing is set', () => {
    expect(valuesOf({})).toEqual({
      HOST: '0.0.0.0',
      PORT: 8080,
      ADMIN_HOST: '127.0.0.1',
      ADMIN_PORT: 8081,
      TRUSTED_PROXIES: { ranges: [], trusts: expect.any(Function) },
      IDENTITY_HEADER: 'x-forwarded-user',
      REGIONS_FILE: 'regions.yaml',
      DATABASE_URL: { kind: 'sqlite', path: 'silo-gateway.db' },
      REGION_SIGNING_KEYS: [],
      SPOOL_KEYS: [],
      MAX_BODY_BYTES: 1_048_576,
      MAX_REPLY_BYTES: 2_097_152,
      CACHE_ENTRIES: 100_000,
      CACHE_FRESH_MS: 30_000,
      CACHE_HARD_MS: 60_000,
      CACHE_STALE_MS: 86_400_000,
      DEDUP_MAX_ENTRIES: 1_000_000,
      SPOOL_MAX_AGE_HOURS: 24,
      DEAD_LETTER_DAYS: 30,
      RECORD_BODIES: 'off',
      RECORD_DAYS: 7,
      RECORD_MAX_MB: 1024,
      OTEL_SERVICE_NAME: 'silo-gateway',
      DRAIN_DELAY_MS: 0,
      DRAIN_TIMEOUT_MS: 10_000,
      SILO_MODE: 'CONTROL',
      LOG_LEVEL: 'info',
      LOG_SAMPLE: 1,
    })
  })

  it.each([
    ['HOST', '::', '::'],
    ['HOST', 'gateway-1.internal', 'gateway-1.internal'],
    ['PORT', '0', 0],
    ['PORT', '65535', 65_535],
    ['ADMIN_HOST', '::1', '::1'],
    ['ADMIN_HOST', '127.8.0.1', '127.8.0.1'],
    ['ADMIN_HOST', 'localhost', 'localhost'],
    ['ADMIN_HOST', '::ffff:127.0.0.1', '::ffff:127.0.0.1'],
    ['ADMIN_TOKEN', 'tok-en', 'tok-en'],
    ['IDENTITY_HEADER', 'X-Auth-Request-Email', 'x-auth-request-email'],
    ['DATABASE_URL', 'sqlite::memory:', { kind: 'sqlite', path: ':memory:' }],
    ['DATABASE_URL', 'sqlite:/var/lib/gateway.db', { kind: 'sqlite', path: '/var/lib/gateway.db' }],
    ['DATABASE_URL', 'sqlite:///var/lib/gateway.db', { kind: 'sqlite', path: '/var/lib/gateway.db' }],
    [
      'DATABASE_URL',
      'postgres://u:p@db/gateway',
      { kind: 'postgres', url: 'postgres://u:p@db/gateway', poolMax: 10, statementTimeoutMs: 2000 },
    ],
    [
      'DATABASE_URL',
      'postgresql://db/gateway?pool_max=3&sslmode=require&statement_timeout_ms=500',
      { kind: 'postgres', url: 'postgresql://db/gateway?sslmode=require', poolMax: 3, statementTimeoutMs: 500 },
    ],
    ['CACHE_FRESH_MS', '0', 0],
    ['CACHE_HARD_MS', '500', 500],
    ['CACHE_STALE_MS', '1000', 1000],
    ['SPOOL_MAX_AGE_HOURS', '0.5', 0.5],
    ['DEAD_LETTER_DAYS', '.25', 0.25],
    ['RECORD_DAYS', '1', 1],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'https://otel.internal:4318/otlp', 'https://otel.internal:4318/otlp'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'x-key=hush', { 'x-key': 'hush' }],
    [
      'OTEL_EXPORTER_OTLP_HEADERS',
      'authorization=Basic%20aHVzaA==, x-dataset = a%2Cb',
      { authorization: 'Basic aHVzaA==', 'x-dataset': 'a,b' },
    ],
    ['OTEL_SERVICE_NAME', 'gateway-eu', 'gateway-eu'],
    ['SILO_MODE', 'MONOLITH', 'MONOLITH'],
    ['LOG_LEVEL', 'silent', 'silent'],
    ['LOG_SAMPLE', '0', 0],
    ['LOG_SAMPLE', '0.25', 0.25],
    ['LOG_SAMPLE', '.5', 0.5],
    ['LOG_SAMPLE', '1.0', 1],
  ] as const)('reads %s=%s', (name, text, value) => {
    expect(valuesOf({ [name]: text })[name]).toEqual(value)
  })

  it.each([
    ['HOST', 'two words', 'must be an IP address or a host name'],
    ['HOST', '[::1]', 'must be an IP address or a host name'],
    ['PORT', 'abc', 'must be a whole number from 0 to 65535'],
    ['PORT', '-1', 'must be a whole number from 0 to 65535'],
    ['PORT', '70000', 'must be a whole number from 0 to 65535'],
    ['PORT', '8080.0', 'must be a whole number from 0 to 65535'],
    ['PORT', '0x50', 'must be a whole number from 0 to 65535'],
    ['PORT', '1e3', 'must be a whole number from 0 to 65535'],
    ['PORT', ' 80', 'must be a whole number from 0 to 65535'],
    ['PORT', '080', 'must be a whole number from 0 to 65535'],
    ['PORT', '', 'is empty: give it a value or take it out'],
    ['ADMIN_PORT', '65536', 'must be a whole number from 0 to 65535'],
    ['ADMIN_TOKEN', '', 'is empty: give it a value or take it out'],
    ['ADMIN_TOKEN', '  ', 'is empty: give it a value or take it out'],
    ['ADMIN_TOKEN', 'two words', 'must be printable ASCII without blanks, since it travels in a header'],
    ['TRUSTED_PROXIES', 'proxy.internal', 'must be IP addresses or CIDR ranges, comma separated'],
    ['TRUSTED_PROXIES', '10.0.0.0/33', 'must be IP addresses or CIDR ranges, comma separated'],
    ['TRUSTED_PROXIES', '::/129', 'must be IP addresses or CIDR ranges, comma separated'],
    ['TRUSTED_PROXIES', '10.0.0.0/', 'must be IP addresses or CIDR ranges, comma separated'],
    ['TRUSTED_PROXIES', '10.0.0.1,', 'must be IP addresses or CIDR ranges, comma separated'],
    ['TRUSTED_PROXIES', '10.1', 'must be IP addresses or CIDR ranges, comma separated'],
    ['IDENTITY_HEADER', 'X Forwarded User', 'must be the name of a header'],
    ['IDENTITY_HEADER', 'User:', 'must be the name of a header'],
    ['REGIONS_FILE', '', 'is empty: give it a value or take it out'],
    ['DATABASE_URL', 'postgres://db:port/gateway', 'must be postgres://user:password@host:port/database'],
    ['DATABASE_URL', 'postgres://u:p@db/gateway?pool_max=0', 'pool_max must be a whole number from 1'],
    [
      'DATABASE_URL',
      'postgres://u:p@db/gateway?statement_timeout_ms=2s',
      'statement_timeout_ms must be a whole number from 1',
    ],
    ['DATABASE_URL', 'gateway.db', 'must be sqlite: and the path of a file, or a postgres:// URL'],
    ['DATABASE_URL', 'sqlite:', 'must be sqlite: and the path of a file, or a postgres:// URL'],
    ['DATABASE_URL', 'sqlite://host/gateway.db', 'must be sqlite: and the path of a file, or a postgres:// URL'],
    ['MAX_BODY_BYTES', '0', 'must be a whole number from 1 to 67108864'],
    ['MAX_REPLY_BYTES', '2MB', 'must be a whole number from 1 to 67108864'],
    ['CACHE_ENTRIES', '0', 'must be a whole number from 1 to 10000000'],
    ['DEDUP_MAX_ENTRIES', '0', 'must be a whole number from 1 to 10000000'],
    ['SPOOL_MAX_AGE_HOURS', '720.1', 'must be a number above 0, at most 720'],
    ['SPOOL_MAX_AGE_HOURS', '0.0', 'must be a number above 0, at most 720'],
    ['SPOOL_MAX_AGE_HOURS', '1h', 'must be a number above 0, at most 720'],
    ['SPOOL_MAX_AGE_HOURS', '-1', 'must be a number above 0, at most 720'],
    ['DEAD_LETTER_DAYS', '0', 'must be a number above 0, at most 3650'],
    ['RECORD_BODIES', 'some', 'must be one of off, failures, all'],
    ['RECORD_DAYS', '0', 'must be a number above 0, at most 3650'],
    ['RECORD_MAX_MB', '0', 'must be a whole number from 1 to 1000000'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'otel.internal:4318', NO_BASE_URL],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'grpc://otel.internal:4317', NO_BASE_URL],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://user:hush@otel.internal:4318', NO_BASE_URL],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://otel.internal:4318/?key=hush', NO_BASE_URL],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'hush', 'entry 1 must be name=value, percent-encoded'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'x-key=hush,', 'entry 2 must be name=value, percent-encoded'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'x key=hush', 'entry 1 must be name=value, percent-encoded'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'x-key=100%', 'entry 1 must be name=value, percent-encoded'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'x-key=hush%0d%0ax-more=1', 'entry 1 must be name=value, percent-encoded'],
    ['DRAIN_DELAY_MS', '600001', 'must be a whole number from 0 to 600000'],
    ['DRAIN_TIMEOUT_MS', '-1', 'must be a whole number from 0 to 600000'],
    ['SILO_MODE', 'control', 'must be one of CONTROL, REGION, MONOLITH'],
    ['LOG_LEVEL', 'verbose', 'must be one of debug, info, warn, error, silent'],
    ['LOG_SAMPLE', '1.5', 'must be a number from 0 to 1'],
    ['LOG_SAMPLE', '10%', 'must be a number from 0 to 1'],
    ['LOG_SAMPLE', '-0.1', 'must be a number from 0 to 1'],
  ])('refuses %s=%j: it %s', (name, text, message) => {
    expect(faultsOf({ [name]: text })).toEqual([`${name} ${message}`])
  })

  it('has every fault reported at once, rules between variables too', () => {
    expect(
      faultsOf({
        PORT: 'x',
        SILO_MODE: 'x',
        ADMIN_HOST: '0.0.0.0',
        DRAIN_DELAY_MS: '5000',
        DRAIN_TIMEOUT_MS: '5000',
      }),
    ).toEqual([
      'PORT must be a whole number from 0 to 65535',
      'SILO_MODE must be one of CONTROL, REGION, MONOLITH',
      'ADMIN_TOKEN must be set, since ADMIN_HOST is not a loopback address',
      'DRAIN_DELAY_MS must be less than DRAIN_TIMEOUT_MS',
    ])
  })

  it('takes the delay of the image beside the timeout it has by default', () => {
    expect(faultsOf({ DRAIN_DELAY_MS: '5000' })).toEqual([])
    expect(faultsOf({ DRAIN_DELAY_MS: '5000', DRAIN_TIMEOUT_MS: '5001' })).toEqual([])
  })

  it.each(['0.0.0.0', '::', '10.0.0.1', 'admin.internal', '128.0.0.1'])(
    'needs a token where the admin listener is on %s',
    (host) => {
      expect(faultsOf({ ADMIN_HOST: host })).toEqual([
        'ADMIN_TOKEN must be set, since ADMIN_HOST is not a loopback address',
      ])
      expect(faultsOf({ ADMIN_HOST: host, ADMIN_TOKEN: 'token' })).toEqual([])
    },
  )

  it('does not judge a pair of which one is already at fault', () => {
    expect(faultsOf({ ADMIN_HOST: 'two words' })).toEqual(['ADMIN_HOST must be an IP address or a host name'])
    expect(faultsOf({ DRAIN_DELAY_MS: 'x', DRAIN_TIMEOUT_MS: '0' })).toEqual([
      'DRAIN_DELAY_MS must be a whole number from 0 to 600000',
    ])
  })
})

describe('REGION_SIGNING_KEYS', () => {
  it('holds ids and secrets', () => {
    expect(
      valuesOf({ REGION_SIGNING_KEYS: `eu-2026:${bytes(32)}, us.1:${bytes(16).replaceAll('=', '')}` }),
    ).toMatchObject({
      REGION_SIGNING_KEYS: [
        { id: 'eu-2026', secret: Buffer.alloc(32, 7) },
        { id: 'us.1', secret: Buffer.alloc(16, 7) },
      ],
    })
  })

  it.each([
    ['a secret without an id', bytes(32), 'entry 1 must be id:base64secret'],
    ['an id without a secret', 'eu:', 'entry 1 must be id:base64secret'],
    ['a secret that is not base64', 'eu:s3cret!s3cret!s3cret!', 'entry 1 must be id:base64secret'],
    ['a secret that is cut off', `eu:${bytes(33)}A`, 'entry 1 must be id:base64secret'],
    ['an empty entry', `eu:${bytes(32)},`, 'entry 2 must be id:base64secret'],
    ['an id twice', `eu:${bytes(32)},eu:${bytes(33)}`, 'entry 2 repeats the id of entry 1'],
  ])('refuses %s', (_, text, message) => {
    expect(faultsOf({ REGION_SIGNING_KEYS: text })).toEqual([`REGION_SIGNING_KEYS ${message}`])
  })

  it('never shows what it holds in a fault', () => {
    const text = 'hunter2,eu:hunter2,hunter2:eu:hunter2,eu:aHVudGVyMg=='
    expect(faultsOf({ REGION_SIGNING_KEYS: text }).join()).not.toMatch(/hunter2|aHVudGVyMg/)
  })
})

describe('SPOOL_KEYS', () => {
  it('holds ids and keys, the newest first', () => {
    expect(valuesOf({ SPOOL_KEYS: `k2:${bytes(32)}, k1:${bytes(32)}` }).SPOOL_KEYS).toEqual([
      { id: 'k2', key: Buffer.alloc(32, 7) },
      { id: 'k1', key: Buffer.alloc(32, 7) },
    ])
  })

  it.each([
    ['a key without an id', bytes(32), 'entry 1 must be id:base64key'],
    ['a key that is too short', `k1:${bytes(32)},k2:${bytes(16)}`, 'entry 2 has a key of 16 bytes, not 32'],
    ['an id twice', `k1:${bytes(32)},k1:${bytes(32)}`, 'entry 2 repeats the id of entry 1'],
  ])('refuses %s', (_, text, message) => {
    expect(faultsOf({ SPOOL_KEYS: text })).toEqual([`SPOOL_KEYS ${message}`])
  })
})

describe('TRUSTED_PROXIES', () => {
  const { trusts } = valuesOf({
    TRUSTED_PROXIES: '10.0.0.0/8, 192.0.2.7,2001:db8::/32 ,::1',
  }).TRUSTED_PROXIES

  it.each([
    '10.0.0.0',
    '10.255.255.255',
    '192.0.2.7',
    '::ffff:10.1.2.3',
    '::ffff:a01:203',
    '2001:db8:ffff::1',
    '2001:0DB8::1',
    '0:0:0:0:0:0:0:1',
  ])('believes %s', (address) => {
    expect(trusts(address)).toBe(true)
  })

  it.each(['11.0.0.0', '192.0.2.8', '::ffff:11.0.0.0', '2001:db9::1', '::2', '', '10.0.0', 'localhost', undefined])(
    'does not believe %s',
    (address) => {
      expect(trusts(address)).toBe(false)
    },
  )

  it('believes nobody where it is not set', () => {
    expect(valuesOf({}).TRUSTED_PROXIES.trusts('127.0.0.1')).toBe(false)
  })
})

describe('NAME_FILE', () => {
  it.each([
    ['token', 'token'],
    ['token\n', 'token'],
    ['token\r\n', 'token'],
    ['\uFEFFtoken', 'token'],
  ])('gives the contents %j as %j', (contents, value) => {
    expect(valuesOf({ ADMIN_TOKEN_FILE: fileWith(contents) }).ADMIN_TOKEN).toBe(value)
  })

  it('loses one newline at its end and no more', () => {
    expect(faultsOf({ ADMIN_TOKEN_FILE: fileWith('token\n\n') })).toEqual([
      'ADMIN_TOKEN must be printable ASCII without blanks, since it travels in a header',
    ])
  })

  it('works for every variable, one that ends in _FILE itself included', () => {
    const values = valuesOf({ PORT_FILE: fileWith('81\n'), REGIONS_FILE_FILE: fileWith('silos.yaml') })
    expect(values).toMatchObject({ PORT: 81, REGIONS_FILE: 'silos.yaml' })
  })

  it('beside NAME is a fault', () => {
    expect(faultsOf({ ADMIN_TOKEN: 'a', ADMIN_TOKEN_FILE: fileWith('b') })).toEqual([
      'ADMIN_TOKEN and ADMIN_TOKEN_FILE are both set: keep one of them',
    ])
  })

  it('that cannot be read is a fault that names the variable and the file', () => {
    const gone = join(folder, 'gone')
    expect(faultsOf({ ADMIN_HOST: '0.0.0.0', ADMIN_TOKEN_FILE: gone, PORT_FILE: folder })).toEqual([
      `PORT_FILE cannot read ${folder}: EISDIR: illegal operation on a directory`,
      `ADMIN_TOKEN_FILE cannot read ${gone}: ENOENT: no such file or directory`,
    ])
  })

  it('that holds nothing, or no text, is a fault', () => {
    const binary = fileWith(Buffer.from([0xff, 0xfe, 0x00]))
    expect(faultsOf({ ADMIN_TOKEN_FILE: fileWith('\n'), PORT_FILE: binary, HOST_FILE: '' })).toEqual([
      'HOST_FILE is empty: give it a value or take it out',
      `PORT_FILE cannot read ${binary}: it is not UTF-8`,
      'ADMIN_TOKEN_FILE names a file that is empty: give it a value or take it out',
    ])
  })

  it('does not shadow a variable that is declared under that name', () => {
    const reading = readVariables(z.object({ KEY: z.string().optional(), KEY_FILE: z.string() }), {
      KEY_FILE: 'a path',
    })
    expect(reading).toEqual({ ok: true, values: { KEY_FILE: 'a path' } })
  })
})

describe('arbitrary values', () => {
  const names = Object.keys(coreVariables.shape)
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('0', '1', '::1', '10.0.0.0/8', 'sqlite:x', 'sqlite::memory:', 'eu:AAAA', '0.5', 'info', 'REGION'),
  )
  const name = fc.constantFrom(...names, ...names.map((name) => `${name}_FILE`))

  it('give settings or faults that each name a variable, and never throw', () => {
    fc.assert(
      fc.property(fc.dictionary(name, value), (env) => {
        const reading = readVariables(coreEnvironment, env)
        const faults = reading.ok ? [] : reading.faults
        expect(faults.filter((fault) => !names.some((name) => fault.startsWith(name)))).toEqual([])
        expect(reading.ok).toBe(faults.length === 0)
      }),
    )
  })

  it('of a number are taken only as they are written', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const reading = readVariables(coreVariables.pick({ PORT: true }), { PORT: text })
        expect(reading.ok ? String(reading.values.PORT) : text).toBe(text)
      }),
    )
  })
})
