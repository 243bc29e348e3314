import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import type { Answer, RegionRequest } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { useSilos } from '../../support/silos.ts'
import { passBudget, until } from '../../support/steps.ts'
import { eventCallback } from '../../support/slack-payloads.ts'
import { signSlack } from '../../support/slack-signer.ts'
import { SIGNING_SECRET } from '../../support/test-gateway.ts'

const silos = useSilos()
const EVENT = '/extensions/slack/event/'

let eventNumber = 0
/** An event that no other test sends. */
const event = (inner: Record<string, unknown> = {}) =>
  eventCallback({ event_id: `Ev${(eventNumber += 1)}` }, { text: `event ${eventNumber}`, ...inner })

const says =
  (status: number, headers: Record<string, string> = {}): Answer =>
  (res) =>
    res.writeHead(status, headers).end()

/** A region whose answers are given one by one: `answers[0]` is what its first request gets; the last one stays. */
function inTurn(...answers: Answer[]): Answer {
  let asked = 0
  return (...call) => answers[Math.min(asked++, answers.length - 1)]?.(...call)
}

const textsOf = (requests: readonly RegionRequest[]): unknown[] =>
  requests.map(({ body }) => (JSON.parse(body.toString()) as { event: { text: string } }).event.text)

async function setUp(answer: Answer, entry: Record<string, unknown> = {}, more: Record<string, unknown> = {}) {
  const clock = createManualClock({ now: Date.now() })
  const started = await silos({ us: answer }, { clock, entries: { us: entry }, ...more })
  return {
    clock,
    ...started,
    deadline: () => passBudget({ clock, gateway: started.gateway }),
    send: (body = event()) => started.post(EVENT, body.body, body),
    list: async () => (await started.gateway.spool.list()).filter(({ isEmpty }) => !isEmpty),
    dead: () => started.gateway.spool.deadLetters({}, { limit: 100 }),
  }
}

