import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { headersForCaller, headersForRegion, isValidTraceparent } from '../../../src/wire/clean-headers.ts'

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

const hopByHop = [
  'Connection',
  'Keep-Alive',
  'Proxy-Authenticate',
  'Proxy-Authorization',
  'Proxy-Connection',
  'TE',
  'Trailer',
  'Transfer-Encoding',
  'Upgrade',
]

const inwards = (...headers: string[]) => headersForRegion(headers, { cookies: false })
const outwards = (...headers: string[]) =>
  headersForCaller(headers, { cookies: false, address: new URL('http://127.0.0.1:9102') })

/** Every second letter turned over. */
const odd = (name: string) =>
  name
    .split('')
    .map((c, i) => (i % 2 ? c.toUpperCase() : c.toLowerCase()))
    .join('')

describe('headers on the way to a region', () => {
  it('pass in their order, case and number', () => {
    const headers = [
      'Content-Type',
      'application/json',
      'X-Slack-Signature',
      'v0=1',
      'x-SLACK-Request-Timestamp',
      '1',
      'Accept',
      'a',
      'X-Slack-Retry-Num',
      '1',
      'Accept',
      'b',
      'Content-Encoding',
      'identity',
      'User-Agent',
      '',
    ]
    expect(inwards(...headers)).toEqual(headers)
  })

  it.each([
    ...hopByHop,
    'Host',
    'Content-Length',
    'Expect',
    'Forwarded',
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'X-Forwarded-Host',
    'X-Forwarded-User',
    'X-Forwarded-Anything',
    'Cookie',
    'Signature',
    'Signature-Input',
    'Content-Digest',
    'Idempotency-Key',
    'X-Request-Id',
    'Silo-Region',
    'Silo-Organizations',
    'Silo-Anything',
  ])('lose %s in any case', (name) => {
    expect(inwards('A', '1', name, 'x', odd(name), 'y', 'B', '2')).toEqual(['A', '1', 'B', '2'])
  })

  it('keep cookies on pages', () => {
    expect(headersForRegion(['Cookie', 'a=1'], { cookies: true })).toEqual(['Cookie', 'a=1'])
  })

  it('lose whatever a Connection header names', () => {
    expect(
      inwards('X-One', '1', 'connection', 'close,  X-one', 'X-Two', '2', 'Connection', 'x-TWO', 'X-Three', '3'),
    ).toEqual(['X-Three', '3'])
    expect(inwards('X-Slack-Signature', 'v0=1', 'Connection', 'X-Slack-Signature')).toEqual([])
    expect(inwards('X_One', '1', 'X-Two', '2', 'Connection', 'x_one, X_Two')).toEqual([])
  })

  it('lose the same names spelled with underscores, which some servers do not tell from hyphens', () => {
    expect(
      inwards('Silo_Region', 'us', 'X_Forwarded-For', '1.2.3.4', 'Idempotency_Key', 'k', 'X_Other', 'kept'),
    ).toEqual(['X_Other', 'kept'])
  })

  it('keep names that only begin or end like one that is lost', () => {
    const headers = ['Hostname', 'a', 'Silos', 'b', 'X-Forwarded', 'c', 'My-Silo-Region', 'd', 'Set-Cookie', 'e']
    expect(inwards(...headers)).toEqual(headers)
  })

  it('keep a valid traceparent with its tracestate', () => {
    const headers = ['tracestate', 'a=1', 'traceparent', traceparent, 'Tracestate', 'b=2']
    expect(inwards(...headers)).toEqual(headers)
  })

  it.each([
    ['that is not valid', ['Traceparent', 'nonsense']],
    ['that stands there twice', ['traceparent', traceparent, 'Traceparent', traceparent]],
    ['that belongs to the connection', ['traceparent', traceparent, 'Connection', 'traceparent']],
    ['that is not there', []],
  ])('lose a traceparent %s, and tracestate with it', (_, headers) => {
    expect(inwards(...headers, 'tracestate', 'a=1', 'B', '2')).toEqual(['B', '2'])
  })
})

describe('headers on the way back', () => {
  it('pass in their order, case and number', () => {
    const headers = [
      'ETag',
      '"1"',
      'Content-Type',
      'a',
      'Vary',
      'b',
      'vary',
      'c',
      'Content-Encoding',
      'gzip',
      'X-Url',
      '',
    ]
    expect(outwards(...headers)).toEqual(headers)
  })

  it.each([
    ...hopByHop,
    'Set-Cookie',
    'Server',
    'X-Powered-By',
    'Silo-Region',
    'Silo-Anything',
    'Content-Length',
    'X-Sentry-Subnet-Proxy-Url',
    'X-A-Proxy-Url',
  ])('lose %s in any case', (name) => {
    expect(outwards('A', '1', name, 'x', odd(name), 'y', 'B', '2')).toEqual(['A', '1', 'B', '2'])
  })

  it('keep cookies on pages', () => {
    const options = { cookies: true, address: new URL('http://eu/') }
    expect(headersForCaller(['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'], options)).toEqual([
      'Set-Cookie',
      'a=1',
      'Set-Cookie',
      'b=2',
    ])
  })

  it('lose whatever a Connection header names', () => {
    expect(outwards('X-One', '1', 'Connection', 'x-one', 'B', '2')).toEqual(['B', '2'])
    expect(outwards('X_One', '1', 'Connection', 'x_one', 'B', '2')).toEqual(['B', '2'])
  })

  it('keep names that only begin or end like one that is lost', () => {
    const headers = ['X-Proxy-Url', 'a', 'Proxy-Url', 'b', 'X-A-Proxy-Urls', 'c', 'Server-Timing', 'd', 'Cookie', 'e']
    expect(outwards(...headers)).toEqual(headers)
  })
})

