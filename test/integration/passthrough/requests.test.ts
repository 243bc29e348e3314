import { describe, expect, it } from 'vitest'
import { verifyForwarded } from '../../../src/region-kit/index.ts'
import type { Answer, RegionRequest } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { useSilos, type SilosOptions } from '../../support/silos.ts'
import { blockActions, blockSuggestion, eventCallback, slashCommand } from '../../support/slack-payloads.ts'

const silos = useSilos()
const KEYS = `eu-2026:${Buffer.alloc(32, 7).toString('base64')}`
const signed: SilosOptions = { entries: { eu: { signing_key: 'eu-2026' } }, env: { REGION_SIGNING_KEYS: KEYS } }
const COMMANDS = '/extensions/slack/commands/'
const command = slashCommand()

function valuesOf({ rawHeaders }: Pick<RegionRequest, 'rawHeaders'>, name: string): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name.toLowerCase())
}

/** What reaches the region of a command sent with these headers. */
async function forwarded(headers: Record<string, string | string[]>, options: SilosOptions = signed) {
  const { post, regions } = await silos({ eu: undefined }, options)
  // As bytes: Node's client writes the headers of a text body as UTF-8.
  await post(COMMANDS, Buffer.from(command.body), { ...command, headers })
  const [request] = regions.eu.requests
  if (request === undefined) throw new Error('Nothing reached the region')
  return request
}

