import { resolve } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { readRegions, type RegionsSource } from '../../../src/regions/regions.ts'

const rules = z.strictObject({
  links: z.array(z.string()).default([]),
  events_on_failure: z.literal('fail').default('fail'),
})
const source: RegionsSource = {
  file: 'regions.yaml',
  sections: [{ name: 'slack', rules }],
  signingKeys: [{ id: 'eu-2026', secret: Buffer.from('0123456789abcdef') }],
  readFile: (path) => {
    throw new Error(`cannot read ${path}: ENOENT: no such file or directory`)
  },
}

function faultsOf(text: string, changes: Partial<RegionsSource> = {}): readonly string[] {
  const reading = readRegions(text, { ...source, ...changes })
  return reading.ok ? [] : reading.faults
}

function topologyOf(text: string, changes: Partial<RegionsSource> = {}) {
  const reading = readRegions(text, { ...source, ...changes })
  if (!reading.ok) throw new Error(reading.faults.join('\n'))
  return reading
}

/** A file with one region, with `line` as its fourth line. */
const withLine = (line: string) =>
  ['version: 1', 'regions:', '  - name: eu', `    ${line}`, '    address: http://eu'].join('\n')
const withAddress = (address: string) => `version: 1\nregions:\n  - name: eu\n    address: ${address}`