describe('an event whose region fails', () => {
  it('is answered 200 and delivered when the region takes it, as the same delivery', async () => {
    const { clock, send, regions, list } = await setUp(inTurn(says(503), says(200)))
    expect(await send()).toMatchObject({ status: 200, text: '' })
    await until(clock, () => regions.us.requests.length === 2)
    const [first, second] = regions.us.requests
    expect(second?.body).toEqual(first?.body)
    expect(second?.headers).toMatchObject({
      'silo-delivery': first?.headers['silo-delivery'],
      'idempotency-key': first?.headers['idempotency-key'],
      'silo-received-at': first?.headers['silo-received-at'],
      'silo-attempt': '2',
      'silo-deadline': '10000',
    })
    await expect.poll(list).toEqual([])
  })

  it("carries Slack's signature made anew, for a region that checks it", async () => {
    const { clock, send, regions } = await setUp(inTurn(says(429, { 'Retry-After': '3600' }), says(200)))
    await send()
    clock.advance(299_000)
    await until(clock, () => regions.us.requests.length === 2)
    const [, again] = regions.us.requests
    const timestamp = Number(again?.headers['x-slack-request-timestamp'])
    expect(Math.abs(timestamp - clock.now() / 1000)).toBeLessThan(30)
    const expected = signSlack({ secret: SIGNING_SECRET, body: again?.body ?? '', now: timestamp * 1000 })
    expect(again?.headers['x-slack-signature']).toBe(expected['x-slack-signature'])
  })

  it.each([401, 403, 404, 408, 429, 500, 502, 503])('is tried again after a %i', async (status) => {
    const { clock, send, regions } = await setUp(inTurn(says(status), says(200)))
    expect((await send()).status).toBe(200)
    await until(clock, () => regions.us.requests.length === 2)
  })

  it.each([400, 409, 410, 413, 415, 422])('is a dead letter after a %i, and not sent again', async (status) => {
    const { clock, send, regions, dead, list } = await setUp(says(status))
    expect((await send()).status).toBe(200)
    expect(await dead()).toMatchObject([{ reason: `http_${status}`, attempts: 1 }])
    clock.advance(600_000)
    expect(await list()).toEqual([])
    expect(regions.us.requests).toHaveLength(1)
  })

  it('is answered by the deadline when the region hangs, and the running call still delivers it', async () => {
    const held: ServerResponse[] = []
    const { clock, deadline, send, regions, list } = await setUp((res) => held.push(res))
    const reply = send()
    await regions.us.nextRequest()
    await deadline()
    expect((await reply).status).toBe(200)
    expect(await list()).toMatchObject([{ depth: 1 }])
    clock.advance(5000)
    held[0]?.end()
    await expect.poll(list).toEqual([])
    clock.advance(60_000)
    expect(regions.us.requests).toHaveLength(1)
  })

  it('is sent again when the running call is not answered within timeout_ms either', async () => {
    const { clock, deadline, send, regions } = await setUp(
      inTurn(() => {}, says(200)),
      { timeout_ms: 4000 },
    )
    const reply = send()
    await regions.us.nextRequest()
    await deadline()
    expect((await reply).status).toBe(200)
    clock.advance(1499)
    expect(regions.us.requests).toHaveLength(1)
    await until(clock, () => regions.us.requests.length === 2)
  })

  it('waits behind what waits already, in order', async () => {
    let isUp = false
    const { clock, send, regions, list } = await setUp((res) => res.writeHead(isUp ? 200 : 503).end())
    const sent = [event(), event(), event()]
    for (const body of sent) expect((await send(body)).status).toBe(200)
    expect(regions.us.requests).toHaveLength(1)
    expect(await list()).toMatchObject([{ depth: 3, isEmpty: false, paused: undefined }])
    isUp = true
    await until(clock, () => regions.us.requests.length === 4)
    await expect.poll(list).toEqual([])
    const texts = sent.map(({ body }) => (JSON.parse(body) as { event: { text: string } }).event.text)
    expect(textsOf(regions.us.requests)).toEqual([texts[0], ...texts])
  })

  it('is asked for directly again once the mailbox is empty', async () => {
    const { clock, send, regions, list } = await setUp(inTurn(says(503), says(200)))
    await send()
    await until(clock, () => regions.us.requests.length === 2)
    await expect.poll(list).toEqual([])
    await send()
    expect(regions.us.requests).toHaveLength(3)
    expect(regions.us.requests[2]?.headers['silo-attempt']).toBe('1')
  })

  it('pauses its mailbox with the tenth refusal in a row, and what comes then waits', async () => {
    const { send, regions, list, dead, gateway } = await setUp(says(422))
    for (let refused = 0; refused < 10; refused++) await send()
    await expect.poll(() => gateway.spool.list()).toMatchObject([{ paused: 'refused', depth: 0, deadLetters: 10 }])
    expect((await send()).status).toBe(200)
    expect(regions.us.requests).toHaveLength(10)
    expect(await list()).toMatchObject([{ paused: 'refused', depth: 1 }])
    expect(await dead()).toHaveLength(10)
    expect(gateway.counters.read().get('dead_letters_total{region="us",reason="http_422"}')).toBe(10)
  })

  it('has its refusals counted anew after one that was taken', async () => {
    const nine = Array.from({ length: 9 }, () => says(422))
    const { send, gateway } = await setUp(inTurn(...nine, says(200), ...nine, says(200)))
    for (let sent = 0; sent < 20; sent++) await send()
    expect((await gateway.spool.list()).filter(({ paused }) => paused !== undefined)).toEqual([])
  })

  it('is poison when a region that can be reached has failed on it 8 times over 10 minutes: the next moves up', async () => {
    const poison = event({ text: 'poison' })
    const { clock, send, regions, dead } = await setUp((res, { body }) =>
      res.writeHead(body.toString().includes('poison') ? 500 : 200).end(),
    )
    await send(poison)
    await send(event({ text: 'fine' }))
    await until(clock, () => textsOf(regions.us.requests).includes('fine'), { stepMs: 5000 })
    expect(await dead()).toMatchObject([{ reason: 'poison' }])
    const failures = regions.us.requests.filter(({ body }) => body.toString().includes('poison'))
    expect(failures.length).toBeGreaterThanOrEqual(8)
    expect(clock.monotonic()).toBeGreaterThanOrEqual(600_000)
  })

  it('is not poison as long as the region cannot be reached', async () => {
    let isUp = false
    const { clock, send, regions, dead } = await setUp((res) => (isUp ? res.end() : res.destroy()))
    await send()
    await until(clock, () => clock.monotonic() > 3_600_000, { stepMs: 5000 })
    expect(await dead()).toEqual([])
    isUp = true
    const before = regions.us.requests.length
    await until(clock, () => regions.us.requests.length > before, { stepMs: 5000 })
  })

  it('is a dead letter when it has waited for longer than SPOOL_MAX_AGE_HOURS', async () => {
    const { clock, send, dead, list } = await setUp((res) => res.destroy(), {}, { env: { SPOOL_MAX_AGE_HOURS: '0.5' } })
    await send()
    clock.advance(1_700_000)
    expect(await dead()).toEqual([])
    clock.advance(200_000)
    await until(clock, async () => (await dead()).length > 0)
    expect(await dead()).toMatchObject([{ reason: 'too_old' }])
    expect(await list()).toEqual([])
  })
})

