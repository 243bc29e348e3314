import { request as httpRequest, type ClientRequest } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { expectProblem } from '../../support/expect-problem.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'
import { startSilo, type Silo } from '../../support/silo.ts'
import { everywhere, webhookPaths } from '../../support/slack-surfaces.ts'
import { eventCallback, FORM, form, slashCommand, sslCheck, TEAM } from '../../support/slack-payloads.ts'
import { signSlack } from '../../support/slack-signer.ts'
import { SIGNING_SECRET, workspace, type TestReply } from '../../support/test-gateway.ts'

const KIB_4 = 4096
const LIMIT = 8192

// Time stands still: whatever is answered here was not answered because a deadline came.
let clock: ManualClock
let silo: Silo
let atRest: number
beforeAll(async () => {
  clock = createManualClock()
  silo = await startSilo({
    clock,
    regions: { us: {} },
    directory: workspace({ acme: 'us' }),
    env: { MAX_BODY_BYTES: String(LIMIT) },
  })
  atRest = clock.pending()
})
afterAll(() => silo.close())

const signed = (body: string | Buffer, shiftSeconds = 0) =>
  signSlack({ secret: SIGNING_SECRET, body, now: clock.now() + shiftSeconds * 1000 })

/** A request whose body is announced and begun, but never finished, on a connection that may stay open. */
function begin(path: string, given: Record<string, string>, firstBytes = ''): Promise<TestReply> {
  const headers = { ...given, Connection: 'keep-alive' }
  let request: ClientRequest
  return new Promise<TestReply>((resolve, reject) => {
    request = httpRequest(
      { host: '127.0.0.1', port: silo.port, method: 'POST', path, headers, agent: false },
      (res) => {
        const chunks: Buffer[] = []
        res.on('data', (chunk: Buffer) => chunks.push(chunk))
        res.on('error', reject)
        res.on('end', () => {
          const body = Buffer.concat(chunks)
          const text = body.toString()
          const { headers, rawHeaders, statusCode: status = 0 } = res
          resolve({ status, headers, rawHeaders, body, text, json: () => JSON.parse(text) })
        })
      },
    )
    request.on('error', reject)
    request.flushHeaders()
    if (firstBytes !== '') request.write(firstBytes)
  }).finally(() => request.destroy())
}

/** Until so many wait, besides those of a gateway that has nothing to do. */
async function timers(count: number): Promise<void> {
  while (clock.pending() - atRest !== count) await nextTurn()
}

const nobodyAsked = (delivered: { asked: readonly string[] }) => expect(delivered.asked).toEqual([])

describe('row 1: a content coding other than identity', () => {
  it.each(
    everywhere.flatMap((where) =>
      ['gzip', 'br', 'deflate', 'GZIP', 'gzip, identity'].map((coding) => ({ ...where, coding })),
    ),
  )('$coding is 415: $what at $path', async ({ path, surface, coding }) => {
    const delivered = await silo.deliver(path, surface.from(TEAM), { headers: { 'Content-Encoding': coding } })
    expectProblem(delivered.reply, 415, 'unsupported_content_encoding')
    nobodyAsked(delivered)
  })

  it.each(['identity', 'Identity', '', 'identity, identity'])('"%s" is none', async (coding) => {
    const headers = { 'Content-Encoding': coding }
    const { reply, asked } = await silo.deliver('/slack/events', slashCommand(), { headers })
    expect([reply.status, asked]).toEqual([200, ['us']])
  })

  it.each([
    ['without a signature', { 'Content-Length': '10' }],
    ['with a malformed signature', { 'X-Slack-Signature': 'v0=nonsense', 'X-Slack-Request-Timestamp': 'abc' }],
    ['with a body over the limit', { 'Content-Length': String(LIMIT + 1) }],
    ['as an ssl_check', { 'Content-Type': FORM, 'Content-Length': '11' }],
  ])('comes first, %s, and before the body is read', async (_, headers) => {
    const reply = await begin('/slack/events', { ...headers, 'Content-Encoding': 'gzip' })
    expectProblem(reply, 415, 'unsupported_content_encoding')
    expect(reply.headers.connection).toBe('close')
  })
})

