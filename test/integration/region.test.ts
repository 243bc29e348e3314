import { SignJWT } from 'jose'
import { afterEach, describe, expect, it } from 'vitest'
import { startRegion, type Region, type RegionOptions } from '../../src/region/region.ts'
import { createManualClock } from '../support/manual-clock.ts'
import * as slack from '../support/slack-payloads.ts'
import { send, startTestGateway, workspace, type TestGateway } from '../support/test-gateway.ts'

const KEY = `us-test:${Buffer.alloc(32, 7).toString('base64')}`
const PAGE_SECRET = 'a-secret-for-pages-of-32-bytes-or-more'

const opened: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close()
})

async function startSilo(options: Partial<RegionOptions> = {}) {
  const clock = createManualClock({ now: Date.now() })
  const region = await startRegion({ name: 'us', keys: KEY, clock, ...options })
  opened.push(() => region.close())
  const gateway = await startTestGateway({
    regions: [{ name: 'us', address: region.address, signing_key: 'us-test' }],
    directory: workspace({ acme: 'us', beta: 'us' }),
    env: { REGION_SIGNING_KEYS: KEY, PAGE_SIGNING_SECRET: PAGE_SECRET },
  })
  opened.push(() => gateway.close())
  return { clock, region, gateway }
}

const post = (gateway: TestGateway, path: string, { body, contentType }: slack.SlackBody) =>
  gateway.post(path, body, { contentType })

const command = (gateway: TestGateway) => post(gateway, '/extensions/slack/commands/', slack.slashCommand())

/** Of all that Slack sends the one whose failure it is told. */
const search = (gateway: TestGateway) => post(gateway, '/extensions/slack/options-load/', slack.blockSuggestion())

function reach({ address }: Region) {
  return send(Number(new URL(address).port), { method: 'GET', path: '/', headers: {} })
}

describe('the reference region behind the gateway', () => {
  it('takes an event with an empty 200', async () => {
    const { gateway } = await startSilo()
    const reply = await post(gateway, '/extensions/slack/event/', slack.eventCallback())
    expect([reply.status, reply.text]).toEqual([200, ''])
    expect(gateway.records[0]?.answeredFrom).toBe('us')
  })

  it('answers a command with an ephemeral message that names itself and the organizations', async () => {
    const { gateway } = await startSilo()
    const typed = slack.slashCommand({ command: '/acme', text: 'status' })
    const reply = await post(gateway, '/extensions/slack/commands/', typed)
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toMatch(/^application\/json/)
    expect(reply.json()).toEqual({
      response_type: 'ephemeral',
      text: 'us got /acme status for organizations 10, 11',
    })
  })

  it.each([
    ['a button click', slack.blockActions()],
    ['a shortcut', slack.globalShortcut()],
    ['a closed view', slack.viewClosed()],
  ])('takes %s with an empty 200', async (_name, body) => {
    const { gateway } = await startSilo()
    const reply = await post(gateway, '/extensions/slack/action/', body)
    expect([reply.status, reply.text]).toEqual([200, ''])
  })

  it('clears the modals of a view submission', async () => {
    const { gateway } = await startSilo()
    const reply = await post(gateway, '/extensions/slack/action/', slack.viewSubmission())
    expect(reply.json()).toEqual({ response_action: 'clear' })
  })

  it('offers options', async () => {
    const { gateway } = await startSilo()
    const reply = await post(gateway, '/extensions/slack/options-load/', slack.blockSuggestion())
    expect(reply.json()).toMatchObject({
      options: [{ text: { type: 'plain_text', text: 'Wanda in us' }, value: 'Wanda in us' }, {}],
    })
  })

  it('serves the single URL of a Bolt app', async () => {
    const { gateway } = await startSilo()
    const reply = await post(gateway, '/slack/events', slack.slashCommand({ command: '/acme', text: 'status' }))
    expect(reply.json()).toMatchObject({ text: expect.stringContaining('us got /acme status') })
  })

  it('shows the team pages as HTML', async () => {
    const { gateway } = await startSilo()
    const token = await new SignJWT({ integration_id: 1, organization_id: 11 })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1h')
      .sign(Buffer.from(PAGE_SECRET))
    const reply = await gateway.get(`/extensions/slack/link-team/${token}/`)
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toMatch(/^text\/html/)
    expect(reply.text).toContain('us takes this team on for organization 11')
  })
})