describe('a request on its way to a region', () => {
  it.each([
    ['/extensions/slack/commands', command],
    ['/extensions/slack/commands/?a=1&a=%7E~&&b=+%20', command],
    ['/slack/events?', eventCallback()],
    ['/slack/events/?x=%C3%BC', command],
    ['/extensions/slack/options-load/', blockSuggestion()],
    ['/extensions/slack/action/?tag=%00', blockActions()],
  ])('keeps its method, its path and query byte for byte, and its body: %s', async (path, sent) => {
    const { post, regions } = await silos({ eu: undefined })
    await post(path, sent.body, sent)
    expect(regions.eu.requests[0]).toMatchObject({ method: 'POST', url: path })
    expect(regions.eu.requests[0]?.body.equals(Buffer.from(sent.body))).toBe(true)
  })

  it('keeps a body of 1 MiB', async () => {
    const { post, regions } = await silos({ eu: undefined })
    const envelope = Buffer.byteLength(eventCallback({ filler: '' }).body)
    const large = eventCallback({ filler: 'ü'.repeat((1_048_576 - envelope) / 2) })
    await post('/slack/events', large.body, large)
    expect(regions.eu.requests[0]?.body.equals(Buffer.from(large.body))).toBe(true)
    expect(regions.eu.requests[0]?.body.length).toBeGreaterThan(1_048_570)
  })

  it('keeps every other header, as often as it came, with the bytes it had', async () => {
    const request = await forwarded({
      'X-Slack-Retry-Num': '1',
      'X-Slack-Retry-Reason': 'http_timeout',
      'User-Agent': 'Slackbot 1.0',
      Accept: '*/*',
      'Accept-Encoding': 'gzip,deflate',
      'X-Twice': ['one', 'two'],
      'X-Name': 'M\u00fcller',
      Authorization: 'Bearer of-slack',
    })
    expect(request.headers).toMatchObject({
      'content-type': command.contentType,
      'x-slack-retry-num': '1',
      'x-slack-retry-reason': 'http_timeout',
      'user-agent': 'Slackbot 1.0',
      accept: '*/*',
      'accept-encoding': 'gzip,deflate',
      'x-name': 'M\u00fcller',
      authorization: 'Bearer of-slack',
      'x-slack-signature': expect.stringMatching(/^v0=/),
      'x-slack-request-timestamp': expect.stringMatching(/^\d+$/),
    })
    expect(valuesOf(request, 'x-twice')).toEqual(['one', 'two'])
  })

  it('loses hop-by-hop headers, those that Connection names, and what only concerned us', async () => {
    const request = await forwarded({
      Connection: 'close, X-Hop, X-Other-Hop',
      'Keep-Alive': 'timeout=5',
      'Proxy-Authorization': 'Basic x',
      'Proxy-Connection': 'keep-alive',
      TE: 'trailers',
      'X-Hop': '1',
      'X-Other-Hop': '1',
      Forwarded: 'for=1.2.3.4',
    })
    for (const name of [
      'keep-alive',
      'proxy-authorization',
      'proxy-connection',
      'te',
      'x-hop',
      'x-other-hop',
      'forwarded',
    ])
      expect(request.headers).not.toHaveProperty(name)
    expect(valuesOf(request, 'host')).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/)])
    expect(valuesOf(request, 'content-length')).toEqual([String(command.body.length)])
    expect(valuesOf(request, 'transfer-encoding')).toEqual([])
  })

  it('of chunks arrives whole, with its length', async () => {
    const request = await forwarded({ 'Transfer-Encoding': 'chunked' })
    expect(request.body.toString()).toBe(command.body)
    expect(valuesOf(request, 'content-length')).toEqual([String(command.body.length)])
    expect(valuesOf(request, 'transfer-encoding')).toEqual([])
  })

  it('carries none of the words that the caller put in our mouth', async () => {
    const forged = 'forged-by-the-caller'
    const request = await forwarded({
      'Silo-Delivery': forged,
      'SILO-REGION': forged,
      'silo-integration': forged,
      'Silo-Organizations': forged,
      'Silo-Admin': forged,
      'Silo-': forged,
      Signature: `silo=:${forged}:`,
      'Signature-Input': forged,
      'Content-Digest': forged,
      'Idempotency-Key': forged,
      Cookie: `session=${forged}`,
      Forwarded: `for=${forged}`,
      'X-Forwarded-For': forged,
      'X-Forwarded-Proto': forged,
      'X-Forwarded-Host': forged,
      'X-Forwarded-User': forged,
      'X-Forwarded-Port': forged,
      'X-Request-Id': forged,
      traceparent: forged,
      tracestate: forged,
    })
    expect(request.rawHeaders.filter((part) => part.includes(forged))).toEqual([])
    for (const name of [
      'Silo-Delivery',
      'Silo-Region',
      'Signature',
      'Idempotency-Key',
      'X-Forwarded-For',
      'traceparent',
    ])
      expect(valuesOf(request, name)).toHaveLength(1)
    expect(request.headers).not.toHaveProperty('silo-admin')
    expect(request.headers).not.toHaveProperty('cookie')
  })

  it('carries what the gateway says', async () => {
    const clock = createManualClock({ now: 1_700_000_000_123 })
    const { post, regions } = await silos({ eu: undefined, us: undefined }, { ...signed, clock })
    const action = blockActions()
    await post('/extensions/slack/action/', action.body, { ...action, headers: { Host: 'hooks.example.com' } })
    const request = await regions.eu.nextRequest()
    expect(request.headers).toMatchObject({
      'silo-delivery': expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
      'silo-region': 'eu',
      'silo-integration': '1',
      'silo-organizations': '10',
      'silo-epoch': '10=0',
      'silo-attempt': '1',
      'silo-deadline': '2500',
      'silo-received-at': '1700000000123',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'hooks.example.com',
      'x-request-id': expect.stringMatching(/^\S+$/),
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/),
      'idempotency-key': expect.stringMatching(/^[\w-]{43}$/),
    })
    const other = await regions.us.nextRequest()
    expect(other.headers).toMatchObject({ 'silo-region': 'us', 'silo-organizations': '11' })
    for (const name of ['silo-delivery', 'idempotency-key', 'x-request-id'])
      expect(other.headers[name]).toBe(request.headers[name])
  })

  it('keeps a valid traceparent with its tracestate', async () => {
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`
    const request = await forwarded({ traceparent, tracestate: 'vendor=1' })
    expect(valuesOf(request, 'traceparent')).toEqual([traceparent])
    expect(valuesOf(request, 'tracestate')).toEqual(['vendor=1'])
  })

  it('has one traceparent even where the caller calls its own a matter of the connection', async () => {
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`
    const request = await forwarded({ Connection: 'traceparent', traceparent })
    expect(valuesOf(request, 'traceparent')).toEqual([expect.stringMatching(/^00-(?!abab)[0-9a-f]{32}-/)])
  })
})

describe('the identity header, whatever its name', () => {
  it.each([
    ['anybody', '10.0.0.0/8'],
    ['a trusted proxy', '127.0.0.0/8'],
  ])('is for the gateway alone, written by %s', async (_, TRUSTED_PROXIES) => {
    const headers = { 'REMOTE-user': ['admin', 'wanda'], Remote_User: 'admin', 'Remote-User-Agent': 'kept' }
    const request = await forwarded(headers, { env: { IDENTITY_HEADER: 'Remote-User', TRUSTED_PROXIES } })
    const { 'remote-user': itself, remote_user: underscored, 'remote-user-agent': another } = request.headers
    expect([itself, underscored, another]).toEqual([undefined, undefined, 'kept'])
  })
})

