import { describe, expect, it } from 'vitest'
import type { Organization } from '../../../src/directory/directory.ts'
import { verifyForwarded } from '../../../src/region-kit/index.ts'
import type { Answer, RegionRequest } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { useSilos } from '../../support/silos.ts'
import {
  blockActions,
  eventCallback,
  slashCommand,
  viewSubmission,
  type SlackBody,
} from '../../support/slack-payloads.ts'
import { passTime, until } from '../../support/steps.ts'
import { workspace } from '../../support/test-gateway.ts'

const silos = useSilos()
const EVENT = '/extensions/slack/event/'
const ACTION = '/extensions/slack/action/'
const COMMAND = '/extensions/slack/commands/'
const MOVING = '10'
const STAYING = '11'
const KEYS = { 'us-key': Buffer.alloc(32, 1), 'eu-key': Buffer.alloc(32, 2) }

const textOf = ({ body }: RegionRequest): unknown =>
  (JSON.parse(body.toString()) as { event: { text: string } }).event.text
const told = ({ headers }: RegionRequest) => [headers['silo-organizations'], headers['silo-epoch']]
const fails: Answer = (res) => res.writeHead(503).end()
const asksForPatience: Answer = (res) => res.writeHead(503, { 'retry-after': '300' }).end()

/** An organization that lives in `us`, with another one beside it where that is said. */
async function setUp({ both = false, us, env }: { both?: boolean; us?: Answer; env?: Record<string, string> } = {}) {
  const clock = createManualClock({ now: Date.now() })
  const answers: { us: Answer | undefined; eu: Answer | undefined } = { us, eu: undefined }
  const started = await silos(
    {
      us: (...call) => (answers.us === undefined ? call[0].end() : answers.us(...call)),
      eu: (...call) => (answers.eu === undefined ? call[0].end() : answers.eu(...call)),
    },
    {
      clock,
      entries: { us: { signing_key: 'us-key' }, eu: { signing_key: 'eu-key' } },
      directory: workspace(both ? { moving: 'us', staying: 'us' } : { moving: 'us' }),
      env: {
        REGION_SIGNING_KEYS: Object.entries(KEYS)
          .map(([id, key]) => `${id}:${key.toString('base64')}`)
          .join(),
        ...env,
      },
    },
  )
  const { gateway, post, regions } = started

  async function write(change: Partial<Pick<Organization, 'region' | 'held'>>) {
    const before = await gateway.directory.organization(MOVING)
    if (before === undefined) throw new Error('There is no such organization')
    const { epoch: _, version: __, ...row } = before
    const written = await gateway.directory.putOrganization(
      { ...row, ...change },
      { author: 'test', precondition: { kind: 'none' } },
    )
    if (written.kind !== 'written') throw new Error(written.kind)
    return { before, after: written.row }
  }

  /** As the admin API does it: the directory first, then what waits. */
  async function settle(change: Parameters<typeof write>[0]) {
    const integrations = [{ id: '1', provider: 'slack' }]
    return await gateway.follow({ id: MOVING, ...(await write(change)), integrations })
  }

  const send = (path: string, body: SlackBody) => post(path, body.body, body)
  return {
    ...started,
    clock,
    answers,
    write,
    settle,
    texts: (region: 'us' | 'eu') => regions[region].requests.map(textOf),
    event: (text: string) => send(EVENT, eventCallback({}, { text })),
    uninstalled: () => send(EVENT, eventCallback({}, { type: 'app_uninstalled' })),
    send,
    waiting: async () => (await gateway.spool.list()).reduce((sum, { depth }) => sum + depth, 0),
  }
}

