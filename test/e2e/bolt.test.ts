import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { regionMiddleware } from '../../src/region-kit/index.ts'
import { startBoltRegion, type BoltRegion, type ReceiverKind } from '../support/bolt-region.ts'
import {
  blockActions,
  blockSuggestion,
  eventCallback,
  slashCommand,
  viewSubmission,
} from '../support/slack-payloads.ts'
import { ACTION, COMMANDS, EVENT, OPTIONS_LOAD, SINGLE } from '../support/slack-surfaces.ts'
import { SIGNING_SECRET, startTestGateway, workspace, type TestGateway } from '../support/test-gateway.ts'

const keys = `bolt-2026:${Buffer.from('a key between gateway and region').toString('base64')}`
const endpoints = [SINGLE, COMMANDS, ACTION, EVENT, OPTIONS_LOAD]

let opened: { close(): Promise<void> }[] = []

beforeEach(() => {
  opened = []
})

afterEach(async () => {
  for (const one of opened.toReversed()) await one.close()
})

async function boltRegion(options: { kind: ReceiverKind; guarded: boolean; signingSecret?: string; name?: string }) {
  const { kind, guarded, signingSecret = SIGNING_SECRET, name = 'us' } = options
  const guard = guarded ? { guard: regionMiddleware({ keys, region: name }) } : {}
  const region = await startBoltRegion({ kind, signingSecret, endpoints, ...guard })
  opened.push(region)
  return region
}

async function gatewayBefore(regions: Record<string, BoltRegion>): Promise<TestGateway> {
  const gateway = await startTestGateway({
    regions: Object.entries(regions).map(([name, { url }]) => ({ name, address: url, signing_key: 'bolt-2026' })),
    directory: workspace(Object.fromEntries(Object.keys(regions).map((name) => [`org-in-${name}`, name]))),
    env: { REGION_SIGNING_KEYS: keys },
  })
  opened.push(gateway)
  return gateway
}

const setups = (['ExpressReceiver', 'HTTPReceiver'] as const).flatMap((kind) => [
  { kind, guarded: false, how: `${kind}, unmodified` },
  { kind, guarded: true, how: `${kind} behind regionMiddleware` },
])

describe.each(setups)('a Bolt app as a region ($how)', ({ kind, guarded }) => {
  let bolt: BoltRegion
  let gateway: TestGateway

  beforeEach(async () => {
    bolt = await boltRegion({ kind, guarded })
    gateway = await gatewayBefore({ us: bolt })
  })

  const post = (path: string, { body, contentType }: { body: string; contentType: string }) =>
    gateway.post(path, body, { contentType })

  it.each([COMMANDS, SINGLE])('answers a slash command at %s with its text', async (path) => {
    bolt.app.command('/silo', async ({ command, ack }) => ack(`Grüße an ${command.user_name}: ${command.text}`))
    const reply = await post(path, slashCommand({ text: 'näher & näher' }))
    expect([reply.status, reply.text]).toEqual([200, 'Grüße an wanda: näher & näher'])
    expect(bolt.complaints).toEqual([])
  })

  it.each([ACTION, SINGLE])('acknowledges a button at %s', async (path) => {
    const clicked: unknown[] = []
    bolt.app.action('resolve', async ({ payload, ack }) => {
      clicked.push('value' in payload ? payload.value : undefined)
      await ack()
    })
    const reply = await post(path, blockActions())
    expect([reply.status, reply.text, clicked]).toEqual([200, '', ['resolve']])
    expect(bolt.complaints).toEqual([])
  })

  it.each([ACTION, SINGLE])("shows a modal's errors when it is submitted at %s", async (path) => {
    bolt.app.view('new_issue', async ({ view, ack }) => {
      const title = view.state.values['b1']?.['title']?.value
      await ack({ response_action: 'errors', errors: { b1: `"${title}" is taken` } })
    })
    const reply = await post(path, viewSubmission())
    expect([reply.status, reply.json()]).toEqual([
      200,
      { response_action: 'errors', errors: { b1: '"Größe & Maß" is taken' } },
    ])
    expect(reply.headers['content-type']).toMatch(/^application\/json/)
    expect(bolt.complaints).toEqual([])
  })

  it.each([ACTION, SINGLE])('closes a modal with an empty acknowledgement at %s', async (path) => {
    bolt.app.view('new_issue', async ({ ack }) => ack())
    const reply = await post(path, viewSubmission())
    expect([reply.status, reply.text]).toEqual([200, ''])
    expect(bolt.complaints).toEqual([])
  })

  it.each([OPTIONS_LOAD, ACTION, SINGLE])('loads options at %s', async (path) => {
    const option = { text: { type: 'plain_text' as const, text: 'Wanda' }, value: 'U0WANDA0001' }
    bolt.app.options('assignee', async ({ payload, ack }) => ack({ options: payload.value === 'wan' ? [option] : [] }))
    const reply = await post(path, blockSuggestion())
    expect([reply.status, reply.json()]).toEqual([200, { options: [option] }])
    expect(bolt.complaints).toEqual([])
  })

  it.each([EVENT, SINGLE])('hears an event at %s, and Slack gets an empty 200', async (path) => {
    const heard = new Promise<string>((resolve) => {
      bolt.app.event('app_mention', async ({ event }) => resolve(event.text))
    })
    const reply = await post(path, eventCallback())
    expect([reply.status, reply.text]).toEqual([200, ''])
    expect(await heard).toBe('<@U0BOT000001> grüß dich https://example.com/a')
    expect(bolt.complaints).toEqual([])
  })
})