describe('X-Forwarded-*', () => {
  const theirs = {
    'X-Forwarded-For': '203.0.113.9, 10.0.0.1',
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'hooks.example.com',
    'X-Forwarded-User': 'wanda',
  }

  it('of a trusted proxy is believed and continued', async () => {
    const request = await forwarded(theirs, { env: { TRUSTED_PROXIES: '127.0.0.0/8' } })
    expect(request.headers).toMatchObject({
      'x-forwarded-for': '203.0.113.9, 10.0.0.1, 127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'hooks.example.com',
    })
    expect(request.headers).not.toHaveProperty('x-forwarded-user')
  })

  it('of anybody else is ignored', async () => {
    const request = await forwarded(theirs, { env: { TRUSTED_PROXIES: '10.0.0.0/8' } })
    expect(request.headers).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' })
    expect(request.headers['x-forwarded-host']).toMatch(/^127\.0\.0\.1:\d+$/)
  })
})

describe('the signature', () => {
  const verify = ({ method, url, rawHeaders, body }: RegionRequest, region = 'eu') =>
    verifyForwarded({ method, url, body, headers: pairs(rawHeaders) }, { keys: KEYS, region, seen: new Set<string>() })

  function pairs(raw: readonly string[]): [string, string][] {
    return raw.flatMap((name, at): [string, string][] => (at % 2 === 0 ? [[name, raw[at + 1] ?? '']] : []))
  }

  it.each([
    ['', '/extensions/slack/commands/'],
    ['', '/slack/events?a=%20&b'],
    ['/silo/eu', '/extensions/slack/commands'],
    ['/silo/eu', '/slack/events/?q='],
  ])('with the address prefix "%s" is accepted by the region kit at %s', async (prefix, path) => {
    const { post, regions } = await silos({ eu: undefined }, { ...signed, prefix })
    await post(path, command.body, command)
    const request = await regions.eu.nextRequest()
    expect(request.url).toBe(prefix + path)
    expect(verify(request)).toMatchObject({ integration: '1', organizations: ['10'], attempt: 1 })
    expect(() => verify(request, 'us')).toThrow(expect.objectContaining({ code: 'wrong_region' }))
    expect(() => verify({ ...request, url: `${request.url}x` })).toThrow(
      expect.objectContaining({ code: 'signature_invalid' }),
    )
  })

  it('is missing towards a region without a signing key, the digest is not', async () => {
    const request = await forwarded({}, {})
    expect(request.headers).not.toHaveProperty('signature')
    expect(request.headers).not.toHaveProperty('signature-input')
    expect(request.headers['content-digest']).toMatch(/^sha-256=:.+:$/)
    expect(request.headers['silo-region']).toBe('eu')
  })

  it('has a nonce of its own each time', async () => {
    const { post, regions } = await silos({ eu: undefined }, signed)
    await post(COMMANDS, command.body, command)
    await post(COMMANDS, command.body, command)
    const nonces = regions.eu.requests.map(
      ({ headers }) => /nonce="([^"]+)"/.exec(String(headers['signature-input']))?.[1],
    )
    expect(new Set(nonces).size).toBe(2)
  })
})

describe('Idempotency-Key', () => {
  it('is the same when Slack sends an event again that has failed, signed anew', async () => {
    const clock = createManualClock()
    const failing: Answer = (res) => res.writeHead(500).end()
    const { post, regions } = await silos({ eu: failing }, { clock, slack: { events_on_failure: 'fail' } })
    const event = eventCallback()
    await post('/slack/events', event.body, event)
    clock.advance(60_000)
    await post('/slack/events', event.body, { ...event, headers: { 'X-Slack-Retry-Num': '2' } })
    const [first, again] = regions.eu.requests
    expect(again?.headers['idempotency-key']).toBe(first?.headers['idempotency-key'])
    expect(again?.headers['silo-delivery']).not.toBe(first?.headers['silo-delivery'])
  })

  it('is another for another event, another app and every other request', async () => {
    const { post, regions } = await silos({ eu: undefined })
    const different = [
      eventCallback(),
      eventCallback({ event_id: 'Ev0OTHER' }),
      eventCallback({ api_app_id: 'A0OTHER' }),
      slashCommand(),
      slashCommand({ text: 'again' }),
    ]
    for (const sent of different) await post('/slack/events', sent.body, sent)
    expect(new Set(regions.eu.requests.map(({ headers }) => headers['idempotency-key'])).size).toBe(different.length)
  })
})