describe('a region', () => {
  it('has the defaults of the contract where only name and address are given', () => {
    const { topology } = topologyOf(withAddress('http://127.0.0.1:9102'))
    expect(topology.regions).toEqual([
      {
        name: 'eu',
        address: new URL('http://127.0.0.1:9102'),
        category: 'multi_tenant',
        state: 'active',
        signingKey: undefined,
        maxConcurrency: 256,
        maxQueue: 1024,
        timeoutMs: 10_000,
        breaker: { failureRate: 0.5, minimumCalls: 20, windowMs: 10_000, openMs: 5000 },
        idempotent: false,
        maxSpoolBytes: 1_073_741_824,
        tls: undefined,
      },
    ])
  })

  it('has what the file says of it', () => {
    const { topology } = topologyOf(`
version: 1
regions:
  - name: eu-2
    address: https://eu.example.com/hooks
    category: single_tenant
    state: draining
    signing_key: eu-2026
    max_concurrency: 1
    max_queue: 0
    timeout_ms: 300
    breaker: { failure_rate: 1, minimum_calls: 2, window_ms: 1000, open_ms: 500 }
    idempotent: true
    max_spool_mb: 0.5
`)
    expect(topology.regions).toEqual([
      {
        name: 'eu-2',
        address: new URL('https://eu.example.com/hooks'),
        category: 'single_tenant',
        state: 'draining',
        signingKey: { id: 'eu-2026', secret: Buffer.from('0123456789abcdef') },
        maxConcurrency: 1,
        maxQueue: 0,
        timeoutMs: 300,
        breaker: { failureRate: 1, minimumCalls: 2, windowMs: 1000, openMs: 500 },
        idempotent: true,
        maxSpoolBytes: 524_288,
        tls: undefined,
      },
    ])
  })

  it.each([
    ['http://eu:9102', 'http://eu:9102/'],
    ['http://eu:9102/', 'http://eu:9102/'],
    ['http://eu/hooks', 'http://eu/hooks'],
    ['http://eu/hooks//', 'http://eu/hooks'],
    ['http://[::1]:9102/a/b/', 'http://[::1]:9102/a/b'],
    ['HTTPS://eu/%2e%41', 'https://eu/%2e%41'],
  ])('with the address %s is reached at %s', (address, href) => {
    expect(topologyOf(withAddress(address)).topology.regions[0]?.address.href).toBe(href)
  })

  it.each([
    ['ftp://eu', 'must be a URL that begins with http:// or https://'],
    ['eu:9102', 'must be a URL that begins with http:// or https://'],
    ['http:eu', 'must be a URL that begins with http:// or https://'],
    ['http://', 'must be a URL that begins with http:// or https://'],
    ['http:///hooks', 'must be a URL that begins with http:// or https://'],
    ['http://eu:99999', 'must be a URL that begins with http:// or https://'],
    ['"http://eu\\\\hooks"', 'must be a URL that begins with http:// or https://'],
    ['" http://eu"', 'must be a URL that begins with http:// or https://'],
    ['http://user:secret@eu', 'must not hold credentials'],
    ['http://@eu', 'must not hold credentials'],
    ['http://eu/?a=1', 'must not hold a query or fragment'],
    ['http://eu/?', 'must not hold a query or fragment'],
    ['"http://eu/#a"', 'must not hold a query or fragment'],
    ['9102', 'must be text'],
    ['', 'must be text'],
  ])('cannot have the address %s: it %s', (address, message) => {
    expect(faultsOf(withAddress(address))).toEqual([`regions.yaml:4:14 regions[0].address ${message}`])
  })

  it.each([
    ['category: shared', '15 regions[0].category must be one of multi_tenant, single_tenant'],
    ['state: off', '12 regions[0].state must be one of active, draining, down'],
    ['signing_key: us-2026', '18 regions[0].signing_key is not the id of a key in REGION_SIGNING_KEYS'],
    ['signing_key: 2026', '18 regions[0].signing_key must be text'],
    ['max_concurrency: 0', '22 regions[0].max_concurrency must be a whole number from 1 to 65535'],
    ['max_concurrency: 1.5', '22 regions[0].max_concurrency must be a whole number from 1 to 65535'],
    ['max_concurrency: "256"', '22 regions[0].max_concurrency must be a whole number from 1 to 65535'],
    ['max_queue: -1', '16 regions[0].max_queue must be a whole number from 0 to 1000000'],
    ['timeout_ms: .inf', '17 regions[0].timeout_ms must be a whole number from 1 to 600000'],
    ['timeout_ms: 600001', '17 regions[0].timeout_ms must be a whole number from 1 to 600000'],
    ['adress: http://eu', '5 regions[0].adress is not a known key'],
    ['"we\\nird": 1', '5 regions[0]["we\\nird"] is not a known key'],
    ['7: 1', '5 regions[0].7 is not a known key'],
    ['__proto__: 1', '5 regions[0].__proto__ is not a known key'],
    ['tls: yes', '10 regions[0].tls must be a map'],
    ['tls: { ca: eu.pem }', '12 regions[0].tls.ca is not a known key'],
    ['tls: { ca_file: "" }', '21 regions[0].tls.ca_file must be the path of a file'],
    ['breaker: on', '14 regions[0].breaker must be a map'],
    ['breaker: { open: 5 }', '16 regions[0].breaker.open is not a known key'],
    ['breaker: { failure_rate: 0 }', '30 regions[0].breaker.failure_rate must be a number above 0, at most 1'],
    ['breaker: { failure_rate: 1.1 }', '30 regions[0].breaker.failure_rate must be a number above 0, at most 1'],
    ['breaker: { minimum_calls: 0 }', '31 regions[0].breaker.minimum_calls must be a whole number from 1 to 1000000'],
    ['breaker: { window_ms: 0.5 }', '27 regions[0].breaker.window_ms must be a whole number from 1 to 3600000'],
    ['breaker: { open_ms: 0 }', '25 regions[0].breaker.open_ms must be a whole number from 1 to 3600000'],
    ['idempotent: sometimes', '17 regions[0].idempotent must be true or false'],
    ['max_spool_mb: 0', '19 regions[0].max_spool_mb must be a number above 0, at most 1048576'],
    ['max_spool_mb: .inf', '19 regions[0].max_spool_mb must be a number above 0, at most 1048576'],
  ])('with %s is refused where that stands', (line, fault) => {
    expect(faultsOf(withLine(line))).toEqual([`regions.yaml:4:${fault}`])
  })

  it.each(['Eu', '1eu', 'eu_1', '-eu', 'e u', 'ëu', '""'])('cannot be named %s', (name) => {
    expect(faultsOf(`version: 1\nregions: [{ name: ${name}, address: http://eu }]`)).toEqual([
      'regions.yaml:2:19 regions[0].name must be lower-case letters, digits and hyphens, and begin with a letter',
    ])
  })

  it('without name or address is refused where it begins', () => {
    expect(faultsOf('version: 1\nregions:\n  - state: active')).toEqual([
      'regions.yaml:3:5 regions[0].name is required',
      'regions.yaml:3:5 regions[0].address is required',
    ])
  })

  it('is not blamed for its signing key when the keys could not be read', () => {
    expect(faultsOf(withLine('signing_key: us-2026'), { signingKeys: undefined })).toEqual([])
  })

  it('that goes unsigned is warned of', () => {
    expect(topologyOf(withAddress('http://eu')).warnings).toEqual([
      'region eu has no signing_key: requests to it go unsigned',
    ])
    expect(topologyOf(withLine('signing_key: eu-2026')).warnings).toEqual([])
  })

  it('keeps the defaults of what its breaker does not say', () => {
    expect(topologyOf(withLine('breaker: { open_ms: 7 }')).topology.regions[0]?.breaker).toEqual({
      failureRate: 0.5,
      minimumCalls: 20,
      windowMs: 10_000,
      openMs: 7,
    })
  })
})

