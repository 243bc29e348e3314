import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { serve } from '../../../src/serve.ts'
import { listen, type Listening } from '../../support/event-stream.ts'
import type { Answer } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { useSilos, type SilosOptions } from '../../support/silos.ts'
import { blockActions, blockSuggestion, eventCallback } from '../../support/slack-payloads.ts'
import { until } from '../../support/steps.ts'
import { openAdmin, type Admin } from './admin-rig.ts'

const silos = useSilos()
const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function start(answers: Record<'us' | 'eu', Answer | undefined>, options: SilosOptions = {}) {
  const clock = createManualClock()
  const started = await silos(answers, { clock, ...options })
  const admin = await openAdmin(started.gateway)
  closing.push(() => admin.close())
  const { paths } = (await admin.ask('GET', '/openapi.json', { headers: TOKEN })).json as { paths: Paths }
  const described = paths['/api/stream']!.get.responses['200'].content['text/event-stream']!['x-events']
  const schemas = new Map(Object.entries(described).map(([name, schema]) => [name, z.fromJSONSchema(schema)]))
  const listeners: Listening[] = []
  closing.push(() => {
    for (const { events } of listeners) for (const { event, data } of events()) schemas.get(event)!.parse(data)
  })
  return {
    ...started,
    ask: (...asked: Parameters<Admin['ask']>) => admin.ask(...asked),
    clock,
    atRest: clock.pending(),
    /** Somebody who listens from now on; what they hear is held to the OpenAPI document. */
    join: async (headers: Record<string, string> = TOKEN) => {
      const one = await listen(admin.port, '/api/stream', headers)
      listeners.push(one)
      closing.push(() => one.leave())
      return one
    },
    event: async (fields: Record<string, unknown> = {}) => {
      const { body, contentType } = eventCallback(fields)
      return await started.post('/extensions/slack/event/', body, { contentType })
    },
    action: async () => {
      const { body, contentType } = blockActions()
      return await started.post('/extensions/slack/action/', body, { contentType })
    },
    options: async () => {
      const { body, contentType } = blockSuggestion()
      return await started.post('/extensions/slack/options-load/', body, { contentType })
    },
  }
}

type Paths = Record<string, { get: { responses: Record<'200', { content: Record<string, { 'x-events': Schemas }> }> } }>
type Schemas = Record<string, Parameters<typeof z.fromJSONSchema>[0]>

interface Now {
  at: string
  second: { webhooks: number; failed: number; by_surface: object; by_outcome: object; by_status: object }
  regions: { name: string; mailboxes: { depth: number } | null }[]
}
interface Deliveries {
  items: { id: string; failed: boolean; outcome: string }[]
  left_out: number
}
const nowsOf = (one: Listening) => one.data('now') as Now[]
const batchesOf = (one: Listening) => one.data('deliveries') as Deliveries[]
const sum = (one: Listening, what: 'webhooks' | 'failed') =>
  nowsOf(one).reduce((all, { second }) => all + second[what], 0)
const fine = { us: undefined, eu: undefined }
const TOKEN = { Authorization: 'Bearer open-sesame' }