describe('signature headers that can never verify', () => {
  const body = 'x'
  const good = () => signed(body)
  const heads: [string, () => Record<string, string>][] = [
    ['stale by 301 s', () => signed(body, -301)],
    ['301 s in the future', () => signed(body, 301)],
    ['a year old', () => signed(body, -31_536_000)],
    ['a timestamp of words', () => ({ ...good(), 'x-slack-request-timestamp': 'abc' })],
    ['an empty timestamp', () => ({ ...good(), 'x-slack-request-timestamp': '' })],
    ['a negative timestamp', () => ({ ...good(), 'x-slack-request-timestamp': '-1' })],
    ['a fractional timestamp', () => ({ ...good(), 'x-slack-request-timestamp': '1700000000.0' })],
    ['a hexadecimal timestamp', () => ({ ...good(), 'x-slack-request-timestamp': '0x6553f100' })],
    ['an endless timestamp', () => ({ ...good(), 'x-slack-request-timestamp': '9'.repeat(400) })],
    ['an empty signature', () => ({ ...good(), 'x-slack-signature': '' })],
    ['a signature of another version', () => ({ ...good(), 'x-slack-signature': `v1=${'0'.repeat(64)}` })],
    ['a short signature', () => ({ ...good(), 'x-slack-signature': `v0=${'0'.repeat(63)}` })],
    ['a long signature', () => ({ ...good(), 'x-slack-signature': `v0=${'0'.repeat(65)}` })],
    ['an upper-case signature', () => ({ ...good(), 'x-slack-signature': `v0=${'A'.repeat(64)}` })],
    ['no timestamp', () => ({ 'x-slack-signature': good()['x-slack-signature'] })],
    ['no signature', () => ({ 'x-slack-request-timestamp': good()['x-slack-request-timestamp'] })],
  ]

  it.each(webhookPaths.flatMap((path) => heads.map(([what, head]) => ({ what, path, head }))))(
    'are 401 before the body is read: $what at $path',
    async ({ path, head }) => {
      const reply = await begin(path, { ...head(), 'Content-Length': '100' })
      expectProblem(reply, 401, 'invalid_signature')
      expect(reply.headers.connection).toBe('close')
    },
  )

  it.each(heads)('are 401 ahead of 413: %s', async (_, head) => {
    const reply = await begin('/slack/events', { ...head(), 'Content-Length': String(LIMIT * 1000) })
    expectProblem(reply, 401, 'invalid_signature')
    expect(reply.headers.connection).toBe('close')
  })

  it.each(heads)('make no ssl_check good: %s', async (_, head) => {
    const delivered = await silo.deliver('/extensions/slack/commands/', sslCheck(), { secret: null, headers: head() })
    expectProblem(delivered.reply, 401, 'invalid_signature')
  })

  it('are counted as clock skew when they are stale, and only then', async () => {
    const skewed = () => silo.gateway.counters.read().get('clock_skew_total') ?? 0
    const before = skewed()
    await silo.deliver('/slack/events', slashCommand(), { secret: null, headers: signed(slashCommand().body, -301) })
    await silo.deliver('/slack/events', slashCommand(), { secret: null, headers: signed(slashCommand().body, 301) })
    expect(skewed()).toBe(before + 2)
    await silo.deliver('/slack/events', slashCommand(), { secret: 'another secret' })
    await silo.deliver('/slack/events', slashCommand(), { secret: null, headers: { 'X-Slack-Signature': 'v0=0' } })
    expect(skewed()).toBe(before + 2)
  })

  it.each([-300, -1, 0, 1, 300])('are not those of a clock %i s away', async (shift) => {
    const body = slashCommand()
    const { reply, asked } = await silo.deliver('/slack/events', body, {
      secret: null,
      headers: signed(body.body, shift),
    })
    expect([reply.status, asked]).toEqual([200, ['us']])
  })
})