describe('tls', () => {
  const files: Record<string, string> = {
    [resolve('/etc/gateway/ca.pem')]: certificate(),
    [resolve('/etc/gateway/broken.pem')]: 'not a certificate',
  }
  const readFile = (path: string) => {
    const text = files[path]
    if (text === undefined) throw new Error(`cannot read ${path}: ENOENT: no such file or directory`)
    return Buffer.from(text)
  }
  const here = { file: '/etc/gateway/regions.yaml', readFile }

  it('takes its files from the folder of the regions file', () => {
    const { topology } = topologyOf(withLine('tls: { ca_file: ca.pem }').replace('http:', 'https:'), here)
    expect(topology.regions[0]?.tls?.ca?.toString()).toBe(certificate())
  })

  it.each([
    [
      '{ ca_file: gone.pem }',
      '21 regions[0].tls.ca_file cannot read /etc/gateway/gone.pem: ENOENT: no such file or directory',
    ],
    ['{ cert_file: ca.pem }', '10 regions[0].tls must hold both cert_file and key_file, or neither'],
    ['{ key_file: ca.pem }', '10 regions[0].tls must hold both cert_file and key_file, or neither'],
    [
      '{ ca_file: broken.pem }',
      '10 regions[0].tls holds files that are not PEM certificates and keys that belong together',
    ],
    [
      '{ cert_file: ca.pem, key_file: broken.pem }',
      '10 regions[0].tls holds files that are not PEM certificates and keys that belong together',
    ],
  ])('%s is refused', (tls, fault) => {
    expect(faultsOf(withLine(`tls: ${tls}`), here)).toEqual([`/etc/gateway/regions.yaml:4:${fault}`])
  })

  it('on an http address is warned of', () => {
    expect(topologyOf(withLine('tls: { ca_file: ca.pem }'), here).warnings).toContain(
      'region eu has an http address: its tls files are not used',
    )
  })
})