describe('a Location', () => {
  const located = (location: string, address: string) =>
    headersForCaller(['LOCATION', location], { cookies: false, address: new URL(address) })[1]

  it.each([
    // on the region's own address
    ['http://eu:9102/a/b?c=d#e', 'http://eu:9102', '/a/b?c=d#e'],
    ['http://eu:9102', 'http://eu:9102', '/'],
    ['http://eu:9102?x', 'http://eu:9102', '/?x'],
    ['HTTP://EU:9102/A%2fb', 'http://eu:9102', '/A%2fb'],
    ['http://eu:80/a', 'http://eu', '/a'],
    ['http://user:secret@eu:9102/a', 'http://eu:9102', '/a'],
    ['//eu:9102/a', 'http://eu:9102', '/a'],
    ['http://eu.internal/a', 'https://eu.internal', '/a'],
    // under a path prefix
    ['http://eu:9102/silo/a', 'http://eu:9102/silo', '/a'],
    ['http://eu:9102/silo/a', 'http://eu:9102/silo/', '/a'],
    ['http://eu:9102/silo', 'http://eu:9102/silo', '/'],
    ['http://eu:9102/silo?x', 'http://eu:9102/silo', '/?x'],
    ['/silo/a?x#y', 'http://eu:9102/silo', '/a?x#y'],
    ['http://eu:9102/silos/a', 'http://eu:9102/silo', '/silos/a'],
    ['http://eu:9102/other', 'http://eu:9102/silo', '/other'],
    ['/other', 'http://eu:9102/silo', '/other'],
    // that is relative already
    ['/a b/../c', 'http://eu:9102', '/a b/../c'],
    ['next?x', 'http://eu:9102/silo', 'next?x'],
    ['?x', 'http://eu:9102/silo', '?x'],
    ['', 'http://eu:9102/silo', ''],
    // that leads elsewhere
    ['https://example.com/a', 'http://eu:9102', 'https://example.com/a'],
    ['http://eu:9103/a', 'http://eu:9102', 'http://eu:9103/a'],
    ['//example.com/a', 'http://eu:9102', '//example.com/a'],
    ['http://eu:9102.example.com/', 'http://eu:9102', 'http://eu:9102.example.com/'],
    ['slack://open', 'http://eu:9102', 'slack://open'],
    ['http://[', 'http://eu:9102', 'http://['],
    // that must not become another host
    ['http://eu:9102//example.com/a', 'http://eu:9102', '/.//example.com/a'],
    ['http://eu:9102/silo//example.com', 'http://eu:9102/silo', '/.//example.com'],
    [String.raw`http://eu:9102/\example.com`, 'http://eu:9102', '/.//example.com'],
  ])('%s from %s becomes %s', (location, address, expected) => {
    expect(located(location, address)).toBe(expected)
  })

  it('on the own address always stays on the host it is resolved against', () => {
    const path = fc.string({ unit: fc.constantFrom('/', '\\', '.', '@', ':', '?', '#', 'a', ' ', '%', '\t') })
    fc.assert(
      fc.property(path, fc.constantFrom('', '/silo', '/silo/'), (rest, prefix) => {
        const relative = located(`http://eu:9102/${rest}`, `http://eu:9102${prefix}`)!
        expect(new URL(relative, 'https://gateway.example').host).toBe('gateway.example')
      }),
    )
  })
})

describe('a traceparent', () => {
  it.each([
    traceparent,
    traceparent.replace(/01$/, '00'),
    `01${traceparent.slice(2)}`,
    `cc${traceparent.slice(2)}-what-the-future-brings`,
  ])('%s is valid', (value) => {
    expect(isValidTraceparent(value)).toBe(true)
  })

  it.each([
    '',
    traceparent.toUpperCase(),
    ` ${traceparent}`,
    `${traceparent}-more`,
    `${traceparent}\n`,
    `ff${traceparent.slice(2)}`,
    `cc${traceparent.slice(2)}x`,
    traceparent.slice(0, -1),
    traceparent.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)),
    traceparent.replace('00f067aa0ba902b7', '0'.repeat(16)),
    traceparent.replaceAll('-', '_'),
  ])('%j is not', (value) => {
    expect(isValidTraceparent(value)).toBe(false)
  })
})