describe('row 2: a body that is too long', () => {
  const padded = (length: number) => {
    const bare = slashCommand({ text: '' }).body.length
    return slashCommand({ text: 'x'.repeat(length - bare) })
  }

  it.each(webhookPaths)('signed and announced over the limit is 413, unread: %s', async (path) => {
    const reply = await begin(path, { ...signed(''), 'Content-Length': String(LIMIT + 1) })
    expectProblem(reply, 413, 'body_too_large')
    expect(reply.headers.connection).toBe('close')
  })

  it.each(webhookPaths)('unsigned and announced over 4 KiB is 413, unread: %s', async (path) => {
    const reply = await begin(path, { 'Content-Length': String(KIB_4 + 1) })
    expectProblem(reply, 413, 'body_too_large')
    expect(reply.headers.connection).toBe('close')
  })

  it.each(webhookPaths)('unsigned and 4 KiB long is 401: %s', async (path) => {
    const { reply } = await silo.deliver(path, { contentType: FORM, body: 'x'.repeat(KIB_4) }, { secret: null })
    expectProblem(reply, 401, 'invalid_signature')
  })

  it('unsigned and over a limit that is less than 4 KiB is 413', async () => {
    const small = await startSilo({ clock, regions: { us: {} }, env: { MAX_BODY_BYTES: '100' } })
    onTestFinished(() => small.close())
    const ask = (length: number) =>
      small.deliver('/slack/events', { contentType: FORM, body: 'x'.repeat(length) }, { secret: null })
    expectProblem((await ask(100)).reply, 401, 'invalid_signature')
    expectProblem((await ask(101)).reply, 413, 'body_too_large')
  })

  it.each([
    ['signed', LIMIT + 1, () => signed('')],
    ['unsigned', KIB_4 + 1, () => ({})],
  ])('%s and in chunks is 413 as soon as it is', async (_, length, head) => {
    const reply = await begin('/slack/events', { ...head(), 'Transfer-Encoding': 'chunked' }, 'x'.repeat(length))
    expectProblem(reply, 413, 'body_too_large')
    expect(reply.headers.connection).toBe('close')
  })

  it('does not keep the caller from reading the answer', async () => {
    const { reply } = await silo.deliver('/slack/events', padded(1024 * 1024))
    expectProblem(reply, 413, 'body_too_large')
  })

  it('begins one byte above the limit', async () => {
    const body = padded(LIMIT)
    const { reply, asked } = await silo.deliver('/extensions/slack/commands', body)
    expect([body.body.length, reply.status, asked]).toEqual([LIMIT, 200, ['us']])
    expectProblem((await silo.deliver('/extensions/slack/commands', padded(LIMIT + 1))).reply, 413, 'body_too_large')
  })

  it('is no ssl_check', async () => {
    const { reply } = await silo.deliver('/slack/events', sslCheck({ pad: 'x'.repeat(KIB_4) }), { secret: null })
    expectProblem(reply, 413, 'body_too_large')
  })
})

describe('row 3: a body that is not complete when the budget ends', () => {
  it.each(
    webhookPaths.flatMap((path) => [
      { what: 'signed', path, head: () => signed('') },
      { what: 'unsigned', path, head: () => ({ 'Content-Type': FORM }) },
    ]),
  )('is 408 and the connection closes: $what at $path', async ({ path, head }) => {
    await timers(0)
    const reply = begin(path, { ...head(), 'Content-Length': '20' }, 'ssl_check=1')
    await timers(1)
    clock.advance(2499)
    await timers(1)
    clock.advance(1)
    expectProblem(await reply, 408, 'body_timeout')
    expect((await reply).headers.connection).toBe('close')
  })
})