describe('what the reference region refuses', () => {
  it('a request that nobody has signed', async () => {
    const { region } = await startSilo()
    const reply = await reach(region)
    expect(reply.status).toBe(401)
    expect(reply.json()).toMatchObject({ code: 'signature_missing' })
  })

  it('a request that is meant for another region', async () => {
    const { gateway } = await startSilo({ name: 'eu' })
    const reply = await command(gateway)
    expect(reply.status).toBe(401)
    expect(reply.json()).toMatchObject({ code: 'wrong_region' })
  })
})

describe('the behaviour of the reference region', () => {
  it('delays its answers by its own clock', async () => {
    const manual = createManualClock({ now: Date.now() })
    const delayed = Promise.withResolvers<number>()
    const clock = {
      ...manual,
      after(ms: number, then: () => void) {
        delayed.resolve(ms)
        return manual.after(ms, then)
      },
    }
    const { gateway } = await startSilo({ clock, behaviour: { delayMs: 400 } })
    let answered = false
    const reply = command(gateway).finally(() => (answered = true))
    expect(await delayed.promise).toBe(400)
    manual.advance(399)
    expect([answered, manual.pending()]).toEqual([false, 1])
    manual.advance(1)
    expect((await reply).status).toBe(200)
  })

  it('forgets an answer that it still owes when it is switched off', async () => {
    const manual = createManualClock({ now: Date.now() })
    const delayed = Promise.withResolvers<number>()
    const clock = {
      ...manual,
      after(ms: number, then: () => void) {
        delayed.resolve(ms)
        return manual.after(ms, then)
      },
    }
    const { gateway, region } = await startSilo({ clock, behaviour: { delayMs: 400 } })
    const reply = search(gateway)
    await delayed.promise
    await region.switchOff()
    expect((await reply).json()).toMatchObject({ regions: { us: 'connection_reset' } })
    expect(manual.pending()).toBe(0)
  })

  it('can fail and recover while it runs', async () => {
    const { gateway, region } = await startSilo()
    region.behave({ failWith: 503 })
    const failed = await search(gateway)
    expect(failed.json()).toMatchObject({ regions: { us: 'http_503' } })
    region.behave({ failWith: undefined })
    expect((await search(gateway)).status).toBe(200)
  })

  it('hangs without an answer until it behaves otherwise, and then answers what it has kept waiting', async () => {
    const { gateway, region, clock } = await startSilo({ behaviour: { delayMs: Infinity } })
    let answered = false
    const reply = search(gateway).finally(() => (answered = true))
    // Others come and go meanwhile.
    for (let visits = 0; visits < 20; visits++) await reach(region)
    clock.advance(60_000)
    expect(answered).toBe(false)
    region.behave({ delayMs: 0 })
    expect((await reply).status).toBe(200)
  })

  it('tells of every request that it has answered, and the status', async () => {
    const told: unknown[] = []
    const { gateway, region } = await startSilo({
      onAnswer: ({ silo, body }, status) => told.push([silo.attempt, body.toString(), status]),
    })
    const typed = slack.slashCommand({ text: 'status' })
    await post(gateway, '/extensions/slack/commands/', typed)
    region.behave({ failWith: 400 })
    const typedNext = slack.slashCommand({ text: 'report' })
    await post(gateway, '/extensions/slack/commands/', typedNext)
    await reach(region)
    expect(told).toEqual([
      [1, typed.body, 200],
      [1, typedNext.body, 400],
    ])
  })

  it('refuses connections while it is off, and is back at the same address', async () => {
    const { region } = await startSilo()
    await region.switchOff()
    expect(region.isOn).toBe(false)
    await expect(reach(region)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await region.switchOn()
    expect(region.isOn).toBe(true)
    expect((await reach(region)).status).toBe(401)
  })

  it('does one switch after the other, however fast they come', async () => {
    const { region } = await startSilo()
    await Promise.all([region.switchOff(), region.switchOn(), region.switchOff(), region.switchOff()])
    expect(region.isOn).toBe(false)
    await Promise.all([region.switchOn(), region.switchOn()])
    expect((await reach(region)).status).toBe(401)
  })
})
