import { mkdtempDisposable } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { startCollector } from '../../support/collector.ts'
import { startFakeRegion, type Answer, type RegionRequest } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import type { CollectedSpan } from '../../support/otlp-spans.ts'
import { PAGE_SECRET, signToken } from '../../support/page-token.ts'
import { rawClient } from '../../support/raw-client.ts'
import { useSilos, type SilosOptions } from '../../support/silos.ts'
import { blockActions, eventCallback, slashCommand, type SlackBody } from '../../support/slack-payloads.ts'
import { signSlack } from '../../support/slack-signer.ts'
import { passBudget, until } from '../../support/steps.ts'
import { SIGNING_SECRET } from '../../support/test-gateway.ts'

const SERVER = 2
const CLIENT = 3
const ERROR = 2

const closing: { close: () => Promise<void> }[] = []
// After the gateways: they send what they have as they close.
afterEach(async () => {
  for (const one of closing.splice(0).toReversed()) await one.close()
})
const silos = useSilos()

const caller = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8) }
const sampled = `00-${caller.traceId}-${caller.spanId}-01`
const unsampled = `00-${caller.traceId}-${caller.spanId}-00`

const says =
  (status: number): Answer =>
  (res) =>
    res.writeHead(status).end()

async function setUp<Name extends string>(
  answers: Record<Name, Answer | undefined>,
  { env, ...more }: SilosOptions = {},
) {
  const collector = await startCollector()
  const slack = await startFakeRegion()
  closing.push(collector, slack)
  const clock = createManualClock({ now: Date.now() })
  const started = await silos<Name>(answers, {
    ...more,
    clock,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, SLACK_RESPONSE_HOSTS: `127.0.0.1:${slack.port}`, ...env },
  })
  return {
    ...started,
    clock,
    collector,
    responseUrl: `${slack.url}/actions/T0ACME00001/1/secret`,
    deadline: () => passBudget({ clock, gateway: started.gateway }),
    send: ({ body, contentType }: SlackBody, headers: Record<string, string> = {}) =>
      started.post('/slack/events', body, { contentType, headers }),
    /** Everything that is ever exported. */
    exported: async () => {
      await started.gateway.close()
      return collector.spans
    },
  }
}

/** Where a region has been told to go on. */
function traceOf(request: RegionRequest | undefined) {
  const [version, traceId, spanId, flags] = String(request?.headers['traceparent']).split('-')
  return { version, traceId, spanId, flags }
}

const idsOf = (span: CollectedSpan | undefined) => ({ traceId: span?.traceId, spanId: span?.spanId })
const ofKind = (spans: readonly CollectedSpan[], kind: number) => spans.filter((span) => span.kind === kind)
const ofRegion = (spans: readonly CollectedSpan[], region: string) =>
  spans.find(({ attributes }) => attributes['silo.region'] === region)

