import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { startFakeRegion, type Answer, type FakeRegion } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { useSilos } from '../../support/silos.ts'
import { blockActions, slashCommand, viewSubmission, type SlackBody } from '../../support/slack-payloads.ts'
import { passBudget, until } from '../../support/steps.ts'

const silos = useSilos()
const COMMAND = '/extensions/slack/commands/'
const ACTION = '/extensions/slack/action/'

const opened: FakeRegion[] = []
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close()
})

/** A gateway before regions that answer as told, and whatever is posted to the response_urls it hands out. */
async function setUp(
  answers: Record<string, Answer>,
  {
    hears = (res) => res.end(),
    entries = {},
  }: { hears?: Answer; entries?: Record<string, Record<string, unknown>> } = {},
) {
  const slack = await startFakeRegion(hears)
  opened.push(slack)
  const clock = createManualClock({ now: Date.now() })
  const started = await silos(answers, { clock, entries, env: { SLACK_RESPONSE_HOSTS: `127.0.0.1:${slack.port}` } })
  const responseUrl = `${slack.url}/actions/T0ACME00001/1/secret`
  let sent = 0
  const withUrl = { response_url: responseUrl }
  return {
    ...started,
    clock,
    deadline: () => passBudget({ clock, gateway: started.gateway }),
    /** What has been posted to the response_url. */
    heard: () => slack.requests.map(({ body }) => JSON.parse(body.toString()) as Record<string, unknown>),
    heardHeaders: () => slack.requests.map(({ headers }) => headers),
    command: (fields = {}) => send(COMMAND, slashCommand({ ...withUrl, trigger_id: `t${(sent += 1)}`, ...fields })),
    action: (fields = {}) => send(ACTION, blockActions({ ...withUrl, trigger_id: `t${(sent += 1)}`, ...fields })),
    view: () => send(ACTION, viewSubmission({ trigger_id: `t${(sent += 1)}` })),
  }

  function send(path: string, body: SlackBody) {
    return started.post(path, body.body, body)
  }
}

function late() {
  const held: ServerResponse[] = []
  const answer: Answer = (res) => held.push(res)
  return { held, answer }
}