describe('the file', () => {
  it('keeps the order of its regions, and finds each by its name', () => {
    const { topology } = topologyOf(
      'version: 1\nregions: [{ name: us, address: http://us }, { name: eu, address: http://eu }]',
    )
    expect(topology.regions.map(({ name }) => name)).toEqual(['us', 'eu'])
    expect(topology.byName.get('eu')).toBe(topology.regions[1])
    expect(topology.byName.get('ap')).toBeUndefined()
  })

  it('cannot be changed once it is read', () => {
    const { topology } = topologyOf(withAddress('http://eu'))
    expect(Object.isFrozen(topology) && Object.isFrozen(topology.regions)).toBe(true)
    expect(topology.regions.every((region) => Object.isFrozen(region))).toBe(true)
  })

  it.each([
    ['nothing', '', '1:1 the file is empty'],
    ['only comments', '# regions\n', '1:1 the file is empty'],
    ['a list', '- 1', '1:1 must be a map'],
    ['text', 'hello', '1:1 must be a map'],
    ['null', '~', '1:1 must be a map'],
    ['a map that does not close', 'version: 1\nregions: {', '2:11 '],
    ['two documents', 'version: 1\n---\nversion: 1', '2:1 the file holds more than one document'],
    ['a key twice', 'version: 1\nregions: []\nversion: 1', '3:1 version stands twice in the same map'],
    [
      'a key twice, deep in it',
      'regions:\n  - {}\n  - tls: {a: 1, a: 2}',
      '3:17 regions[1].tls.a stands twice in the same map',
    ],
    [
      'a key twice, behind one without a value',
      'regions: []\nslack:\nregions: []',
      '3:1 regions stands twice in the same map',
    ],
    ['a key twice, first without a value', 'slack:\nslack: {}', '2:1 slack stands twice in the same map'],
    [
      'a key twice, behind a nested one without a value',
      'a:\n  b:\n    c:\na: 1',
      '4:1 a stands twice in the same map',
    ],
    ['a key twice, as a number and as text', '1: a\n"1": b', '2:1 1 stands twice in the same map'],
    ['a key with a control character twice', '"\\N": 1\n"\\N": 1', '2:1 ["\\u0085"] stands twice in the same map'],
    ['an unknown tag', 'version: !int 1', '1:10 Unresolved tag: !int'],
    ['a list for a key', 'version: 1\n? [a]\n: 1', '2:3 a key must be text'],
    ['an alias for a key', 'version: &one 1\n*one : 1', '2:1 a key must be text'],
    ['bytes for a key', 'version: 1\n!!binary AAAA : 1', '2:10 a key must be text'],
    ['an escaped carriage return', 'version: "\\\r"', '1:11 Invalid escape sequence \\\\u000d'],
    ['no key', 'version: 1\n: 1', '2:1 a key must be text'],
    ['an alias of nothing', 'version: *one', '1:10 no anchor has this name'],
  ])('that holds %s has one fault', (_, text, fault) => {
    const faults = faultsOf(text)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain(`regions.yaml:${fault}`)
  })

  it('whose aliases multiply without end is refused, not expanded', () => {
    const rows = ['a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]']
    for (const [one, two] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh', 'hi']) {
      rows.push(`${two}: &${two} [${Array.from({ length: 9 }, () => `*${one}`).join(', ')}]`)
    }
    expect(faultsOf(rows.join('\n'))).toEqual(['regions.yaml:1:1 the aliases of the file cannot be expanded'])
  })

  it('nested deeper than can be read is refused', () => {
    expect(faultsOf('['.repeat(100_000) + ']'.repeat(100_000))).toEqual([
      expect.stringMatching(/^regions\.yaml:1:\d+ the file is nested too deeply$/),
    ])
  })

  it('names the file in its faults as it was given', () => {
    expect(faultsOf('', { file: './conf/silos.yml' })).toEqual(['./conf/silos.yml:1:1 the file is empty'])
  })

  it('has every fault reported at once, in the order of the file', () => {
    const text = `version: 2
regions:
  - name: eu
    address: ftp://eu
    colour: blue
  - name: us
    addres: http://us
    max_queue: many
    breaker:
      open_ms: never
  - just text
  - name: eu
    address: http://user:secret@eu/?q
slak: {}
slack:
  links: 7
  events_on_failure: spool
`
    expect(faultsOf(text)).toEqual([
      'regions.yaml:1:10 version must be 1',
      'regions.yaml:4:14 regions[0].address must be a URL that begins with http:// or https://',
      'regions.yaml:5:5 regions[0].colour is not a known key',
      'regions.yaml:6:5 regions[1].address is required',
      'regions.yaml:7:5 regions[1].addres is not a known key',
      'regions.yaml:8:16 regions[1].max_queue must be a whole number from 0 to 1000000',
      'regions.yaml:10:16 regions[1].breaker.open_ms must be a whole number from 1 to 3600000',
      'regions.yaml:11:5 regions[2] must be a map',
      'regions.yaml:12:11 regions[3].name is already the name of regions[0]',
      'regions.yaml:13:14 regions[3].address must not hold credentials',
      'regions.yaml:13:14 regions[3].address must not hold a query or fragment',
      'regions.yaml:14:1 slak is not a known key',
      'regions.yaml:16:10 slack.links must be a list',
      'regions.yaml:17:22 slack.events_on_failure must be fail',
    ])
  })

  it('must hold regions', () => {
    expect(faultsOf('version: 1')).toEqual(['regions.yaml:1:1 regions is required'])
    expect(faultsOf('version: 1\nregions:')).toEqual(['regions.yaml:2:9 regions must be a list'])
    expect(faultsOf('version: 1\nregions: []')).toEqual(['regions.yaml:2:10 regions must hold at least one region'])
  })

  it('shows a fault behind an alias where the anchor stands', () => {
    const text = 'version: 1\nregions:\n  - &eu { name: eu, address: nowhere }\n  - *eu'
    expect(faultsOf(text)).toEqual([
      'regions.yaml:3:17 regions[1].name is already the name of regions[0]',
      'regions.yaml:3:30 regions[0].address must be a URL that begins with http:// or https://',
      'regions.yaml:3:30 regions[1].address must be a URL that begins with http:// or https://',
    ])
  })

  it.each([
    ['absent', ''],
    ['empty', '\nslack:\n  # links: []'],
  ])("gives a provider's own defaults where its section is %s", (_, section) => {
    const reading = topologyOf(withAddress('http://eu') + section)
    expect(reading.rules.get('slack')).toEqual({ links: [], events_on_failure: 'fail' })
  })

  it('gives each provider its own section', () => {
    const reading = topologyOf(`${withAddress('http://eu')}\nslack: { links: [a] }`)
    expect(reading.rules.get('slack')).toEqual({ links: ['a'], events_on_failure: 'fail' })
  })
})