describe('a webhook', () => {
  it('is one span, the first of its trace, with the attempt below it that its region goes on from', async () => {
    const { send, regions, exported } = await setUp({ us: undefined })
    const reply = await send(slashCommand())
    const spans = await exported()
    const [webhook, ...others] = ofKind(spans, SERVER)
    const [attempt, ...more] = ofKind(spans, CLIENT)
    expect([others, more, spans.length]).toEqual([[], [], 2])
    expect(webhook).toMatchObject({
      parent: undefined,
      name: 'POST /slack/events',
      status: 0,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/slack/events',
        'url.path': '/slack/events',
        'url.scheme': 'http',
        'http.response.status_code': 200,
        'silo.delivery': reply.headers['x-request-id'],
        'silo.provider': 'slack',
        'silo.surface': 'command',
        'silo.type': '/silo',
        'silo.outcome': 'passed_on',
        'silo.verdict': 'found',
        'silo.integration': '1',
        'silo.organizations': ['10'],
        'silo.plan': 'first',
        'silo.answered_from': 'us',
      },
      resource: { 'service.name': 'silo-gateway', 'service.version': expect.stringMatching(/^\d+\.\d+\.\d+/) },
    })
    expect(attempt).toMatchObject({
      traceId: webhook?.traceId,
      parent: webhook?.spanId,
      links: [],
      name: 'POST us',
      status: 0,
      attributes: {
        'http.request.method': 'POST',
        'http.response.status_code': 200,
        'server.address': '127.0.0.1',
        'server.port': regions.us.port,
        'silo.delivery': reply.headers['x-request-id'],
        'silo.region': 'us',
        'silo.attempt': 1,
        'silo.result': 'answered',
        'silo.breaker': 'closed',
      },
    })
    expect(traceOf(regions.us.requests[0])).toEqual({ version: '00', ...idsOf(attempt), flags: '01' })
  })

  it("goes on with the caller's trace, and passes on what vendors have said of it", async () => {
    const { send, regions, exported } = await setUp({ us: undefined })
    await send(slashCommand(), { traceparent: sampled, tracestate: 'vendor=1' })
    const spans = await exported()
    expect(ofKind(spans, SERVER)).toMatchObject([{ traceId: caller.traceId, parent: caller.spanId }])
    expect(traceOf(regions.us.requests[0])).toMatchObject(idsOf(ofRegion(spans, 'us')))
    expect(regions.us.requests[0]?.headers['tracestate']).toBe('vendor=1')
  })

  it.each([
    ['03', '03'],
    ['ff', '03'],
    ['05', '01'],
  ])(
    'of flags %s passes on %s: that ids are random is still so, what is not known may not be',
    async (given, passed) => {
      const { send, regions } = await setUp({ us: undefined })
      await send(slashCommand(), { traceparent: sampled.replace(/01$/, given) })
      expect(traceOf(regions.us.requests[0])).toMatchObject({ traceId: caller.traceId, flags: passed })
    },
  )

  it('leaves a trace alone that its caller does not record', async () => {
    const { send, regions, exported } = await setUp({ us: undefined })
    await send(slashCommand(), { traceparent: unsampled })
    await send(eventCallback(), { traceparent: unsampled })
    expect(await exported()).toEqual([])
    expect(regions.us.requests.map(({ headers }) => headers['traceparent'])).toEqual([unsampled, unsampled])
  })

  it('begins a trace of its own where the caller’s makes no sense', async () => {
    const { send, regions, exported } = await setUp({ us: undefined })
    await send(slashCommand(), { traceparent: `${sampled}-more` })
    const spans = await exported()
    expect(ofKind(spans, SERVER)).toMatchObject([{ parent: undefined, traceId: expect.not.stringMatching(/^abab/) }])
    expect(traceOf(regions.us.requests[0])).toMatchObject(idsOf(ofRegion(spans, 'us')))
  })

  it('that goes to all regions has an attempt for each, and each region its own to go on from', async () => {
    const { send, regions, exported } = await setUp({ us: undefined, eu: says(503) })
    await send(blockActions())
    const spans = await exported()
    const [webhook] = ofKind(spans, SERVER)
    const [us, eu] = [ofRegion(spans, 'us'), ofRegion(spans, 'eu')]
    expect([us?.parent, eu?.parent]).toEqual([webhook?.spanId, webhook?.spanId])
    expect(traceOf(regions.us.requests[0])).toMatchObject(idsOf(us))
    expect(traceOf(regions.eu.requests[0])).toMatchObject(idsOf(eu))
    expect(us?.spanId).not.toBe(eu?.spanId)
    expect(eu).toMatchObject({
      status: ERROR,
      attributes: { 'http.response.status_code': 503, 'error.type': '503', 'silo.result': 'http_503' },
    })
  })

  it('spans the time from its first byte to its answer, and an attempt that of its call', async () => {
    const held: ServerResponse[] = []
    const { send, regions, clock, exported } = await setUp({ us: (res) => held.push(res) })
    const startedAt = clock.now()
    const reply = send(slashCommand())
    await regions.us.nextRequest()
    clock.advance(700)
    held[0]?.end()
    await reply
    const spans = await exported()
    const [webhook, attempt] = [ofKind(spans, SERVER)[0], ofRegion(spans, 'us')]
    const times = (span: CollectedSpan | undefined) => [
      Number(span?.startNs ?? 0) / 1e6,
      Number(span?.endNs ?? 0) / 1e6,
    ]
    expect(times(webhook).map(Math.round)).toEqual([startedAt, startedAt + 700])
    expect(times(attempt).map(Math.round)).toEqual([startedAt, startedAt + 700])
    expect(attempt?.attributes).toMatchObject({ 'silo.first_byte_ms': 700 })
  })

  it('whose caller goes away before its answer has none, and says why', async () => {
    const held: ServerResponse[] = []
    const { port, server, regions, nextRecord, exported } = await setUp({ us: (res) => held.push(res) })
    const { body, contentType } = slashCommand()
    const caller = rawClient(port)
    const signed = signSlack({ secret: SIGNING_SECRET, body, now: Date.now() })
    const headers = Object.entries({ ...signed, Host: 'x', 'Content-Type': contentType, 'Content-Length': body.length })
    caller.write(`POST /slack/events HTTP/1.1\r\n${headers.map((one) => `${one.join(': ')}\r\n`).join('')}\r\n${body}`)
    await regions.us.nextRequest()
    caller.socket.destroy()
    await expect.poll(() => promisify(server.getConnections.bind(server))()).toBe(0)
    held[0]?.end()
    await nextRecord()
    const [webhook] = ofKind(await exported(), SERVER)
    expect(webhook).toMatchObject({
      status: ERROR,
      attributes: { 'silo.outcome': 'passed_on', 'error.type': 'caller_gone' },
    })
    expect(webhook?.attributes).not.toHaveProperty('http.response.status_code')
  })

  it.each([
    ['https', 'https'],
    ['x'.repeat(1000), undefined],
  ])('behind a proxy has its scheme %j, and no other text that comes in its place', async (proto, scheme) => {
    const { send, exported } = await setUp({ us: undefined }, { env: { TRUSTED_PROXIES: '127.0.0.0/8' } })
    await send(slashCommand(), { 'X-Forwarded-Proto': proto })
    expect(ofKind(await exported(), SERVER)[0]?.attributes['url.scheme']).toBe(scheme)
  })

  it('that no region could answer is an error', async () => {
    const { send, exported } = await setUp({ us: says(500) })
    await send(blockActions({ response_url: undefined }))
    expect(ofKind(await exported(), SERVER)).toMatchObject([
      { status: ERROR, attributes: { 'http.response.status_code': 502, 'error.type': 'silo_client_error' } },
    ])
  })

  it('that is refused has a span, which is no error of ours, and no attempt', async () => {
    const { post, exported } = await setUp({ us: undefined })
    await post('/slack/events', '{}', { secret: 'another' })
    expect(await exported()).toMatchObject([
      {
        kind: SERVER,
        status: 0,
        attributes: { 'http.response.status_code': 401, 'silo.outcome': 'invalid_signature' },
      },
    ])
  })

  it('that nobody has signed has none where there are more than 50 in a second, so that the others keep theirs', async () => {
    const { post, send, exported } = await setUp({ us: undefined })
    for (let sent = 0; sent < 55; sent++) await post('/slack/events', '{}', { secret: 'another' })
    await send(slashCommand())
    const outcomes = ofKind(await exported(), SERVER).map(({ attributes }) => attributes['silo.outcome'])
    expect(outcomes).toEqual([...Array.from({ length: 50 }, () => 'invalid_signature'), 'passed_on'])
  })

  it('for a region that nothing is sent to has an attempt that says why', async () => {
    const { send, exported } = await setUp({ us: undefined }, { entries: { us: { state: 'down' } } })
    await send(slashCommand())
    expect(ofRegion(await exported(), 'us')).toMatchObject({
      status: ERROR,
      attributes: { 'error.type': 'region_down', 'silo.attempt': 1 },
    })
  })

  it('that is a page is named without its path, which holds a token', async () => {
    const { get, clock, exported } = await setUp({ us: undefined }, { env: { PAGE_SIGNING_SECRET: PAGE_SECRET } })
    const token = signToken({ integration_id: 1, slack_user_id: 'U1', exp: Math.floor(clock.now() / 1000) + 60 })
    await get(`/extensions/slack/link-team/${token}/`)
    const spans = await exported()
    expect(ofKind(spans, SERVER)).toMatchObject([{ name: 'GET page' }])
    expect(ofKind(spans, CLIENT)).toMatchObject([{ name: 'GET us' }])
    expect(JSON.stringify(spans, (_, value: unknown) => (typeof value === 'bigint' ? '' : value))).not.toContain(token)
  })
})

