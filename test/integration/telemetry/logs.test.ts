import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { startFakeRegion, type Answer, type FakeRegion } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { useSilos } from '../../support/silos.ts'
import { blockActions, eventCallback, slashCommand, type SlackBody } from '../../support/slack-payloads.ts'
import { passBudget, until } from '../../support/steps.ts'

const silos = useSilos()
const opened: FakeRegion[] = []
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close()
})

const says =
  (status: number): Answer =>
  (res) =>
    res.writeHead(status).end()

/** A gateway that logs this share of what goes well. */
async function setUp<Name extends string>(answers: Record<Name, Answer | undefined>, share: '0' | '1') {
  const slack = await startFakeRegion()
  opened.push(slack)
  const clock = createManualClock({ now: Date.now() })
  const env = { LOG_SAMPLE: share, SLACK_RESPONSE_HOSTS: `127.0.0.1:${slack.port}` }
  const started = await silos<Name>(answers, { clock, env })
  return {
    ...started,
    clock,
    responseUrl: `${slack.url}/actions/T0ACME00001/1/secret`,
    deadline: () => passBudget({ clock, gateway: started.gateway }),
    send: async ({ body, contentType }: SlackBody) => {
      const reply = await started.post('/slack/events', body, { contentType })
      return String(reply.headers['x-request-id'])
    },
    lines: (message: string): Record<string, unknown>[] =>
      started.logs.flatMap((line) => (line.message === message ? [{ level: line.level, ...line.fields }] : [])),
  }
}

describe('the log', () => {
  it('has a line for a webhook and one for each attempt, told apart by the delivery', async () => {
    const { send, lines, nextRecord } = await setUp({ us: undefined, eu: says(503) }, '1')
    const delivery = await send(blockActions())
    await nextRecord()
    expect(lines('webhook')).toMatchObject([{ level: 'warn', delivery, outcome: 'passed_on', answeredFrom: 'us' }])
    const times = { startedMs: 0, slotMs: 0, sentMs: 0, firstByteMs: 0, endedMs: 0 }
    const each = { delivery, attempt: 1, breaker: 'closed', ...times }
    expect(lines('attempt')).toEqual([
      { level: 'info', region: 'us', result: 'answered', status: 200, ...each },
      { level: 'warn', region: 'eu', result: 'http_503', ...each },
    ])
  })

  it('has no line for an attempt that was not made, since what comes waits', async () => {
    const { send, lines } = await setUp({ us: says(503) }, '1')
    await send(eventCallback())
    const second = await send(eventCallback())
    await expect.poll(() => lines('webhook')).toHaveLength(2)
    expect(lines('attempt').filter(({ delivery }) => delivery === second)).toEqual([])
  })

  it('has a line for each later attempt, and for how a late answer ended', async () => {
    const held: ServerResponse[] = []
    let isUp = false
    const { send, lines, clock, deadline, regions, responseUrl, gateway } = await setUp(
      { us: (res, { body }) => (body.includes('command') ? held.push(res) : res.writeHead(isUp ? 200 : 503).end()) },
      '1',
    )
    const event = await send(eventCallback())
    isUp = true
    await until(clock, () => lines('attempt').length === 2)
    expect(lines('attempt')).toMatchObject([
      { level: 'warn', delivery: event, attempt: 1, result: 'http_503' },
      { level: 'info', delivery: event, attempt: 2, result: 'answered', status: 200 },
    ])
    const before = regions.us.requests.length
    const command = send(slashCommand({ response_url: responseUrl }))
    await expect.poll(() => regions.us.requests.length).toBe(before + 1)
    await deadline()
    held[0]?.end('at last')
    const delivery = await command
    await until(clock, () => gateway.lateAnswersOwed() === 0)
    expect(lines('late answer')).toMatchObject([
      { level: 'info', delivery, result: 'posted', endedMs: expect.any(Number) },
    ])
  })
})

describe('with LOG_SAMPLE=0 the log', () => {
  it('has no line for what goes well, also later', async () => {
    let isUp = true
    const { send, lines, clock, regions, nextRecord } = await setUp(
      { us: (res) => res.writeHead(isUp ? 200 : 503).end() },
      '0',
    )
    await send(slashCommand())
    await nextRecord()
    expect([lines('webhook'), lines('attempt')]).toEqual([[], []])
    isUp = false
    await send(eventCallback())
    isUp = true
    await until(clock, () => regions.us.requests.length === 3)
    expect(lines('attempt')).toMatchObject([{ attempt: 1, result: 'http_503' }])
  })

  it('has those of each webhook whose region failed, all its attempts among them', async () => {
    const { send, lines, nextRecord } = await setUp({ us: undefined, eu: says(500) }, '0')
    await send(blockActions())
    await nextRecord()
    expect(lines('webhook')).toHaveLength(1)
    expect(lines('attempt')).toMatchObject([
      { region: 'us', level: 'info' },
      { region: 'eu', level: 'warn' },
    ])
  })

  it('has the attempt that a region refused, though its answer was passed on', async () => {
    const { send, lines, nextRecord } = await setUp({ us: says(404) }, '0')
    await send(slashCommand())
    await nextRecord()
    expect(lines('webhook')).toEqual([])
    expect(lines('attempt')).toMatchObject([{ level: 'warn', result: 'answered', status: 404 }])
  })
})