describe('arbitrary text', () => {
  const fragments = fc.constantFrom(
    'version: 1\n',
    'regions:\n',
    '  - name: eu\n',
    '    address: http://eu\n',
    '    tls: { ca_file: x }\n',
    'slack:\n',
    '&a ',
    '*a',
    '<<: ',
    '? ',
    '- ',
    '{',
    '[',
    '"',
    '|\n',
    '---\n',
    '!!binary ',
    '%YAML 1.1\n',
    '\t',
    '\r\n',
    '\r',
    '\\',
    '!',
    '%TAG ',
    '\u001B',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.oneof(fragments, fc.string({ maxLength: 4 })), { maxLength: 20 }).map((parts) => parts.join('')),
    fc.json(),
  )

  it('gives a topology or located faults of one line, and never throws', () => {
    fc.assert(
      fc.property(text, (text) => {
        const reading = readRegions(text, source)
        const faults = reading.ok ? [] : reading.faults
        expect(faults.filter((fault) => !/^regions\.yaml:[1-9]\d*:[1-9]\d* \S[^\p{Cc}]*$/u.test(fault))).toEqual([])
        expect(reading.ok ? reading.topology.regions.length : faults.length).toBeGreaterThan(0)
      }),
      { numRuns: 1000 },
    )
  })
})

/** A self-signed certificate without its key: only ever read, never trusted. */
function certificate(): string {
  return [
    '-----BEGIN CERTIFICATE-----',
    'MIIBcTCCARegAwIBAgIUHKxcE0XBtQkRdgIQF09FkgPCyiMwCgYIKoZIzj0EAwIw',
    'DTELMAkGA1UEAwwCZXUwIBcNMjYxMTIxMDMwOTIxWhgPMjEyNjEwMjgwMzA5MjFa',
    'MA0xCzAJBgNVBAMMAmV1MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpvzjY5TF',
    'P0jzOdFpoppi7nrSAiEu+MAbmkvN/BGRct5/FQizYaRSCiAzZ1J5JolpQhk/1TnI',
    'dxSquAc12MsltqNTMFEwHQYDVR0OBBYEFO0r9c5i1QqdfoqpNroNN/g0y0y9MB8G',
    'A1UdIwQYMBaAFO0r9c5i1QqdfoqpNroNN/g0y0y9MA8GA1UdEwEB/wQFMAMBAf8w',
    'CgYIKoZIzj0EAwIDSAAwRQIgPQUbPugkuui6fDTMHcKSQwC8EVkOoHg036thMpw0',
    '8dkCIQCydDzJc/WEOOD7zM+uQSbOq6jJNjBhlaIFyU82x9OQjQ==',
    '-----END CERTIFICATE-----',
  ].join('\n')
}