describe('what waits for an organization that moves', () => {
  it('is delivered to its new region, in its order, and never to the old one', async () => {
    const { event, settle, texts, regions, clock, waiting } = await setUp({ us: fails })
    for (const text of ['1', '2', '3']) expect((await event(text)).status).toBe(200)
    const before = regions.us.requests.length
    expect(await settle({ region: 'eu' })).toEqual({ moved: 3, busy: 0, unreadable: 0 })
    await until(clock, async () => (await waiting()) === 0)
    expect(texts('eu')).toEqual(['1', '2', '3'])
    expect(regions.us.requests).toHaveLength(before)
  })

  it('follows it also where nobody has seen to that', async () => {
    const { event, write, texts, regions, clock, waiting } = await setUp({ us: fails })
    await event('1')
    await event('2')
    const before = regions.us.requests.length
    await write({ region: 'eu' })
    await until(clock, async () => (await waiting()) === 0)
    expect(texts('eu')).toEqual(['1', '2'])
    expect(regions.us.requests).toHaveLength(before)
  })

  it.each([
    ['once', ['eu']],
    ['on and on', ['eu', 'us', 'eu']],
  ] as const)('is delivered before what comes then, though one is just being sent: %s', async (_, homes) => {
    const { event, settle, texts, regions, clock, waiting, answers } = await setUp({ us: fails })
    for (const text of ['1', '2']) await event(text)
    const sent = Promise.withResolvers<Parameters<Answer>[0]>()
    answers.us = (res) => sent.resolve(res)
    await until(clock, () => regions.us.requests.length === 2)
    const reply = await sent.promise
    const followed = []
    for (const region of homes) followed.push(await settle({ region }))
    expect(followed.at(-1)).toEqual({ moved: 0, busy: 2, unreadable: 0 })
    for (const text of ['3', '4']) expect((await event(text)).status).toBe(200)
    expect(await waiting()).toBe(4)
    expect(texts('eu')).toEqual([])
    reply.writeHead(503).end()
    await until(clock, async () => (await waiting()) === 0)
    expect((await event('5')).status).toBe(200)
    expect(texts('eu')).toEqual(['1', '2', '3', '4', '5'])
    expect(regions.us.requests).toHaveLength(2)
  })

  it('leaves nothing behind that what comes there next would wait for', async () => {
    const { event, write, texts, clock, gateway, answers } = await setUp({ us: asksForPatience })
    await event('1')
    await write({ region: 'eu' })
    await event('2')
    await until(clock, () => texts('eu').length === 2)
    answers.us = undefined
    await write({ region: 'us' })
    await event('3')
    await passTime({ clock, gateway }, 5)
    expect(texts('us')).toEqual(['1', '3'])
  })

  it('is looked for where it has lived until every gateway has heard of the move, however long that takes', async () => {
    const { event, write, texts, clock, gateway, answers } = await setUp({ env: { CACHE_HARD_MS: '600000' } })
    const isLookedFor = async (): Promise<boolean> => {
      const { installation } = await gateway.store.find({ by: 'id', provider: 'slack', id: '1' })
      return installation?.organizations[0]?.formerly !== undefined
    }
    /** One that waits for a moment, as everything that may be behind something does. */
    const late = async (text: string): Promise<void> => {
      answers.eu = fails
      await event(text)
      answers.eu = undefined
      await until(clock, () => texts('eu').at(-1) === text && texts('eu').length % 2 === 0)
    }
    await write({ region: 'eu' })
    clock.advance(600_000)
    await late('1')
    expect(await isLookedFor()).toBe(true)
    clock.advance(240_000)
    await late('2')
    expect(await isLookedFor()).toBe(false)
  })

  it('stays for those who stay', async () => {
    const { uninstalled, settle, regions, clock, waiting, answers } = await setUp({ us: fails, both: true })
    await uninstalled()
    await settle({ region: 'eu' })
    answers.us = undefined
    await until(clock, async () => (await waiting()) === 0)
    expect(regions.eu.requests.map(told)).toEqual([[MOVING, `${MOVING}=1`]])
    expect(told(regions.us.requests.at(-1) ?? fail())).toEqual([STAYING, `${STAYING}=0`])
  })
})

