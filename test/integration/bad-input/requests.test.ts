import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'
import { rawClient, type RawClient } from '../../support/raw-client.ts'
import { signSlack } from '../../support/slack-signer.ts'
import { useSilos, type SilosOptions } from '../../support/silos.ts'
import {
  blockSuggestion,
  eventCallback,
  FORM,
  form,
  interaction,
  json,
  JSON_TYPE,
  slashCommand,
  urlVerification,
} from '../../support/slack-payloads.ts'
import { SIGNING_SECRET } from '../../support/test-gateway.ts'

const silos = useSilos()
const clients: RawClient[] = []
afterEach(() => {
  for (const { socket } of clients.splice(0)) socket.destroy()
})

const ACTION = '/extensions/slack/action/'
const EVENT = '/extensions/slack/event/'
const COMMANDS = '/extensions/slack/commands/'
const OPTIONS = '/extensions/slack/options-load/'
const suggestion = blockSuggestion()

async function gateway(options: SilosOptions = {}) {
  const clock = createManualClock()
  const started = await silos({ eu: (res) => res.end('from eu') }, { clock, ...options })
  const atRest = clock.pending()
  return {
    ...started,
    clock,
    /** How many timers wait besides those that a gateway with nothing to do has. */
    timers: () => clock.pending() - atRest,
    raw: () => {
      const client = rawClient(started.port)
      clients.push(client)
      return client
    },
    /** The head of a signed post. `Content-Length` is true unless `headers` has another. */
    head: (path: string, body: string, headers: Record<string, string> = {}) => {
      const all = {
        Host: 'x',
        'Content-Type': FORM,
        'Content-Length': String(Buffer.byteLength(body)),
        ...signSlack({ secret: SIGNING_SECRET, body, now: clock.now() }),
        ...headers,
      }
      const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
      return `POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
    },
  }
}

describe('a body that is signed and makes no sense', () => {
  it.each([
    ['actions that are null', ACTION, form({ payload: '{"actions":null}' })],
    ['actions that are a number', ACTION, interaction({ type: 'block_actions', actions: 7 })],
    [
      'ids that are null',
      ACTION,
      interaction({ type: 'block_actions', team: { id: null }, user: null, actions: [null] }),
    ],
    ['ids that are objects', ACTION, interaction({ type: 'view_submission', team: { id: {} }, view: [] })],
    ['a payload that is an array', ACTION, interaction([1, 2])],
    ['a payload that is null', ACTION, interaction(null)],
    ['a payload that is cut off', ACTION, form({ payload: '{"type":"block_act' })],
    ['two payloads', ACTION, { contentType: FORM, body: 'payload=%7B%7D&payload=%7B%7D' }],
    ['a body that is an array', EVENT, json([])],
    ['a body that is a text', EVENT, json('event')],
    ['a body that is null', EVENT, json(null)],
    ['a body that is empty', EVENT, { contentType: JSON_TYPE, body: '' }],
    ['an event that is an array', EVENT, json({ type: 'event_callback', event: [] })],
    ['an event whose type is a number', EVENT, json({ type: 'event_callback', event: { type: 7 } })],
    ['team and enterprise that are null', EVENT, eventCallback({ team_id: null, authorizations: null })],
    ['authorizations that are a text', EVENT, eventCallback({ team_id: null, authorizations: 'x' })],
    ['a challenge that is an object', EVENT, json({ type: 'url_verification', challenge: {} })],
    ['a form without command or team', COMMANDS, form({ text: 'x' })],
    ['a form of broken escapes', COMMANDS, { contentType: FORM, body: 'command=%zz&team_id=%ff%fe' }],
    ['a suggestion without a value', OPTIONS, blockSuggestion({ value: undefined })],
  ])('is 400: %s', async (_, path, sent) => {
    const { post, regions } = await gateway()
    const reply = await post(path, sent.body, sent)
    expect(reply.status).toBe(400)
    expect(reply.json()).toMatchObject({ code: expect.stringMatching(/^(malformed_request|no_installation_named)$/) })
    expect(regions.eu.requests).toEqual([])
  })

  it('is 400: bytes that are not UTF-8', async () => {
    const { post, regions } = await gateway()
    const body = Buffer.from('{"type":"event_callback","event":{"type":"\xe9"}}', 'latin1')
    expect((await post(EVENT, body)).status).toBe(400)
    expect(regions.eu.requests).toEqual([])
  })
})

describe('a signature that can never verify', () => {
  const good = '0123456789abcdef'.repeat(4)
  it.each([
    ['a timestamp that is no number', { 'x-slack-request-timestamp': 'abc' }],
    ['a timestamp with a fraction', { 'x-slack-request-timestamp': '1700000000.5' }],
    ['a negative timestamp', { 'x-slack-request-timestamp': '-1700000000' }],
    ['a timestamp in hexadecimal', { 'x-slack-request-timestamp': '0x6553f100' }],
    ['a timestamp 301 s old', { 'x-slack-request-timestamp': '1699999699' }],
    ['a timestamp 301 s ahead', { 'x-slack-request-timestamp': '1700000301' }],
    ['no timestamp', { 'x-slack-request-timestamp': undefined }],
    ['capital letters', { 'x-slack-signature': `v0=${good.toUpperCase()}` }],
    ['letters of another alphabet', { 'x-slack-signature': `v0=${'\u00e9'.repeat(64)}` }],
    ['base64', { 'x-slack-signature': `v0=${Buffer.alloc(32, 9).toString('base64')}` }],
    ['another version', { 'x-slack-signature': `v1=${good}` }],
    ['a byte too few', { 'x-slack-signature': `v0=${good.slice(2)}` }],
    ['nothing in it', { 'x-slack-signature': '' }],
    ['no signature', { 'x-slack-signature': undefined }],
    ['two signatures', { 'x-slack-signature': [`v0=${good}`, `v0=${good}`] }],
    ['two timestamps', { 'x-slack-request-timestamp': ['1700000000', '1700000000'] }],
  ])('is 401 and closes, whatever the body: %s', async (_, headers) => {
    const { post, regions } = await gateway()
    const reply = await post(OPTIONS, suggestion.body, { ...suggestion, headers })
    expect(reply.status).toBe(401)
    expect(reply.json()).toMatchObject({ code: 'invalid_signature' })
    expect(reply.headers.connection).toBe('close')
    expect(regions.eu.requests).toEqual([])
  })

  it('is 401 before a byte of the body has come', async () => {
    const { raw, head } = await gateway()
    const client = raw()
    client.write(head(OPTIONS, suggestion.body, { 'x-slack-request-timestamp': 'abc' }))
    expect(await client.hears(/"code":"invalid_signature"/)).toMatch(/^HTTP\/1\.1 401 .*Connection: close\r\n/s)
  })

  it('is 401 where the bytes are others than were signed', async () => {
    const { post, regions } = await gateway()
    const headers = signSlack({ secret: SIGNING_SECRET, body: `${suggestion.body} `, now: 1_700_000_000_000 })
    expect((await post(OPTIONS, suggestion.body, { ...suggestion, headers })).status).toBe(401)
    expect(regions.eu.requests).toEqual([])
  })
})

describe('a body over the limit', () => {
  it('of 2 MiB is 413, which the caller can read, and closes', async () => {
    const { post, regions } = await gateway()
    const reply = await post(EVENT, Buffer.alloc(2 * 1024 * 1024))
    expect(reply.status).toBe(413)
    expect(reply.json()).toMatchObject({ code: 'body_too_large' })
    expect(reply.headers.connection).toBe('close')
    expect(regions.eu.requests).toEqual([])
  })

  it('of 2 MiB in chunks is 413 as well', async () => {
    const { post } = await gateway()
    const reply = await post(EVENT, Buffer.alloc(2 * 1024 * 1024), { headers: { 'Transfer-Encoding': 'chunked' } })
    expect(reply.status).toBe(413)
  })

  it.each([
    [4096, 401],
    [4097, 413],
  ])('without a signature %i bytes are %i', async (size, status) => {
    const { post } = await gateway()
    expect((await post(EVENT, Buffer.alloc(size), { secret: null })).status).toBe(status)
    const chunked = { secret: null, headers: { 'Transfer-Encoding': 'chunked' } }
    expect((await post(EVENT, Buffer.alloc(size), chunked)).status).toBe(status)
  })

  it('is MAX_BODY_BYTES, and not a byte less', async () => {
    const { post } = await gateway({ env: { MAX_BODY_BYTES: String(suggestion.body.length) } })
    expect((await post(OPTIONS, suggestion.body, suggestion)).status).toBe(200)
    expect((await post(OPTIONS, `${suggestion.body}&`, suggestion)).status).toBe(413)
  })

  it('that never ends is answered at once and cut off 1 s later', async () => {
    const { raw, head, clock } = await gateway()
    const client = raw()
    client.write(head(EVENT, '', { 'Content-Length': '99999999' }))
    await client.hears(/^HTTP\/1\.1 413 .*"code":"body_too_large"/s)
    expect(client.socket.readableEnded).toBe(false)
    clock.advance(1000)
    await client.closed
  })
})

describe('a body that comes with its head', () => {
  it('is there without a timer', async () => {
    const { body, contentType } = urlVerification()
    const clock = createManualClock()
    let timers = 0
    const after: ManualClock['after'] = (ms, then) => {
      timers += 1
      return clock.after(ms, then)
    }
    const { raw, head } = await gateway({ clock: { ...clock, after } })
    timers = 0
    const client = raw()
    client.write(head(EVENT, body, { 'Content-Type': contentType }) + body)
    await client.hears(/^HTTP\/1\.1 200 /)
    expect(timers).toBe(0)
  })
})

describe('a body that does not come', () => {
  it('is 408 when the budget ends, and closes', async () => {
    const { raw, head, clock, timers, regions, records } = await gateway()
    const client = raw()
    client.write(head(OPTIONS, suggestion.body) + suggestion.body.slice(0, 100))
    await expect.poll(timers).toBe(1)
    clock.advance(2499)
    expect(client.heard()).toBe('')
    clock.advance(1)
    expect(await client.hears(/"code":"body_timeout"/)).toMatch(/^HTTP\/1\.1 408 .*Connection: close\r\n/s)
    clock.advance(1000)
    await client.closed
    expect(regions.eu.requests).toEqual([])
    expect(records).toMatchObject([{ status: 408, code: 'body_timeout' }])
  })

  it('is nobody to answer where the caller hangs up half-way', async () => {
    const { raw, head, timers, nextRecord, regions, logs } = await gateway()
    const client = raw()
    client.write(head(OPTIONS, suggestion.body) + suggestion.body.slice(0, 100))
    await expect.poll(timers).toBe(1)
    client.socket.destroy()
    expect(await nextRecord()).toMatchObject({ code: 'caller_gone' })
    expect(regions.eu.requests).toEqual([])
    expect(timers()).toBe(0)
    expect(logs.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('takes its time out of the budget of the region', async () => {
    const { raw, head, clock, timers, regions } = await gateway()
    const client = raw()
    client.write(head(OPTIONS, suggestion.body) + suggestion.body.slice(0, 100))
    await expect.poll(timers).toBe(1)
    clock.advance(1000)
    client.write(suggestion.body.slice(100))
    await client.hears(/from eu/)
    expect(regions.eu.requests[0]?.headers).toMatchObject({
      'silo-deadline': '1500',
      'silo-received-at': '1700000000000',
    })
  })

  it('of a caller who leaves before its answer is still a webhook with an end', async () => {
    const held = Promise.withResolvers<ServerResponse>()
    const { port, nextRecord, logs } = await silos({ eu: (res) => held.resolve(res) })
    const client = rawClient(port)
    clients.push(client)
    const headers = signSlack({ secret: SIGNING_SECRET, body: suggestion.body, now: Date.now() })
    const lines = Object.entries({ Host: 'x', 'Content-Length': suggestion.body.length, ...headers })
    client.write(`POST ${OPTIONS} HTTP/1.1\r\n${lines.map((line) => `${line.join(': ')}\r\n`).join('')}\r\n`)
    client.write(suggestion.body)
    const res = await held.promise
    client.socket.destroy()
    await client.closed
    res.end('nobody reads this')
    expect(await nextRecord()).toMatchObject({ regions: [{ result: 'answered' }] })
    expect(logs.filter(({ level }) => level === 'error')).toEqual([])
  })
})

describe('a Content-Length that lies', () => {
  it('and is too short: the part is not what was signed, and the rest is no request', async () => {
    const { raw, head, regions } = await gateway()
    const client = raw()
    client.write(head(OPTIONS, suggestion.body, { 'Content-Length': '50' }) + suggestion.body)
    const heard = await client.closed
    expect(heard).toMatch(/^HTTP\/1\.1 40[01] /)
    expect(heard).not.toMatch(/HTTP\/1\.1 [25]/)
    expect(regions.eu.requests).toEqual([])
  })

  it('and is too long: 408 when the budget ends', async () => {
    const { raw, head, clock, timers, regions } = await gateway()
    const client = raw()
    client.write(head(OPTIONS, suggestion.body, { 'Content-Length': '9999' }) + suggestion.body)
    await expect.poll(timers).toBe(1)
    clock.advance(2500)
    expect(await client.hears(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 408 /)
    expect(regions.eu.requests).toEqual([])
    clock.advance(1000)
    await client.closed
  })

  it.each([
    ['stands there twice', { 'Content-Length': '10', 'content-length': '11' }],
    ['stands beside Transfer-Encoding', { 'Transfer-Encoding': 'chunked' }],
    ['is negative', { 'Content-Length': '-1' }],
    ['is no number', { 'Content-Length': 'many' }],
  ])('and %s: 400 and closed, nothing is forwarded', async (_, headers: Record<string, string>) => {
    const { raw, head, regions } = await gateway()
    const client = raw()
    client.write(head(OPTIONS, suggestion.body, headers) + suggestion.body)
    expect(await client.closed).toMatch(/^HTTP\/1\.1 400 /)
    expect(regions.eu.requests).toEqual([])
  })
})

describe('Expect: 100-continue', () => {
  const expecting = { Expect: '100-continue' }

  it('is told to go on where the body is wanted, and the body goes on', async () => {
    const { raw, head } = await gateway()
    const client = raw()
    client.write(head(OPTIONS, suggestion.body, expecting))
    expect(await client.hears(/\r\n\r\n/)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    client.write(suggestion.body)
    expect(await client.hears(/from eu/)).toMatch(/\r\n\r\nHTTP\/1\.1 200 /)
  })

  it.each<[string, number, string, Record<string, string>]>([
    ['the body is too long', 413, OPTIONS, { 'Content-Length': '1048577' }],
    ['the signature is malformed', 401, OPTIONS, { 'x-slack-signature': 'v0=' }],
    ['the body is compressed', 415, OPTIONS, { 'Content-Encoding': 'gzip' }],
    ['nobody lives there', 404, '/nowhere', {}],
  ])('is never told to go on where %s: %i', async (_, status, path, headers) => {
    const { raw, head } = await gateway()
    const client = raw()
    client.write(head(path, suggestion.body, { ...expecting, ...headers }))
    const heard = await client.hears(/"code":/)
    expect(heard).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(heard).toMatch(/Connection: close\r\n/)
    await client.closed
    expect(client.heard()).not.toContain('100 Continue')
  })
})

describe('the connection', () => {
  it('carries pipelined requests, answered in their order', async () => {
    const { raw, head, regions } = await gateway()
    const client = raw()
    const challenge = json({ type: 'url_verification', challenge: 'the-challenge' }).body
    const last = slashCommand()
    client.write(
      head(OPTIONS, suggestion.body) +
        suggestion.body +
        head(EVENT, challenge) +
        challenge +
        head(COMMANDS, last.body, { Connection: 'close' }) +
        last.body,
    )
    const heard = await client.closed
    expect(heard.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 200'])
    expect(heard).toMatch(/from eu.*the-challenge.*from eu/s)
    expect(regions.eu.requests.map(({ url }) => url)).toEqual([OPTIONS, COMMANDS])
  })

  it('ends behind a refusal that closes; what was pipelined behind it is not answered', async () => {
    const { raw, head, regions } = await gateway()
    const client = raw()
    client.write(
      head(OPTIONS, suggestion.body, { 'x-slack-signature': 'v0=' }) +
        suggestion.body +
        head(OPTIONS, suggestion.body) +
        suggestion.body,
    )
    const heard = await client.closed
    expect(heard.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 401'])
    expect(regions.eu.requests.length).toBeLessThanOrEqual(1)
  })

  it('is closed on a caller who does not finish its headers', async () => {
    const { raw, server } = await gateway()
    expect(server.headersTimeout).toBe(10_000)
    server.headersTimeout = 1
    const client = raw()
    client.write('POST /slack/events HTTP/1.1\r\nHost: x\r\n')
    expect(await client.closed).toMatch(/^HTTP\/1\.1 408 /)
  })

  it.each([
    ['what is not HTTP', 'Good day\r\n\r\n', 400],
    ['a header without a name', 'POST /slack/events HTTP/1.1\r\nHost: x\r\n: v\r\n\r\n', 400],
    ['folded headers', 'POST /slack/events HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n', 400],
    ['a NUL in a header', 'POST /slack/events HTTP/1.1\r\nHost: x\r\nA: \u0000\r\n\r\n', 400],
    ['no Host', 'POST /slack/events HTTP/1.1\r\n\r\n', 400],
    ['headers of 20 KiB', `POST /slack/events HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_480)}\r\n\r\n`, 431],
    ['a chunk that is none', 'POST /slack/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400],
  ])('is closed behind an error on %s', async (_, bytes, status) => {
    const { raw } = await gateway()
    const client = raw()
    client.write(bytes)
    expect(await client.closed).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  })
})

it.each(['gzip', 'deflate', 'br', 'gzip, identity', 'x'])('a body in the coding %s is 415', async (coding) => {
  const { post, regions } = await gateway()
  const reply = await post(OPTIONS, suggestion.body, { ...suggestion, headers: { 'Content-Encoding': coding } })
  expect(reply.status).toBe(415)
  expect(regions.eu.requests).toEqual([])
})