describe('a region that is not asked', () => {
  it('down: nothing is sent, everything waits', async () => {
    const { clock, send, regions, list } = await setUp(says(200), { state: 'down' })
    expect((await send()).status).toBe(200)
    clock.advance(60_000)
    expect(await list()).toMatchObject([{ depth: 1 }])
    expect(regions.us.requests).toEqual([])
  })

  it('draining: nothing synchronous, but its mailboxes still deliver', async () => {
    const { clock, send, regions } = await setUp(says(200), { state: 'draining' })
    expect((await send()).status).toBe(200)
    await until(clock, () => regions.us.requests.length === 1)
    expect(regions.us.requests[0]?.headers['silo-attempt']).toBe('1')
  })
})

describe('an event for all regions', () => {
  const all = { slack: { all_region_events: '*' } }

  it('waits for the regions that failed only', async () => {
    const clock = createManualClock({ now: Date.now() })
    const started = await silos({ us: says(200), eu: inTurn(says(503), says(200)) }, { clock, ...all })
    const body = event()
    expect((await started.post(EVENT, body.body, body)).status).toBe(200)
    expect(await started.gateway.spool.list()).toMatchObject([{ address: { region: 'eu' }, depth: 1 }])
    await until(clock, () => started.regions.eu.requests.length === 2)
    expect(started.regions.us.requests).toHaveLength(1)
  })

  it('is answered with the first 2xx once the others are on disk, and their calls go on', async () => {
    const clock = createManualClock({ now: Date.now() })
    const held: ServerResponse[] = []
    const started = await silos({ us: says(200), eu: (res) => held.push(res) }, { clock, ...all })
    const body = event()
    expect((await started.post(EVENT, body.body, body)).status).toBe(200)
    expect(await started.gateway.spool.list()).toMatchObject([{ address: { region: 'eu' }, depth: 1 }])
    await started.regions.eu.nextRequest()
    held[0]?.end()
    await expect.poll(() => started.gateway.spool.list()).toMatchObject([{ isEmpty: true }])
    expect(started.regions.eu.requests).toHaveLength(1)
  })
})

describe('events_on_failure: fail', () => {
  it('lets Slack try again, and keeps nothing', async () => {
    const { send, list } = await setUp(says(503), {}, { slack: { events_on_failure: 'fail' } })
    const reply = await send()
    expect(reply.status).toBe(502)
    expect(reply.json()).toMatchObject({ code: 'silo_client_error', regions: { us: 'http_503' } })
    expect(await list()).toEqual([])
  })
})