describe('an attempt that is made later', () => {
  /** An event that waits for its region, and is then delivered. */
  async function deliveredLater(headers: Record<string, string> = {}) {
    let isUp = false
    const started = await setUp({ us: (res) => res.writeHead(isUp ? 200 : 503).end() })
    await started.send(eventCallback(), headers)
    isUp = true
    await until(started.clock, () => started.regions.us.requests.length === 2)
    await until(started.clock, async () => (await started.gateway.spool.list()).every(({ isEmpty }) => isEmpty))
    return started
  }

  it('is a trace of its own, linked to the webhook, that its region goes on from', async () => {
    const { regions, exported } = await deliveredLater()
    const spans = await exported()
    const [webhook] = ofKind(spans, SERVER)
    const [first, later] = ofKind(spans, CLIENT)
    expect(first).toMatchObject({ traceId: webhook?.traceId, parent: webhook?.spanId, status: ERROR })
    expect(later).toMatchObject({
      parent: undefined,
      links: [idsOf(webhook)],
      attributes: { 'silo.attempt': 2, 'silo.delivery': webhook?.attributes['silo.delivery'] },
    })
    expect(later?.traceId).not.toBe(webhook?.traceId)
    expect(regions.us.requests.map((request) => traceOf(request))).toMatchObject([idsOf(first), idsOf(later)])
  })

  it('does not take along what vendors have said of the webhook’s trace', async () => {
    const { regions } = await deliveredLater({ traceparent: sampled, tracestate: 'vendor=1' })
    expect(regions.us.requests.map(({ headers }) => headers['tracestate'])).toEqual(['vendor=1', undefined])
  })

  it('is linked to the webhook also by the gateway that comes after', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'silo-gateway-traces-'))
    const env = { DATABASE_URL: `sqlite:${join(folder.path, 'gateway.db')}` }
    const before = await setUp({ us: says(503) }, { env })
    await before.send(eventCallback())
    const [webhook] = ofKind(await before.exported(), SERVER)
    const after = await setUp({ us: undefined }, { env })
    await until(after.clock, () => after.regions.us.requests.length === 1)
    expect(await after.exported()).toMatchObject([{ links: [idsOf(webhook)], attributes: { 'silo.attempt': 2 } }])
  })

  it('is none where the webhook’s trace is not recorded', async () => {
    const { regions, exported } = await deliveredLater({ traceparent: unsampled })
    expect(await exported()).toEqual([])
    expect(regions.us.requests.map(({ headers }) => headers['traceparent'])).toEqual([unsampled, unsampled])
  })
})