describe.each(['ExpressReceiver', 'HTTPReceiver'] as const)('the signatures a Bolt app sees (%s)', (kind) => {
  it("are Slack's own: with another secret it refuses what the gateway forwards", async () => {
    const stranger = await boltRegion({ kind, guarded: false, signingSecret: 'the secret of another app' })
    const gateway = await gatewayBefore({ us: stranger })
    const { body, contentType } = slashCommand()
    expect((await gateway.post(COMMANDS, body, { contentType })).status).toBe(401)
  })

  it("are the gateway's as well: behind the regionMiddleware of another region it never sees the request", async () => {
    const bolt = await boltRegion({ kind, guarded: true, name: 'us' })
    bolt.app.command('/silo', async ({ ack }) => ack('got in'))
    const gateway = await gatewayBefore({ eu: bolt })
    const { body, contentType } = slashCommand()
    const reply = await gateway.post(COMMANDS, body, { contentType })
    expect([reply.status, reply.json()]).toMatchObject([401, { code: 'wrong_region' }])
  })
})

describe('two regions, each a Bolt app', () => {
  let us: BoltRegion
  let eu: BoltRegion
  let gateway: TestGateway

  beforeEach(async () => {
    us = await boltRegion({ kind: 'ExpressReceiver', guarded: false })
    eu = await boltRegion({ kind: 'HTTPReceiver', guarded: true, name: 'eu' })
    gateway = await gatewayBefore({ us, eu })
  })

  it('both get a view submission, and the one with errors to show answers', async () => {
    const submitted: string[] = []
    us.app.view('new_issue', async ({ ack }) => {
      submitted.push('us')
      await ack()
    })
    eu.app.view('new_issue', async ({ ack }) => {
      submitted.push('eu')
      await ack({ response_action: 'errors', errors: { b1: 'too short' } })
    })
    const { body, contentType } = viewSubmission()
    const reply = await gateway.post(ACTION, body, { contentType })
    expect([reply.status, reply.json()]).toEqual([200, { response_action: 'errors', errors: { b1: 'too short' } }])
    expect(submitted.toSorted()).toEqual(['eu', 'us'])
    expect([...us.complaints, ...eu.complaints]).toEqual([])
  })

  it('only the first gets a command', async () => {
    us.app.command('/silo', async ({ ack }) => ack('from us'))
    eu.app.command('/silo', async ({ ack }) => ack('from eu'))
    const { body, contentType } = slashCommand()
    expect((await gateway.post(SINGLE, body, { contentType })).text).toBe('from us')
  })
})