describe('GET /api/stream', () => {
  it('lets in whom the rest of the API lets in, and nobody else', async () => {
    const { join } = await start(fine, { env: { ADMIN_TOKEN: 'open-sesame' } })
    expect((await join({})).status).toBe(401)
    expect((await join({ ...TOKEN, Host: 'evil.example' })).status).toBe(403)
    expect((await join({ ...TOKEN, Origin: 'https://evil.example' })).status).toBe(403)
    expect((await join()).status).toBe(200)
  })

  it('is a stream of events that is kept by nobody on the way', async () => {
    const { join, clock } = await start(fine)
    const one = await join()
    expect(one.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-accel-buffering': 'no',
    })
    await until(clock, () => nowsOf(one).length > 0, { stepMs: 0 })
    expect(one.text()).toMatch(/^retry: 2000\n\n/)
  })

  it('answers HEAD with its head, and holds nothing open', async () => {
    const { ask, clock, atRest } = await start(fine)
    expect(await ask('HEAD', '/api/stream')).toMatchObject({ status: 200, text: '' })
    expect(clock.pending()).toBe(atRest)
  })

  it('tells at once how things stand, whoever else listens, and then each second', async () => {
    const { join, clock } = await start(fine)
    const one = await join()
    await until(clock, () => nowsOf(one).length === 1, { stepMs: 0 })
    expect(nowsOf(one)[0]).toMatchObject({
      at: new Date(clock.now()).toISOString(),
      second: { webhooks: 0, failed: 0, by_surface: {}, by_outcome: {}, by_status: {}, answer_ms: null },
      regions: [
        { name: 'us', state: 'active', breaker: 'closed', in_flight: 0, queued: 0, latency: null },
        { name: 'eu', state: 'active', mailboxes: { depth: 0, bytes: 0, oldest_at: null, paused: 0 } },
      ],
      under_way: 0,
      late_answers_owed: 0,
      ready: true,
      draining: false,
    })
    const other = await join()
    await until(clock, () => nowsOf(other).length === 1, { stepMs: 0 })
    expect(nowsOf(other)).toEqual(nowsOf(one))
    clock.advance(1000)
    await until(clock, () => nowsOf(one).length === 2 && nowsOf(other).length === 2, { stepMs: 0 })
  })

  it('counts each webhook once, in the second in which it was answered', async () => {
    const { join, clock, event, options } = await start({ us: undefined, eu: (res) => res.writeHead(500).end() })
    const one = await join()
    await until(clock, () => nowsOf(one).length === 1, { stepMs: 0 })
    await event()
    await options()
    await event({ team_id: 'T0UNKNOWN01', authorizations: [] })
    await until(clock, () => nowsOf(one).length === 2)
    expect(nowsOf(one)[1]).toMatchObject({
      second: {
        webhooks: 3,
        failed: 1,
        by_surface: { event: 2, options: 1 },
        by_outcome: { passed_on: 2, unknown_integration: 1 },
        by_status: { 200: 2, 400: 1 },
        answer_ms: {
          p50: expect.any(Number),
          p95: expect.any(Number),
          p99: expect.any(Number),
          max: expect.any(Number),
        },
      },
    })
    await until(clock, () => nowsOf(one).length === 3)
    expect(nowsOf(one)[2]).toMatchObject({ second: { webhooks: 0, answer_ms: null } })
  })

  it('tells what came within a quarter of a second, as the list of deliveries has it', async () => {
    const { join, clock, event, ask } = await start(fine)
    const one = await join()
    const first = await event()
    clock.advance(1)
    const second = await event({ event_id: 'Ev0SECOND' })
    await until(clock, () => batchesOf(one).length > 0)
    const ids = [second, first].map(({ headers }) => headers['x-request-id'])
    const listed = (await ask('GET', '/api/deliveries')).json as { items: unknown[] }
    expect(batchesOf(one)).toEqual([{ items: listed.items, left_out: 0 }])
    expect(batchesOf(one)[0]?.items.map(({ id }) => id)).toEqual(ids)
    clock.advance(10_000)
    expect(batchesOf(one)).toHaveLength(1)
  })

  it('tells of 50 at a time, the newest, and how many more there were', async () => {
    const { join, clock, event } = await start(fine)
    const one = await join()
    const replies = []
    for (let count = 0; count < 53; count++) replies.push(await event({ event_id: `Ev${count}` }))
    await until(clock, () => batchesOf(one).length > 0)
    const [batch] = batchesOf(one)
    expect(batch?.left_out).toBe(3)
    const newest = replies.slice(3).toReversed()
    expect(batch?.items.map(({ id }) => id)).toEqual(newest.map(({ headers }) => headers['x-request-id']))
  })

  it('tells of a webhook again when its last region has come to its end, and of its failure then', async () => {
    const held: ServerResponse[] = []
    const { join, clock, action } = await start({ us: undefined, eu: (res) => void held.push(res) })
    const one = await join()
    expect((await action()).status).toBe(200)
    await until(clock, () => batchesOf(one).length === 1 && held.length === 1)
    held[0]?.writeHead(500).end()
    await until(clock, () => batchesOf(one).length === 2)
    const [answered, over] = batchesOf(one).map(({ items }) => items)
    expect(answered).toMatchObject([{ outcome: 'passed_on', failed: false }])
    expect(over).toEqual([{ ...answered?.[0], failed: true }])
    await until(clock, () => sum(one, 'failed') === 1)
    expect(sum(one, 'webhooks')).toBe(1)
  })

  it('asks the database once a second, however many listen', async () => {
    const { join, clock, gateway } = await start(fine)
    const totals = vi.spyOn(gateway.spool, 'totals')
    const all = [await join(), await join(), await join()]
    await until(clock, () => all.every((one) => nowsOf(one).length === 1), { stepMs: 0 })
    clock.advance(1000)
    await until(clock, () => all.every((one) => nowsOf(one).length === 2), { stepMs: 0 })
    expect(totals).toHaveBeenCalledTimes(2)
  })

  it('goes on without what waits where the database does not answer', async () => {
    const { join, clock, gateway } = await start(fine)
    const never = Promise.withResolvers<never>()
    vi.spyOn(gateway.spool, 'totals').mockReturnValue(never.promise)
    const one = await join()
    await until(clock, () => nowsOf(one).length > 1)
    expect(nowsOf(one)[1]).toMatchObject({ regions: [{ name: 'us', mailboxes: null }, { name: 'eu' }] })
    never.reject(new Error('the test is over'))
  })

  it('computes nothing any more when the last has gone', async () => {
    const { join, clock, gateway, event, atRest } = await start(fine)
    const [one, other] = [await join(), await join()]
    await until(clock, () => nowsOf(other).length === 1, { stepMs: 0 })
    one.leave()
    await until(clock, () => nowsOf(other).length === 3)
    other.leave()
    await until(clock, () => clock.pending() === atRest, { stepMs: 0 })
    const totals = vi.spyOn(gateway.spool, 'totals')
    await event()
    clock.advance(5000)
    expect(totals).not.toHaveBeenCalled()
    expect(clock.pending()).toBeLessThanOrEqual(atRest)
  })

  it('computes nothing any more when the last has gone before it was told anything', async () => {
    const { join, clock, gateway, atRest } = await start(fine)
    const answer = Promise.withResolvers<Awaited<ReturnType<typeof gateway.spool.totals>>>()
    const totals = vi.spyOn(gateway.spool, 'totals').mockReturnValue(answer.promise)
    const one = await join()
    await until(clock, () => totals.mock.calls.length === 1, { stepMs: 0 })
    one.leave()
    // The comments are no more, but the database is still being waited for.
    await until(clock, () => clock.pending() === atRest + 1, { stepMs: 0 })
    answer.resolve(new Map())
    await until(clock, () => clock.pending() === atRest, { stepMs: 0 })
    clock.advance(5000)
    expect(totals).toHaveBeenCalledTimes(1)
  })

  it('sends a comment each 15 s, so that nobody on the way takes it for dead', async () => {
    const { join, clock } = await start(fine)
    const one = await join()
    clock.advance(14_999)
    const comments = () => one.text().match(/^:$/gm)?.length ?? 0
    await until(clock, () => nowsOf(one).length > 0, { stepMs: 0 })
    expect(comments()).toBe(0)
    await until(clock, () => comments() === 1, { stepMs: 1 })
  })

  it('ends within 15 s of the session by which it was asked for', async () => {
    const { join, ask, clock } = await start(fine, { env: { ADMIN_TOKEN: 'open-sesame' } })
    const login = await ask('POST', '/api/session', { body: { token: 'open-sesame' } })
    const byToken = await join()
    clock.advance(12 * 3_600_000 - 5000)
    const bySession = await join({ Cookie: String(login.headers['set-cookie']).replace(/;.*/, '') })
    expect(bySession.status).toBe(200)
    await until(clock, () => bySession.ended(), { stepMs: 1000, steps: 15 })
    expect(byToken.ended()).toBe(false)
  })
})

describe('a drain', () => {
  it('says bye to whoever listens, and waits for none of them', async () => {
    const clock = createManualClock()
    const { gateway } = await silos(fine, { clock, env: { HOST: '127.0.0.1', PORT: '0', ADMIN_PORT: '0' } })
    const serving = await serve(gateway)
    const one = await listen(Number(new URL(serving.adminUrl).port), '/api/stream')
    await until(clock, () => nowsOf(one).length === 1, { stepMs: 0 })
    const drained = serving.drain()
    await until(clock, () => one.ended(), { stepMs: 0 })
    expect(one.events().at(-1)).toEqual({ event: 'bye', data: {} })
    clock.advance(0)
    expect(await drained).toBe(true)
  })

  it('that has begun is all that a new listener hears of', async () => {
    const { gateway, join, clock, atRest } = await start(fine)
    gateway.startDraining()
    const one = await join()
    await until(clock, () => one.ended(), { stepMs: 0 })
    expect(one.events()).toEqual([{ event: 'bye', data: {} }])
    expect(clock.pending()).toBe(atRest)
  })
})