describe('a gateway that takes over from another one', () => {
  async function besides<Name extends string>(answer: Answer, first: Record<Name, Answer | undefined>) {
    const folder = await mkdtempDisposable(join(tmpdir(), 'silo-gateway-traces-'))
    closing.push({ close: () => folder.remove() })
    const env = { DATABASE_URL: `sqlite:${join(folder.path, 'gateway.db')}` }
    const entries = { us: { idempotent: true } }
    const before = await setUp(first, { env, entries })
    return {
      before,
      takeOver: () => {
        const SLACK_RESPONSE_HOSTS = new URL(before.responseUrl).host
        return setUp({ us: answer }, { env: { ...env, SLACK_RESPONSE_HOSTS }, entries })
      },
    }
  }

  it('that stands still links its attempt at an event to the webhook of that one', async () => {
    const { before, takeOver } = await besides(says(200), { us: says(503) })
    await before.send(eventCallback())
    const after = await takeOver()
    await until(after.clock, () => after.regions.us.requests.length === 1)
    const [attempt, ...more] = await after.exported()
    const [webhook] = ofKind(await before.exported(), SERVER)
    expect(attempt).toMatchObject({ parent: undefined, links: [idsOf(webhook)], attributes: { 'silo.attempt': 2 } })
    expect(attempt?.traceId).not.toBe(webhook?.traceId)
    expect([more, traceOf(after.regions.us.requests[0])]).toEqual([
      [],
      { version: '00', ...idsOf(attempt), flags: '01' },
    ])
  })

  it('that had no time to close links a late answer, and the attempt that it is from', async () => {
    const held: ServerResponse[] = []
    const { before, takeOver } = await besides((res) => res.end('at last'), { us: (res) => held.push(res) })
    const reply = before.send(slashCommand({ response_url: before.responseUrl }))
    await before.regions.us.nextRequest()
    await before.deadline()
    await reply
    await before.gateway.giveBack()
    const after = await takeOver()
    await until(after.clock, () => after.gateway.counters.read().get('late_answers_total{result="posted"}') === 1, {
      stepMs: 20,
    })
    const spans = await after.exported()
    held[0]?.end()
    const [webhook] = ofKind(await before.exported(), SERVER)
    expect(spans.map(({ name, links }) => [name, links])).toEqual([
      ['POST us', [idsOf(webhook)]],
      ['late answer', [idsOf(webhook)]],
    ])
  })
})