describe('how often an organization has moved', () => {
  it.each(['us', 'eu'] as const)(
    'is told to the region within the signature, on first and on later attempts (%s)',
    async (to) => {
      const { event, settle, regions, clock, answers } = await setUp()
      if (to === 'us') await settle({ region: 'eu' })
      await settle({ region: to })
      const epoch = to === 'us' ? 2 : 1
      answers[to] = fails
      await event('1')
      answers[to] = undefined
      await until(clock, () => regions[to].requests.length === 2)
      for (const [at, request] of regions[to].requests.entries()) {
        expect(request.headers['silo-attempt']).toBe(String(at + 1))
        expect(request.headers['silo-epoch']).toContain(`${MOVING}=${epoch}`)
        const { method, url, headers, body } = request
        const forwarded = { method, url, headers, body }
        const trusting = { keys: KEYS, region: to, now: () => clock.now() }
        expect(verified(forwarded, trusting)).toBe(true)
        const forged = { ...headers, 'silo-epoch': `${MOVING}=7` }
        expect(verified({ ...forwarded, headers: forged }, trusting)).toBe(false)
      }
    },
  )

  function verified(...call: Parameters<typeof verifyForwarded>): boolean {
    try {
      verifyForwarded(...call)
      return true
    } catch {
      return false
    }
  }
})

describe('an organization that is held', () => {
  it('gets its events once it is released, in their order, where it lives then', async () => {
    const { event, settle, texts, clock, waiting, regions, gateway } = await setUp({ us: fails })
    await event('1')
    const before = regions.us.requests.length
    await settle({ region: 'eu', held: true })
    expect((await event('2')).status).toBe(200)
    expect((await event('3')).status).toBe(200)
    await passTime({ clock, gateway }, 90)
    expect(texts('eu')).toEqual([])
    expect(await waiting()).toBe(3)
    await settle({ held: false })
    await until(clock, async () => (await waiting()) === 0)
    expect((await event('4')).status).toBe(200)
    expect(texts('eu')).toEqual(['1', '2', '3', '4'])
    expect(regions.us.requests).toHaveLength(before)
  })

  it('does not keep an event from the others of its region', async () => {
    const { uninstalled, settle, regions, waiting } = await setUp({ both: true })
    await settle({ held: true })
    expect((await uninstalled()).status).toBe(200)
    expect(regions.us.requests.map(told)).toEqual([[STAYING, `${STAYING}=0`]])
    expect(await waiting()).toBe(1)
  })

  it('fails what wants an answer, without a call', async () => {
    const { send, settle, regions, nextRecord } = await setUp()
    await settle({ held: true })
    const view = viewSubmission({ view: { private_metadata: '', callback_id: `x::${MOVING}`, state: { values: {} } } })
    const reply = await send(ACTION, view)
    expect(reply.status).toBe(503)
    expect(reply.json()).toMatchObject({ code: 'silo_client_error', regions: { us: 'held' } })
    expect(await nextRecord()).toMatchObject({ regions: [{ region: 'us', result: 'held' }] })
    expect(regions.us.requests).toEqual([])
  })

  it('fails a command with a message to whoever gave it', async () => {
    const { send, settle, regions } = await setUp({ both: true })
    await settle({ held: true })
    const body = slashCommand({ text: 'link team moving' })
    const reply = await send(COMMAND, body)
    expect(reply).toMatchObject({ status: 200 })
    expect(reply.json()).toMatchObject({ response_type: 'ephemeral' })
    expect(regions.us.requests).toEqual([])
  })

  it('is left out where others are served', async () => {
    const { send, settle, regions } = await setUp({ both: true })
    await settle({ held: true })
    const body = blockActions({})
    expect((await send(ACTION, body)).status).toBe(200)
    expect(regions.us.requests.map(told)).toEqual([[STAYING, `${STAYING}=0`]])
  })
})

function fail(): never {
  throw new Error('Nothing came')
}
