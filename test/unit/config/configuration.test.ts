import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { describeConfiguration, readConfiguration } from '../../../src/config/configuration.ts'
import type { Environment } from '../../../src/config/read-variables.ts'
import type { ProviderDefinition } from '../../../src/provider.ts'
import { providers as registered } from '../../../src/providers/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'configuration-'))
afterAll(() => rmSync(folder, { recursive: true }))

const acme: ProviderDefinition = {
  name: 'acme',
  environment: z.object({
    ACME_SECRET: z.string('is required: it is on the app’s page'),
    ACME_BUDGET_MS: z.string().transform(Number).prefault('2500'),
  }),
  rules: z.strictObject({ links: z.array(z.string()).default([]) }),
  create() {
    throw new Error('never built here')
  },
}

const signingKey = `eu-2026:${Buffer.alloc(32, 7).toString('base64')}`
const spoolKey = `k1:${Buffer.alloc(32, 9).toString('base64')}`
const good = `version: 1
regions:
  - name: eu
    address: http://127.0.0.1:9102
    signing_key: eu-2026
`
let files = 0
function regionsFile(text: string): string {
  files += 1
  const path = join(folder, `regions-${files}.yaml`)
  writeFileSync(path, text)
  return path
}

function read(env: Environment, definitions: readonly ProviderDefinition[] = [acme]) {
  return readConfiguration({ env, definitions })
}

function faultsOf(env: Environment): readonly string[] {
  const reading = read(env)
  return reading.ok ? [] : reading.faults
}

function configurationOf(env: Environment, definitions?: readonly ProviderDefinition[]) {
  const reading = read(env, definitions)
  if (!reading.ok) throw new Error(reading.faults.join('\n'))
  return reading.configuration
}

describe('the configuration', () => {
  const env = {
    ACME_SECRET: 'hush',
    REGION_SIGNING_KEYS: signingKey,
    SPOOL_KEYS: spoolKey,
    REGIONS_FILE: regionsFile(good),
    PORT: '0',
  }

  it('is the settings, the regions and what each provider is told', () => {
    const { settings, topology, providers, warnings } = configurationOf(env)
    expect(settings.PORT).toBe(0)
    expect(topology.byName.get('eu')?.signingKey).toEqual({ id: 'eu-2026', secret: Buffer.alloc(32, 7) })
    expect(providers).toEqual([
      { definition: acme, environment: { ACME_SECRET: 'hush', ACME_BUDGET_MS: 2500 }, rules: { links: [] } },
    ])
    expect(warnings).toEqual([])
  })

  it('cannot be changed', () => {
    const configuration = configurationOf(env)
    expect(Object.isFrozen(configuration)).toBe(true)
    expect(Object.isFrozen(configuration.settings)).toBe(true)
  })

  it('is read anew each time', () => {
    const path = regionsFile(good)
    expect(configurationOf({ ...env, REGIONS_FILE: path }).topology.byName.has('eu')).toBe(true)
    writeFileSync(path, good.replace('name: eu', 'name: us'))
    expect(configurationOf({ ...env, REGIONS_FILE: path }).topology.byName.has('us')).toBe(true)
  })

  it.each([
    [15, ['REGION_SIGNING_KEYS: the secret of eu-2026 has less than 16 bytes, make a longer one']],
    [16, []],
  ])('warns of a signing key that is short: %i bytes', (length, warnings) => {
    const key = `eu-2026:${Buffer.alloc(length, 7).toString('base64')}`
    expect(configurationOf({ ...env, REGION_SIGNING_KEYS: key }).warnings).toEqual(warnings)
  })

  it('warns that what waits is stored as it came where there is no key for it', () => {
    const { SPOOL_KEYS: _, ...without } = env
    expect(configurationOf(without).warnings).toEqual([
      'SPOOL_KEYS is not set: what waits for a region is stored unencrypted',
    ])
  })

  it('passes on what the regions file is warned of', () => {
    const path = regionsFile(good.replace('    signing_key: eu-2026\n', ''))
    expect(configurationOf({ ...env, REGIONS_FILE: path }).warnings).toEqual([
      'region eu has no signing_key: requests to it go unsigned',
    ])
  })
})

describe('faults', () => {
  it('of the environment, of providers and of the regions file come all at once', () => {
    const path = regionsFile(good.replace('http://', 'ftp://'))
    expect(faultsOf({ PORT: 'x', REGIONS_FILE: path })).toEqual([
      'PORT must be a whole number from 0 to 65535',
      'ACME_SECRET is required: it is on the app’s page',
      `${path}:4:14 regions[0].address must be a URL that begins with http:// or https://`,
      `${path}:5:18 regions[0].signing_key is not the id of a key in REGION_SIGNING_KEYS`,
    ])
  })

  it('in the signing keys are not repeated for each region that names one', () => {
    expect(faultsOf({ ACME_SECRET: 'hush', REGION_SIGNING_KEYS: 'eu', REGIONS_FILE: regionsFile(good) })).toEqual([
      'REGION_SIGNING_KEYS entry 1 must be id:base64secret',
    ])
  })

  it('name the regions file that is not there', () => {
    const path = join(folder, 'gone.yaml')
    expect(faultsOf({ ACME_SECRET: 'hush', REGIONS_FILE: path })).toEqual([
      `REGIONS_FILE cannot read ${path}: ENOENT: no such file or directory`,
    ])
  })

  it('stay on one line whatever a name holds', () => {
    expect(faultsOf({ ACME_SECRET: 'hush', REGIONS_FILE: 'two\nlines\u2028' })).toEqual([
      'REGIONS_FILE cannot read two lines : ENOENT: no such file or directory',
    ])
  })
})