describe('an answer that comes late', () => {
  it('has its call in the webhook’s trace, and a trace of its own that is linked to it', async () => {
    const held: ServerResponse[] = []
    const { send, regions, deadline, clock, responseUrl, gateway, exported } = await setUp({
      us: (res) => held.push(res),
    })
    const reply = send(slashCommand({ response_url: responseUrl }))
    await regions.us.nextRequest()
    await deadline()
    await reply
    held[0]?.end('at last')
    await until(clock, () => gateway.lateAnswersOwed() === 0)
    const spans = await exported()
    const [webhook] = ofKind(spans, SERVER)
    expect(webhook?.attributes).toMatchObject({ 'silo.outcome': 'late' })
    expect(ofKind(spans, CLIENT)).toMatchObject([{ traceId: webhook?.traceId, parent: webhook?.spanId }])
    const [answer] = ofKind(spans, 1)
    expect(answer).toMatchObject({
      name: 'late answer',
      parent: undefined,
      links: [idsOf(webhook)],
      status: 0,
      attributes: { 'silo.result': 'posted', 'silo.delivery': webhook?.attributes['silo.delivery'] },
    })
    expect(answer?.traceId).not.toBe(webhook?.traceId)
  })

  it('links its later attempts to the webhook as well', async () => {
    let isUp = false
    const { send, deadline, clock, responseUrl, gateway, regions, exported } = await setUp(
      { us: (res) => void (isUp && res.end('done')) },
      { entries: { us: { idempotent: true, timeout_ms: 3000 } } },
    )
    const reply = send(slashCommand({ response_url: responseUrl }))
    await regions.us.nextRequest()
    await deadline()
    await reply
    isUp = true
    await until(clock, () => gateway.lateAnswersOwed() === 0)
    const spans = await exported()
    const [webhook] = ofKind(spans, SERVER)
    const [first, second] = ofKind(spans, CLIENT)
    expect(first).toMatchObject({ parent: webhook?.spanId, attributes: { 'error.type': 'timeout' } })
    expect(second).toMatchObject({ parent: undefined, links: [idsOf(webhook)], attributes: { 'silo.attempt': 2 } })
  })
})