describe('a command whose region is late', () => {
  it('is answered 200 empty at the deadline, and then once with what the region says', async () => {
    const us = late()
    const { deadline, clock, command, heard, heardHeaders, regions } = await setUp({ us: us.answer })
    const reply = command()
    await regions.us?.nextRequest()
    await deadline()
    expect(await reply).toMatchObject({ status: 200, text: '' })
    clock.advance(3500)
    us.held[0]
      ?.writeHead(200, { 'Content-Type': 'application/json' })
      .end('{"text":"done","response_type":"in_channel"}')
    await expect.poll(heard).toEqual([{ text: 'done', response_type: 'in_channel' }])
    expect(heardHeaders()[0]?.['content-type']).toContain('application/json')
    clock.advance(60_000)
    expect(heard()).toHaveLength(1)
    expect(regions.us?.requests).toHaveLength(1)
  })

  it('is told as text what the region says as text', async () => {
    const us = late()
    const { deadline, command, heard, regions } = await setUp({ us: us.answer })
    const reply = command()
    await regions.us?.nextRequest()
    await deadline()
    await reply
    us.held[0]?.writeHead(200, { 'Content-Type': 'text/plain' }).end('done')
    await expect.poll(heard).toEqual([{ text: 'done' }])
  })

  it('hears nothing more when the region has nothing to say', async () => {
    const us = late()
    const { deadline, command, heard, regions, gateway } = await setUp({ us: us.answer })
    const reply = command()
    await regions.us?.nextRequest()
    await deadline()
    await reply
    us.held[0]?.end()
    await expect.poll(() => gateway.counters.read().get('late_answers_total{result="nothing_to_say"}')).toBe(1)
    expect(heard()).toEqual([])
  })

  it.each([
    ['fails', (res: ServerResponse) => res.writeHead(500).end()],
    ['refuses', (res: ServerResponse) => res.writeHead(404).end()],
    ['breaks off', (res: ServerResponse) => res.destroy()],
  ])('is told so, visibly, when the region %s, and the region is not asked again', async (_, end) => {
    const us = late()
    const { deadline, clock, command, heard, regions } = await setUp({ us: us.answer })
    const reply = command()
    await regions.us?.nextRequest()
    await deadline()
    await reply
    if (us.held[0] !== undefined) end(us.held[0])
    await until(clock, () => heard().length > 0)
    expect(heard()).toMatchObject([{ response_type: 'ephemeral', replace_original: false }])
    expect(heard()[0]?.['text']).toEqual(expect.any(String))
    clock.advance(1_500_000)
    expect(regions.us?.requests).toHaveLength(1)
    expect(heard()).toHaveLength(1)
  })

  it('is told so when the region does not answer within timeout_ms', async () => {
    const { deadline, clock, command, heard, regions } = await setUp(
      { us: late().answer },
      { entries: { us: { timeout_ms: 5000 } } },
    )
    const reply = command()
    await regions.us?.nextRequest()
    await deadline()
    await reply
    await until(clock, () => heard().length > 0)
    expect(clock.monotonic()).toBeGreaterThanOrEqual(5000)
    expect(heard()).toMatchObject([{ response_type: 'ephemeral' }])
  })

  it('is asked again where the region is idempotent, and then answered', async () => {
    const us = late()
    let asked = 0
    const answer: Answer = (...call) => {
      asked += 1
      if (asked === 1) us.answer(...call)
      else call[0].end('second time')
    }
    const { deadline, clock, command, heard, regions } = await setUp(
      { us: answer },
      { entries: { us: { idempotent: true } } },
    )
    const reply = command()
    await regions.us?.nextRequest()
    await deadline()
    await reply
    us.held[0]?.writeHead(502).end()
    await until(clock, () => heard().length > 0)
    expect(heard()).toEqual([{ text: 'second time' }])
    const [first, second] = regions.us?.requests ?? []
    expect(second?.headers).toMatchObject({
      'silo-attempt': '2',
      'silo-delivery': first?.headers['silo-delivery'],
      'idempotency-key': first?.headers['idempotency-key'],
    })
  })

  it('without a response_url gets the message at the deadline', async () => {
    const { deadline, command, regions } = await setUp({ us: late().answer })
    const reply = command({ response_url: undefined })
    await regions.us?.nextRequest()
    await deadline()
    expect((await reply).json()).toMatchObject({ response_type: 'ephemeral' })
  })

  it.each([
    'https://evil.example/x',
    'http://hooks.slack.com/commands/1',
    'https://hooks.slack.com.evil.example/',
    'https://127.0.0.1/',
  ])('never has anything posted to %s', async (response_url) => {
    const { deadline, clock, command, regions, heard } = await setUp({ us: late().answer })
    const reply = command({ response_url })
    await regions.us?.nextRequest()
    await deadline()
    expect((await reply).json()).toMatchObject({ response_type: 'ephemeral' })
    clock.advance(20_000)
    expect(heard()).toEqual([])
  })

  it('is told at once, and only there, when the region fails in time', async () => {
    const { command, heard, gateway } = await setUp({ us: (res) => res.writeHead(500).end() })
    expect((await command()).json()).toMatchObject({ response_type: 'ephemeral' })
    expect(heard()).toEqual([])
    expect(await gateway.spool.takeOver()).toEqual([])
  })

  it('is told at once, and only there, also when it fails so late that an answer is owed by then', async () => {
    const us = late()
    const { command, clock, heard, gateway, regions } = await setUp({ us: us.answer })
    const reply = command()
    await regions.us?.nextRequest()
    clock.advance(2400)
    await gateway.spool.usage()
    us.held[0]?.writeHead(500).end()
    expect((await reply).json()).toMatchObject({ response_type: 'ephemeral' })
    expect(heard()).toEqual([])
    expect(await gateway.spool.takeOver()).toEqual([])
  })
})