describe('row 4: ssl_check', () => {
  const unsigned = { secret: null }

  it.each(webhookPaths)('is 200 and empty at %s', async (path) => {
    const delivered = await silo.deliver(path, sslCheck(), unsigned)
    expect([delivered.reply.status, delivered.reply.text]).toEqual([200, ''])
    expect(delivered.reply.headers['x-request-id']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
    nobodyAsked(delivered)
  })

  it.each([FORM, `${FORM}; charset=utf-8`, 'Application/X-WWW-Form-Urlencoded'])(
    'comes with the content type %s',
    async (contentType) => {
      expect((await silo.deliver('/slack/events', { ...sslCheck(), contentType }, unsigned)).reply.status).toBe(200)
    },
  )

  it.each(everywhere.filter(({ surface }) => surface.kind !== 'event'))(
    'smuggles nothing in: a $what beside it at $path',
    async ({ path, surface }) => {
      const { body } = surface.from(TEAM)
      for (const smuggled of [`ssl_check=1&${body}`, `${body}&ssl_check=1`]) {
        const delivered = await silo.deliver(path, { contentType: FORM, body: smuggled }, unsigned)
        expect([delivered.reply.status, delivered.reply.text]).toEqual([200, ''])
        nobodyAsked(delivered)
      }
    },
  )

  it('looks at nothing else of the form', async () => {
    const body = 'ssl_check=1&payload=%ff%fe&command=%&\u0000=%c3'
    expect((await silo.deliver('/slack/events', { contentType: FORM, body }, unsigned)).reply.status).toBe(200)
  })

  it.each([
    ['twice', FORM, 'ssl_check=1&ssl_check=1'],
    ['twice, once with its name encoded', FORM, 'ssl_check=1&ssl%5Fcheck=1'],
    ['once right, once wrong', FORM, 'ssl_check=1&ssl_check=0'],
    ['with another value', FORM, 'ssl_check=0'],
    ['with a longer value', FORM, 'ssl_check=11'],
    ['with a blank around the value', FORM, 'ssl_check=+1'],
    ['with the value true', FORM, 'ssl_check=true'],
    ['without a value', FORM, 'ssl_check'],
    ['with an empty value', FORM, 'ssl_check='],
    ['in other letters', FORM, 'SSL_CHECK=1'],
    ['within another name', FORM, 'xssl_check=1'],
    ['within another value', FORM, 'text=ssl_check%3D1%26x'],
    ['as JSON', 'application/json', '{"ssl_check":"1"}'],
    ['as a form that calls itself JSON', 'application/json', 'ssl_check=1'],
    ['as a form that calls itself nothing', '', 'ssl_check=1'],
    ['as multipart', 'multipart/form-data; boundary=x', 'ssl_check=1'],
    ['of an empty body', FORM, ''],
  ])('%s is none: 401', async (_, contentType, body) => {
    for (const path of ['/extensions/slack/commands/', '/slack/events']) {
      expectProblem((await silo.deliver(path, { contentType, body }, unsigned)).reply, 401, 'invalid_signature')
    }
  })

  it('with a wrong signature is 401', async () => {
    const { reply } = await silo.deliver('/slack/events', sslCheck(), { secret: 'another secret' })
    expectProblem(reply, 401, 'invalid_signature')
  })

  it('in a signed command is a field like any other', async () => {
    const fields = form({ ssl_check: '1', team_id: TEAM, command: '/silo' })
    const { reply, asked } = await silo.deliver('/slack/events', fields)
    expect([reply.text, asked]).toEqual(['us', ['us']])
  })
})

describe('row 5: the signature', () => {
  it.each(everywhere)('missing is 401: $what at $path', async ({ path, surface }) => {
    const delivered = await silo.deliver(path, surface.from(TEAM), { secret: null })
    expectProblem(delivered.reply, 401, 'invalid_signature')
    nobodyAsked(delivered)
  })

  it.each(everywhere)('by another secret is 401: $what at $path', async ({ path, surface }) => {
    const delivered = await silo.deliver(path, surface.from(TEAM), { secret: 'another secret' })
    expectProblem(delivered.reply, 401, 'invalid_signature')
    nobodyAsked(delivered)
  })

  it.each(everywhere)('over one byte less is 401: $what at $path', async ({ path, surface }) => {
    const body = surface.from(TEAM)
    const headers = signed(body.body.slice(0, -1))
    const delivered = await silo.deliver(path, body, { secret: null, headers })
    expectProblem(delivered.reply, 401, 'invalid_signature')
    nobodyAsked(delivered)
  })

  it('is for its own timestamp only', async () => {
    const { body, contentType } = eventCallback()
    const headers = { ...signed(body), 'x-slack-request-timestamp': String(clock.now() / 1000 - 1) }
    const delivered = await silo.deliver('/slack/events', { body, contentType }, { secret: null, headers })
    expectProblem(delivered.reply, 401, 'invalid_signature')
  })

  it.each(['x-slack-signature', 'x-slack-request-timestamp'] as const)('given twice is 401: %s', async (name) => {
    const body = eventCallback()
    const once = signed(body.body)
    const headers = { ...once, [name]: [once[name], once[name]] }
    const delivered = await silo.deliver('/slack/events', body, { secret: null, headers })
    expectProblem(delivered.reply, 401, 'invalid_signature')
    nobodyAsked(delivered)
  })

  it.each(webhookPaths)('is asked for before the body is understood: %s', async (path) => {
    for (const body of ['', '{', 'payload=%ff', '{"type":"url_verification","challenge":"x"}', 'null']) {
      for (const contentType of ['application/json', FORM]) {
        const { reply } = await silo.deliver(path, { contentType, body }, { secret: null })
        expectProblem(reply, 401, 'invalid_signature')
      }
    }
  })
})
