import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import type { Delivery } from '../../../src/records/told.ts'
import { startFakeRegion, type Answer, type FakeRegion } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { useSilos } from '../../support/silos.ts'
import {
  eventCallback,
  slashCommand,
  urlVerification,
  viewSubmission,
  type SlackBody,
} from '../../support/slack-payloads.ts'
import { passBudget, until } from '../../support/steps.ts'
import { SIGNING_SECRET } from '../../support/test-gateway.ts'
import { openAdmin, type Admin } from '../admin/admin-rig.ts'

const SINGLE = '/slack/events'
const silos = useSilos()
const opened: (FakeRegion | Admin)[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function setUp(answers: Record<string, Answer | undefined>, env: Record<string, string> = {}) {
  const slack = await startFakeRegion()
  opened.push(slack)
  const clock = createManualClock({ now: Date.now() })
  const started = await silos(answers, { clock, env: { SLACK_RESPONSE_HOSTS: `127.0.0.1:${slack.port}`, ...env } })
  const admin = await openAdmin(started.gateway)
  opened.push(admin)
  return {
    ...started,
    clock,
    slack,
    responseUrl: `${slack.url}/commands/T0ACME00001/1/secret`,
    deadline: () => passBudget({ clock, gateway: started.gateway }),
    send: async ({ body, contentType }: SlackBody) => {
      // Each comes in a millisecond of its own: those of one have no order.
      clock.advance(1)
      const reply = await started.post(SINGLE, body, contentType === undefined ? {} : { contentType })
      return String(reply.headers['x-request-id'])
    },
    list: async (query = '') => {
      const { json } = await admin.ask('GET', `/api/deliveries${query}`)
      return (json as { items: { id: string; outcome: string }[] }).items
    },
    delivery: async (id: string) => (await admin.ask('GET', `/api/deliveries/${id}`)).json as Delivery,
    ask: (...what: Parameters<Admin['ask']>) => admin.ask(...what),
  }
}

/** As a page gives it out for a position. */
const cursorOf = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url')

const says =
  (status: number, body = ''): Answer =>
  (res) =>
    res.writeHead(status).end(body)

describe('the record of a delivery', () => {
  it('tells what came, by which rules it was decided, each attempt, and what Slack got', async () => {
    const { send, delivery } = await setUp({ us: says(200, 'done'), eu: undefined })
    const id = await send(slashCommand({ text: 'link team org-eu' }))
    const told = await delivery(id)
    expect(told).toMatchObject({
      id,
      surface: 'command',
      type: '/silo',
      outcome: 'passed_on',
      failed: false,
      status: 200,
      answered_from: 'eu',
      budget_ms: 2500,
      running: false,
      request: { promised: 'late_answer' },
      installation: { external_id: 'T0ACME00001', found_in: 'team_id' },
      verified_by: { app_id: null, fingerprint: expect.stringMatching(/^[0-9a-f]{12}$/) as unknown },
      lookup: { verdict: 'found' },
      integration: { id: '1', name: 'Acme' },
      organizations: [{ id: '11', slug: 'org-eu', region: 'eu', included: true }],
      hint: { use: 'used', by: 'slug', names: ['org-eu'] },
      plan: { kind: 'first', rule: 'command', regions: ['eu'] },
      regions: [{ name: 'eu', state: 'active', organizations: ['11'], planned: true }],
      attempts: [{ region: 'eu', number: 1, result: 'answered', status: 200, breaker: 'closed' }],
      later: [],
      late_answer: null,
      content: null,
    })
    expect(Date.parse(told.received_at)).toBeGreaterThan(Date.now() - 60_000)
    expect(told.lines).toContain('plan: the first region, eu (command)')
    expect(told.lines.at(-1)).toMatch(/^outcome: passed_on: answered with 200 by eu’s reply after /)
  })

  it('says why a region is out', async () => {
    const { send, delivery } = await setUp({ us: undefined, eu: undefined })
    const { lines } = await delivery(await send(slashCommand()))
    expect(lines.filter((line) => line.startsWith('region: '))).toEqual([
      'region: us active, organizations 10, in',
      'region: eu active, organizations 11, out: another is the first',
    ])
  })

  it('is there while a region is still asked, and is whole once that has come to its end', async () => {
    const held: ServerResponse[] = []
    const { send, delivery } = await setUp({ us: says(200, '{}'), eu: (res) => held.push(res) })
    const id = await send(viewSubmission())
    expect(await delivery(id)).toMatchObject({ status: 200, answered_from: 'us', running: true, attempts: [] })
    held[0]?.writeHead(503).end()
    await expect.poll(async () => (await delivery(id)).running).toBe(false)
    expect(await delivery(id)).toMatchObject({
      failed: true,
      attempts: [
        { region: 'us', result: 'answered' },
        { region: 'eu', result: 'http_503' },
      ],
    })
  })

  it('goes on with what its mailbox does', async () => {
    let isUp = false
    const { send, delivery, clock } = await setUp({ us: (res) => res.writeHead(isUp ? 200 : 503).end() })
    const id = await send(eventCallback())
    expect(await delivery(id)).toMatchObject({ outcome: 'spooled', status: 200, later: [] })
    isUp = true
    await until(clock, async () => (await delivery(id)).later.length > 0)
    const { attempts, later, lines } = await delivery(id)
    expect(attempts).toMatchObject([{ region: 'us', number: 1, result: 'http_503' }])
    expect(later).toMatchObject([{ region: 'us', number: 2, result: 'answered', status: 200 }])
    expect(lines.at(-1)).toMatch(/^attempt: us, number 2: .*: answered with 200 \(over /)
  })

  it('says that it was put with the dead letters', async () => {
    let status = 503
    const { send, delivery, clock } = await setUp({ us: (res) => res.writeHead(status).end() })
    const id = await send(eventCallback())
    status = 410
    await until(clock, async () => (await delivery(id)).dead.length > 0)
    expect(await delivery(id)).toMatchObject({ dead: [{ region: 'us', reason: 'http_410' }] })
  })

  it('says that it is a dead letter where the region has refused it at once', async () => {
    const { send, delivery } = await setUp({ us: says(422) })
    expect(await delivery(await send(eventCallback()))).toMatchObject({ dead: [{ region: 'us', reason: 'http_422' }] })
  })

  it('says that it is a dead letter where the region has refused it after it was answered', async () => {
    const held: ServerResponse[] = []
    const { send, delivery, clock, regions } = await setUp({ us: says(200), eu: (res) => held.push(res) })
    const id = await send(eventCallback({ event: { type: 'app_uninstalled' } }))
    await regions.eu?.nextRequest()
    held[0]?.writeHead(422).end()
    await until(clock, async () => (await delivery(id)).dead.length > 0)
    expect(await delivery(id)).toMatchObject({ dead: [{ region: 'eu', reason: 'http_422' }] })
  })

  it('says that it is a dead letter since it has waited for too long', async () => {
    const asksForPatience: Answer = (res) => res.writeHead(503, { 'retry-after': '300' }).end()
    const { send, delivery, clock } = await setUp({ us: asksForPatience }, { SPOOL_MAX_AGE_HOURS: '1' })
    const id = await send(eventCallback())
    clock.advance(3_700_000)
    await until(clock, async () => (await delivery(id)).dead.length > 0)
    expect(await delivery(id)).toMatchObject({ dead: [{ region: 'us', reason: 'too_old' }] })
  })

  it('says what became of a late answer', async () => {
    const held: ServerResponse[] = []
    const { send, delivery, deadline, clock, regions, responseUrl } = await setUp({ us: (res) => held.push(res) })
    const sent = send(slashCommand({ response_url: responseUrl }))
    await regions.us?.nextRequest()
    await deadline()
    const id = await sent
    expect(await delivery(id)).toMatchObject({ outcome: 'late', status: 200, running: true, late_answer: null })
    expect((await delivery(id)).lines.at(-1)).toBe('late answer: owed')
    held[0]?.end('at last')
    await until(clock, async () => (await delivery(id)).late_answer !== null)
    expect(await delivery(id)).toMatchObject({ late_answer: { result: 'posted', reason: null } })
  })

  it('counts the duplicates that joined it, and each of those leads to it', async () => {
    const { send, delivery } = await setUp({ us: undefined })
    const event = eventCallback()
    const first = await send(event)
    const second = await send(event)
    expect(await delivery(first)).toMatchObject({ duplicates: { count: 1 }, duplicate_of: null })
    expect(await delivery(second)).toMatchObject({ outcome: 'duplicate', duplicate_of: first })
  })

  it('is kept of what is refused as well, but of what nobody has signed only 50 a second', async () => {
    const { post, list, gateway } = await setUp({ us: undefined })
    for (let sent = 0; sent < 60; sent++) await post(SINGLE, '{}', { secret: 'another' })
    const items = await list('?failed=true')
    expect(items.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 50 }, () => 'invalid_signature'))
    expect(gateway.counters.read().get('records_dropped_total{reason="unproven"}')).toBe(10)
  })

  it('is kept of what is signed, also where the gateway answers it by itself while others forge', async () => {
    const { post, send, list } = await setUp({ us: undefined })
    for (let sent = 0; sent < 50; sent++) await post(SINGLE, '{}', { secret: 'another' })
    await send(urlVerification())
    expect((await list('?failed=false')).map(({ outcome }) => outcome)).toEqual(['url_verification'])
  })

  it('is erased with what waits for its integration, and then kept of what comes', async () => {
    const { send, list, ask } = await setUp({ us: undefined })
    const first = await send(eventCallback())
    expect(await list()).toMatchObject([{ id: first }])
    const event = eventCallback()
    const second = await send(event)
    await send(event)
    const erasing = () => ask('DELETE', '/api/integrations/1/data')
    expect(await erasing()).toMatchObject({ status: 200, json: { erased: 0, records: 3 } })
    expect(await list()).toEqual([])
    expect((await ask('GET', `/api/deliveries/${second}`)).status).toBe(404)
    const third = await send(eventCallback())
    expect(await list()).toMatchObject([{ id: third }])
    expect((await ask('GET', '/api/audit?limit=1')).json).toMatchObject({
      items: [{ action: 'integration.erase', details: { erased: 0, records: 3 } }],
    })
  })

  it('is found by what is asked for, and 404 where there is none', async () => {
    const { send, list, ask } = await setUp({ us: undefined })
    const event = await send(eventCallback())
    const command = await send(slashCommand())
    const ids = async (query: string) => (await list(query)).map(({ id }) => id)
    expect(await ids('')).toEqual([command, event])
    expect(await ids('?surface=event')).toEqual([event])
    expect(await ids('?installation=T0ACME00001&limit=1')).toEqual([command])
    expect(await ids('?q=app_men&organization_id=10&region=us&integration_id=1')).toEqual([event])
    expect(await ids('?until=2020-01-01T00:00:00Z')).toEqual([])
    expect((await ask('GET', '/api/deliveries/01NOBODY')).status).toBe(404)
  })

  it('is listed from no cursor but those of its pages: else 400, with what is wrong', async () => {
    const { ask } = await setUp({ us: undefined })
    const cursors = {
      NUL: '%00',
      'a delivery with NUL behind it': cursorOf('01J00000000000000000000000\0'),
      'half a character': cursorOf('\ud800'),
      'an id that no delivery has': cursorOf('ZZZZZZZZZZZZZZZZZZZZZZZZZZ'),
      'a place in another list': cursorOf(['1', '10']),
      'a number': cursorOf(1),
      'JSON that breaks off': Buffer.from('"01J').toString('base64url'),
      'no base64': '***',
      nothing: '',
      'far too much': 'A'.repeat(8000),
    }
    for (const [what, cursor] of Object.entries(cursors)) {
      expect(await ask('GET', `/api/deliveries?cursor=${cursor}`), what).toMatchObject({
        status: 400,
        headers: { 'content-type': 'application/problem+json' },
        json: {
          code: 'invalid_request',
          errors: [{ path: 'cursor', message: 'must be the next_cursor of the page before' }],
        },
      })
    }
  })

  it.each<[string, boolean, boolean]>([
    ['off', false, false],
    ['failures', false, true],
    ['all', true, true],
  ])('with RECORD_BODIES=%s keeps the body of a success: %s, of a failure: %s', async (bodies, good, bad) => {
    let status = 200
    const { send, delivery } = await setUp({ us: (res) => res.writeHead(status).end() }, { RECORD_BODIES: bodies })
    const hasBody = async (sent: SlackBody) => (await delivery(await send(sent))).content !== null
    expect(await hasBody(slashCommand())).toBe(good)
    status = 500
    expect(await hasBody(slashCommand({ trigger_id: 't2' }))).toBe(bad)
  })

  it('keeps the body of what has failed only after its answer: somebody went without it all the same', async () => {
    const held: ServerResponse[] = []
    const env = { RECORD_BODIES: 'failures' }
    const { send, delivery } = await setUp({ us: says(200, '{}'), eu: (res) => held.push(res) }, env)
    const id = await send(viewSubmission())
    expect(await delivery(id)).toMatchObject({ failed: false, running: true, content: null })
    held[0]?.writeHead(503).end()
    await expect.poll(async () => (await delivery(id)).running).toBe(false)
    expect((await delivery(id)).content?.body).toContain('view_submission')
  })

  it('never holds a secret of what came, on any surface, bodies and all', async () => {
    const { send, list, ask, responseUrl } = await setUp({ us: says(500) }, { RECORD_BODIES: 'all' })
    const secrets = { token: 'vErIfIcAtIoNtOkEn', response_url: responseUrl, trigger_id: '13345224609.738474920.8088' }
    const typed = { text: `link team xoxb-12-abcdef ${secrets.trigger_id}` }
    for (const body of [
      eventCallback(secrets, typed),
      slashCommand({ ...secrets, ...typed }),
      viewSubmission(
        { ...secrets, response_urls: [{ response_url: responseUrl }] },
        { private_metadata: JSON.stringify(secrets) },
      ),
    ]) {
      await send(body)
    }
    const items = await list()
    expect(items).toHaveLength(3)
    const texts = [JSON.stringify(items)]
    for (const { id } of items) texts.push((await ask('GET', `/api/deliveries/${id}`)).text)
    for (const text of texts) {
      for (const secret of [...Object.values(secrets), 'xoxb-12', 'v0=', SIGNING_SECRET]) {
        expect(text).not.toContain(secret)
      }
    }
    expect(texts.join('')).toContain('view_submission')
  })
})