describe('the description for the log', () => {
  const secrets = {
    ACME_SECRET: 'hush-hush',
    ADMIN_TOKEN: 'open-sesame',
    REGION_SIGNING_KEYS: signingKey,
    SPOOL_KEYS: spoolKey,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-key=open-the-collector',
  }

  it('tells the effective settings, and of a secret only whether it is set', () => {
    const env = { ...secrets, REGIONS_FILE: regionsFile(good) }
    expect(describeConfiguration(configurationOf(env))).toMatchObject({
      PORT: 8080,
      ADMIN_TOKEN: 'set',
      REGION_SIGNING_KEYS: 'set',
      SPOOL_KEYS: 'set',
      OTEL_EXPORTER_OTLP_HEADERS: 'set',
      ACME_SECRET: 'set',
      ACME_BUDGET_MS: 2500,
      regions: [{ name: 'eu', address: 'http://127.0.0.1:9102/', signing_key: 'eu-2026', tls: 'not set' }],
    })
    const unsigned = regionsFile(good.replace('    signing_key: eu-2026\n', ''))
    expect(describeConfiguration(configurationOf({ ACME_SECRET: 'hush', REGIONS_FILE: unsigned }))).toMatchObject({
      ADMIN_TOKEN: 'not set',
      REGION_SIGNING_KEYS: 'not set',
      SPOOL_KEYS: 'not set',
      regions: [{ signing_key: 'not set' }],
    })
  })

  it('never holds a secret', () => {
    const path = regionsFile(good)
    const secret = fc.stringMatching(/^[A-Za-z0-9]{20,40}$/)
    fc.assert(
      fc.property(secret, secret, (token, acmeSecret) => {
        const env = { ...secrets, ADMIN_TOKEN: token, ACME_SECRET: acmeSecret, REGIONS_FILE: path }
        const text = JSON.stringify(describeConfiguration(configurationOf(env)))
        const keys = [signingKey, spoolKey].map((entry) => entry.split(':')[1] ?? '')
        const shown = [token, acmeSecret, 'open-the-collector', ...keys].filter((one) => text.includes(one))
        expect(shown).toEqual([])
      }),
    )
  })
})

describe('the description of where things are kept', () => {
  const described = (env: Record<string, string>) =>
    describeConfiguration(
      configurationOf({
        ACME_SECRET: 'hush',
        REGION_SIGNING_KEYS: signingKey,
        ...env,
        REGIONS_FILE: regionsFile(good),
      }),
    )

  it('tells the servers, and never who signs in there', () => {
    const text = JSON.stringify(
      described({
        DATABASE_URL: 'postgres://silo:hush-hush@db.internal:5433/silo?password=hush-hush&pool_max=3',
        REDIS_URL: 'rediss://silo:hush-hush@redis.internal:6380/2?password=hush-hush',
      }),
    )
    expect(text).toContain('"postgres://db.internal:5433/silo"')
    expect(text).toContain('"poolMax":3')
    expect(text).toContain('"rediss://redis.internal:6380/2"')
    expect(text).not.toContain('hush-hush')
  })
})

describe('the regions file', () => {
  const root = resolve(import.meta.dirname, '../../..')
  const env = { SLACK_SIGNING_SECRETS: 'hush', REGION_SIGNING_KEYS: signingKey }

  it('that is shipped works as it is, for loopback', () => {
    const { topology } = configurationOf({ ...env, REGIONS_FILE: join(root, 'regions.yaml') }, registered)
    expect(topology.regions.map(({ name, address }) => [name, address.origin])).toEqual([
      ['eu', 'http://127.0.0.1:9102'],
      ['us', 'http://127.0.0.1:9101'],
      ['ap', 'http://127.0.0.1:9103'],
    ])
  })

  it('that is shipped has its commented lines right too, once the keys and files they name are there', () => {
    const text = readFileSync(join(root, 'regions.yaml'), 'utf8').replaceAll(
      /^( +)# (?=(signing_key|tls|  \w+_file):)/gm,
      '$1',
    )
    const reading = read({ ...env, REGIONS_FILE: regionsFile(text) }, registered)
    const faults = reading.ok ? [] : reading.faults
    expect(text).toContain('\n    tls:')
    expect(faults.map((fault) => /regions\[0\]\.tls\.\w+ cannot read/.exec(fault)?.[0])).toEqual([
      'regions[0].tls.ca_file cannot read',
      'regions[0].tls.cert_file cannot read',
      'regions[0].tls.key_file cannot read',
    ])
  })

  it("takes the contract's example without what is not built yet", () => {
    const path = regionsFile(`version: 1
regions:
  - name: eu
    address: http://127.0.0.1:9102
    category: multi_tenant
    state: active
    signing_key: eu-2026
    max_concurrency: 256
    max_queue: 1024
    timeout_ms: 10000
slack:
  links: ['https?://[^/]+/organizations/(?<org>[a-z0-9-]+)/']
  first_region_actions: [link, ignore, all_slack]
  local_actions: [link_clicked, sentry_docs_link_clicked]
  all_region_events: [app_uninstalled, tokens_revoked]
  events_on_failure: spool
`)
    const { providers } = configurationOf({ ...env, REGIONS_FILE: path }, registered)
    expect(providers[0]?.rules).toMatchObject({ first_region_actions: ['link', 'ignore', 'all_slack'] })
  })

  it('that wants what the provider does not know is refused where it says so', () => {
    const path = regionsFile(`${good}slack:\n  events_on_failure: drop\n`)
    const reading = read({ ...env, REGIONS_FILE: path }, registered)
    const faults = reading.ok ? [] : reading.faults
    expect(faults.map((fault) => fault.replace(path, 'regions.yaml'))).toEqual([
      expect.stringMatching(/^regions\.yaml:7:22 slack\.events_on_failure must be 'spool' or 'fail'$/),
    ])
  })
})
