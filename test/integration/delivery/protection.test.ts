import type { ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Answer } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { useSilos } from '../../support/silos.ts'
import { blockActions, blockSuggestion, eventCallback, type SlackBody } from '../../support/slack-payloads.ts'

const silos = useSilos()
const EVENT = '/extensions/slack/event/'
const ACTION = '/extensions/slack/action/'
const OPTIONS = '/extensions/slack/options-load/'

const breaker = { failure_rate: 0.5, minimum_calls: 4, window_ms: 10_000, open_ms: 5000 }

describe('a region that fails', () => {
  /** `us` answers 500 until told otherwise, with these headers; `eu` is well; `us` is the first region. */
  async function broken(names: 'both' | 'us' = 'us', headers: Record<string, string> = {}) {
    let isWell = false
    const clock = createManualClock({ now: Date.now() })
    const answer = (res: ServerResponse): void => void res.writeHead(isWell ? 200 : 500, headers).end('us')
    const eu: Record<string, Answer> = names === 'both' ? { eu: (res) => void res.end('eu') } : {}
    const answers: Record<string, Answer> = { us: answer, ...eu }
    const started = await silos(answers, { clock, entries: { us: { breaker } } })
    const ask = () => started.post(OPTIONS, blockSuggestion().body, blockSuggestion())
    return { ...started, clock, ask, heal: () => void (isWell = true) }
  }

  it('is not called any more once too many of its calls have failed', async () => {
    const { ask, regions } = await broken()
    for (let call = 0; call < 4; call++) expect((await ask()).json()).toMatchObject({ regions: { us: 'http_500' } })
    const reply = await ask()
    expect(reply.status).toBe(503)
    expect(reply.json()).toMatchObject({ regions: { us: 'circuit_open' } })
    expect(regions.us?.requests).toHaveLength(4)
  })

  it('keeps nobody from the others', async () => {
    const { ask, post, regions } = await broken('both')
    for (let call = 0; call < 5; call++) await ask()
    const action = blockActions({ response_url: undefined })
    expect(await post(ACTION, action.body, action)).toMatchObject({ status: 200, text: 'eu' })
    expect(regions.us?.requests).toHaveLength(4)
  })

  it('is tried again after open_ms with one call, and taken back when that is answered', async () => {
    const { ask, heal, clock, regions } = await broken()
    for (let call = 0; call < 5; call++) await ask()
    clock.advance(5000)
    expect((await ask()).json()).toMatchObject({ regions: { us: 'http_500' } })
    expect((await ask()).json()).toMatchObject({ regions: { us: 'circuit_open' } })
    heal()
    clock.advance(5000)
    expect((await ask()).status).toBe(200)
    expect((await ask()).status).toBe(200)
    expect(regions.us?.requests).toHaveLength(7)
  })

  it('gets what waits in its mailboxes as soon as it is back, the mailbox first', async () => {
    const { heal, clock, post, regions, gateway, ask } = await broken()
    for (let call = 0; call < 5; call++) await ask()
    const events = Array.from({ length: 5 }, () => eventCallback())
    for (const body of events) expect((await post(EVENT, body.body, body)).status).toBe(200)
    expect(regions.us?.requests).toHaveLength(4)
    heal()
    clock.advance(5000)
    await expect.poll(() => regions.us?.requests.length).toBe(9)
    expect(regions.us?.requests.slice(4).map(({ body }) => body.toString())).toEqual(events.map(({ body }) => body))
    await expect.poll(() => gateway.spool.list()).toMatchObject([{ isEmpty: true }])
  })

  it('gets what it has once asked to wait as soon as it is back, also when that was due while nothing was sent', async () => {
    const { heal, clock, post, regions, gateway, ask } = await broken('us', { 'retry-after': '1' })
    const event = eventCallback()
    expect((await post(EVENT, event.body, event)).status).toBe(200)
    for (let call = 0; call < 4; call++) await ask()
    expect(regions.us?.requests).toHaveLength(4)
    clock.advance(1000)
    const notTried = 'deferred_deliveries_total{region="us",result="not_tried"} 1'
    await expect.poll(() => gateway.metrics()).toContain(notTried)
    // Its mailbox is let go, which was asked of the store before this.
    await gateway.spool.list()
    await nextTurn()
    heal()
    clock.advance(4000)
    await expect.poll(() => gateway.spool.list()).toMatchObject([{ isEmpty: true }])
    expect(regions.us?.requests).toHaveLength(5)
  })
})

describe('a region at its limit', () => {
  it('sheds what neither has a slot nor a place in the queue', async () => {
    const held: ServerResponse[] = []
    const { post, regions } = await silos(
      { us: (res: ServerResponse) => void held.push(res), eu: (res: ServerResponse) => void res.end('eu') },
      { entries: { us: { max_concurrency: 1, max_queue: 1 } } },
    )
    const ask = () => post(OPTIONS, blockSuggestion().body, blockSuggestion())
    const first = ask()
    await regions.us.nextRequest()
    const second = ask()
    const third = await ask()
    expect(third.status).toBe(503)
    expect(third.json()).toMatchObject({ regions: { us: 'queue_full' } })

    const action = blockActions({ response_url: undefined })
    expect(await post(ACTION, action.body, action)).toMatchObject({ text: 'eu' })

    held[0]?.end('one')
    expect((await first).text).toBe('one')
    await expect.poll(() => held.length).toBeGreaterThan(1)
    for (const res of held.slice(1)) res.end('two')
    expect((await second).text).toBe('two')
  })

  it.each(['spool', 'fail'])(
    'gives way to who waits for an answer, before events: events_on_failure %s',
    async (rule) => {
      const held: ServerResponse[] = []
      const { post, regions, gateway } = await silos(
        { us: (res: ServerResponse) => void held.push(res) },
        { entries: { us: { max_concurrency: 1 } }, slack: { events_on_failure: rule } },
      )
      const queued = async (count: number) =>
        await expect.poll(() => gateway.metrics()).toContain(`region_queued{region="us"} ${count}\n`)
      const ask = (body: SlackBody, path: string) => post(path, body.body, body)
      const asked = [ask(eventCallback(), EVENT)]
      await regions.us.nextRequest()
      asked.push(ask(eventCallback(), EVENT))
      await queued(1)
      asked.push(ask(blockSuggestion(), OPTIONS))
      await queued(2)
      for (let at = 0; at < asked.length; at += 1) {
        await expect.poll(() => held.length).toBe(at + 1)
        held[at]?.end('{}')
      }
      for (const reply of await Promise.all(asked)) expect(reply.status).toBe(200)
      expect(regions.us.requests.map(({ url }) => url)).toEqual([EVENT, OPTIONS, EVENT])
    },
  )
})