describe('an action whose regions are late', () => {
  it('is answered with the first 2xx that says something', async () => {
    const us = late()
    const eu = late()
    const { deadline, action, heard, regions } = await setUp({ us: us.answer, eu: eu.answer })
    const reply = action()
    await Promise.all([regions.us?.nextRequest(), regions.eu?.nextRequest()])
    await deadline()
    expect(await reply).toMatchObject({ status: 200, text: '' })
    us.held[0]?.end()
    eu.held[0]?.end('from eu')
    await expect.poll(heard).toEqual([{ text: 'from eu' }])
  })

  it('waits for the late one although another has answered 404', async () => {
    const eu = late()
    const { deadline, action, heard, regions } = await setUp({
      us: (res) => res.writeHead(404).end(),
      eu: eu.answer,
    })
    const reply = action()
    await regions.eu?.nextRequest()
    await deadline()
    expect(await reply).toMatchObject({ status: 200, text: '' })
    eu.held[0]?.end('from eu')
    await expect.poll(heard).toEqual([{ text: 'from eu' }])
  })

  it('is told at once at the response_url when all have failed', async () => {
    const fails: Answer = (res) => res.writeHead(503).end()
    const { action, heard } = await setUp({ us: fails, eu: fails })
    expect(await action()).toMatchObject({ status: 200, text: '' })
    await expect.poll(heard).toMatchObject([{ response_type: 'ephemeral', replace_original: false }])
  })

  it('is told that it is not known where one broke off in the middle', async () => {
    const { action, heard } = await setUp({ us: (res) => res.writeHead(503).end(), eu: (res) => res.destroy() })
    expect(await action()).toMatchObject({ status: 200, text: '' })
    await expect.poll(heard).toMatchObject([{ text: expect.stringContaining('not known') as string }])
  })

  it('is an error without a response_url', async () => {
    const { deadline, action, regions } = await setUp({ us: late().answer })
    const reply = action({ response_url: undefined })
    await regions.us?.nextRequest()
    await deadline()
    expect(await reply).toMatchObject({ status: 504 })
  })
})

describe('a modal whose region is late', () => {
  it('is an error at the deadline, and the call ends with it', async () => {
    const us = late()
    const { deadline, view, regions } = await setUp({ us: us.answer })
    const reply = view()
    await regions.us?.nextRequest()
    await deadline()
    expect(await reply).toMatchObject({ status: 504 })
    await expect.poll(() => us.held[0]?.destroyed).toBe(true)
  })
})

describe('a response_url that is in trouble', () => {
  async function owed(hears: Answer) {
    const us = late()
    const started = await setUp({ us: us.answer }, { hears })
    const reply = started.command()
    await started.regions.us?.nextRequest()
    await started.deadline()
    await reply
    us.held[0]?.end('done')
    return started
  }

  it.each([500, 503, 429])('answering %i is tried again', async (status) => {
    let posts = 0
    const { clock, heard } = await owed((res) => res.writeHead((posts += 1) === 1 ? status : 200).end())
    await until(clock, () => heard().length === 2)
    expect(heard()).toEqual([{ text: 'done' }, { text: 'done' }])
  })

  it('is left alone for as long as Retry-After says', async () => {
    let posts = 0
    const { clock, heard } = await owed((res) =>
      res.writeHead((posts += 1) === 1 ? 429 : 200, { 'Retry-After': '120' }).end(),
    )
    await expect.poll(() => heard().length).toBe(1)
    const before = clock.monotonic()
    await until(clock, () => heard().length === 2, { stepMs: 1000 })
    expect(clock.monotonic() - before).toBeGreaterThanOrEqual(119_000)
  })

  it('hanging may have heard it: nothing is said twice, and it is recorded', async () => {
    const { clock, heard, gateway, logs } = await owed(() => {})
    await expect.poll(() => heard().length).toBe(1)
    await until(clock, () => gateway.counters.read().get('late_answers_total{result="post_unknown"}') === 1)
    clock.advance(1_500_000)
    expect(heard()).toHaveLength(1)
    expect(JSON.stringify(logs)).not.toContain('/actions/T0ACME00001/1/secret')
  })

  it('answering 404 is not asked again', async () => {
    const { clock, heard, gateway } = await owed((res) => res.writeHead(404).end())
    await until(clock, () => gateway.counters.read().get('late_answers_total{result="post_refused"}') === 1)
    expect(heard()).toHaveLength(1)
  })
})
