import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import type { Answer } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { useSilos } from '../../support/silos.ts'
import { blockActions, dialogSubmission, globalShortcut, viewSubmission } from '../../support/slack-payloads.ts'

const silos = useSilos()
const ACTION = '/extensions/slack/action/'
const click = blockActions()
/** Nobody could be told later what its regions say. */
const clickInTime = blockActions({ response_url: undefined })
const submission = viewSubmission()

/** A region whose first answer comes when told, with `answer`, which waits until its request has come. */
function held() {
  const asked = Promise.withResolvers<ServerResponse>()
  let isFirst = true
  const region: Answer = (res) => {
    if (isFirst) asked.resolve(res)
    else res.end()
    isFirst = false
  }
  return {
    region,
    asked: asked.promise,
    answer: async (then: (res: ServerResponse) => void) => then(await asked.promise),
  }
}

/** A manual clock that tells which waits were begun. */
function listeningClock() {
  const clock = createManualClock()
  const waits: number[] = []
  const after = (ms: number, then: () => void) => {
    waits.push(ms)
    return clock.after(ms, then)
  }
  return { ...clock, after, waits }
}

const says =
  (status: number, body = ''): Answer =>
  (res) =>
    res.writeHead(status).end(body)

describe('a request for all regions', () => {
  it('is answered by the first 2xx while a slower region goes on; its late answer is recorded and drained', async () => {
    const slow = held()
    const { post, regions, nextRecord, records } = await silos({ us: slow.region, eu: says(200, 'from eu') })
    const reply = await post(ACTION, click.body, click)
    expect(reply).toMatchObject({ status: 200, text: 'from eu' })
    expect(records).toEqual([])
    await slow.answer((res) => res.writeHead(201).end(Buffer.alloc(100_000)))
    const record = await nextRecord()
    expect(record).toMatchObject({
      plan: 'all',
      status: 200,
      answeredFrom: 'eu',
      regions: [
        { region: 'us', result: 'answered', status: 201 },
        { region: 'eu', result: 'answered', status: 200 },
      ],
    })
    // Drained: the late region's connection is whole, and serves the next request.
    await post(ACTION, click.body, click)
    expect(await regions.us.connections()).toBe(1)
  })

  it('asks every region at once, each with the same bytes', async () => {
    const us = held()
    const eu = held()
    const { post, regions } = await silos({ us: us.region, eu: eu.region })
    const reply = post(ACTION, click.body, click)
    const both = await Promise.all([us.asked, eu.asked])
    for (const res of both) res.end('ok')
    expect((await reply).text).toBe('ok')
    expect([regions.us, regions.eu].map(({ requests }) => requests[0]?.body.toString())).toEqual([
      click.body,
      click.body,
    ])
  })

  it.each([500, 503, 404, 302])('never lets a fast %i beat a slow 200', async (status) => {
    const slow = held()
    const { post, regions } = await silos({ us: says(status, 'fast'), eu: slow.region })
    const reply = post(ACTION, click.body, click)
    await regions.us.nextRequest()
    await slow.answer((res) => res.end('slow'))
    expect(await reply).toMatchObject({ status: 200, text: 'slow' })
  })

  it('takes the first 4xx in region order where there is no 2xx', async () => {
    const first = held()
    const { post } = await silos({ us: first.region, eu: says(409, 'eu'), ap: says(500, 'ap') })
    const reply = post(ACTION, click.body, click)
    await first.answer((res) => res.writeHead(404).end('us'))
    expect(await reply).toMatchObject({ status: 404, text: 'us' })
  })

  it('takes the first 4xx in region order when the deadline comes upon a region that hangs', async () => {
    const hanging = held()
    const answered = held()
    const clock = createManualClock()
    const { post, nextRecord } = await silos(
      { us: hanging.region, eu: answered.region, ap: says(410, 'ap') },
      { clock },
    )
    const atRest = clock.pending()
    const reply = post(ACTION, clickInTime.body, clickInTime)
    await hanging.asked
    await answered.answer((res) => res.writeHead(404).end('eu'))
    // Both answers are in when their slots are free again; nothing but the deadline is left to wait for.
    await expect.poll(() => clock.pending() - atRest).toBe(1)
    clock.advance(2500)
    expect(await reply).toMatchObject({ status: 404, text: 'eu' })
    expect((await nextRecord()).regions).toMatchObject([
      { region: 'us', result: 'timeout', endedMs: 2500 },
      { region: 'eu', result: 'answered', status: 404 },
      { region: 'ap', result: 'answered', status: 410 },
    ])
  })

  it('that all of them fail is a SiloClientError with a reason for each', async () => {
    const { post, nextRecord } = await silos(
      { us: says(500), eu: (_, __, req) => req.socket.destroy(), ap: undefined },
      { entries: { ap: { state: 'down' } } },
    )
    const reply = await post(ACTION, clickInTime.body, clickInTime)
    expect(reply.status).toBe(502)
    expect(reply.headers['content-type']).toBe('application/problem+json')
    expect(reply.json()).toMatchObject({
      code: 'silo_client_error',
      regions: { us: 'http_500', eu: 'connection_reset', ap: 'region_down' },
    })
    expect(await nextRecord()).toMatchObject({
      code: 'silo_client_error',
      status: 502,
      regions: [{ result: 'http_500' }, { result: 'connection_reset' }, { result: 'region_down' }],
    })
  })

  it('closes the connection of a region whose late answer never comes', async () => {
    const clock = createManualClock()
    const hanging = held()
    const { post, regions, nextRecord } = await silos({ us: hanging.region, eu: says(200) }, { clock })
    expect((await post(ACTION, click.body, click)).status).toBe(200)
    await hanging.asked
    clock.advance(2500)
    expect((await nextRecord()).regions).toMatchObject([{ region: 'us', result: 'timeout' }, { region: 'eu' }])
    await expect.poll(() => regions.us.connections()).toBe(0)
  })
})

describe.each([
  ['a view submission', submission],
  ['a dialog submission', dialogSubmission()],
])('%s', (_, submitted) => {
  it('prefers a 2xx with a body to an empty one that came up to 250 ms earlier', async () => {
    const clock = listeningClock()
    const withBody = held()
    const { post } = await silos({ us: says(200), eu: withBody.region }, { clock })
    const reply = post(ACTION, submitted.body, submitted)
    await withBody.asked
    await expect.poll(() => clock.waits).toContain(250)
    clock.advance(249)
    await withBody.answer((res) => res.end('{"response_action":"errors"}'))
    expect((await reply).text).toBe('{"response_action":"errors"}')
  })

  it('is answered by the empty 2xx 250 ms later where no body came', async () => {
    const clock = listeningClock()
    const hanging = held()
    const { post } = await silos({ us: says(200), eu: hanging.region }, { clock })
    const reply = post(ACTION, submitted.body, submitted)
    await hanging.asked
    await expect.poll(() => clock.waits).toContain(250)
    clock.advance(250)
    expect(await reply).toMatchObject({ status: 200, text: '' })
    await hanging.answer((res) => res.end('late'))
  })
})

it.each([
  ['an action', click],
  ['a shortcut', globalShortcut()],
])('%s does not wait behind an empty 2xx', async (_, sent) => {
  const clock = createManualClock()
  const hanging = held()
  const { post } = await silos({ us: says(200), eu: hanging.region }, { clock })
  expect(await post(ACTION, sent.body, sent)).toMatchObject({ status: 200, text: '' })
  await hanging.answer((res) => res.end('late'))
})
