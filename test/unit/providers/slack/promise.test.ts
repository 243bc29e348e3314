import { describe, expect, it } from 'vitest'
import {
  APP,
  blockActions,
  blockSuggestion,
  dialogSubmission,
  eventCallback,
  globalShortcut,
  interactiveMessage,
  messageAction,
  slashCommand,
  TEAM,
  viewSubmission,
  workflowStepEdit,
} from '../../../support/slack-payloads.ts'
import { createSlackRig, PAGE_SECRET } from './rig.ts'

const rig = createSlackRig({ env: { PAGE_SIGNING_SECRET: PAGE_SECRET } })
const { provider } = rig
const page = async () => {
  const token = await provider.pageToken?.({ integrationId: '1' }, 60)
  return await rig.request({ path: `/extensions/slack/link-team/${token}`, method: 'GET', secret: null })
}

describe('what is promised', () => {
  const nothing = { kind: 'nothing' }
  const failing = createSlackRig({ rules: { events_on_failure: 'fail' } })
  const to = `https://hooks.slack.com/commands/${TEAM}/170000/abcdef`
  const elsewhere = 'https://hooks.slack.com.example.com/commands/T1/1/x'

  it.for([
    ['an event: its delivery', eventCallback(), { kind: 'delivery' }],
    [
      'a command: an answer, and if all fails one in time',
      slashCommand(),
      { kind: 'late_answer', to, failure: 'respond' },
    ],
    [
      'a click: an answer, and if all fails a message',
      blockActions({ response_url: to }),
      { kind: 'late_answer', to, failure: 'post' },
    ],
    ['a click of old', interactiveMessage({ response_url: to }), { kind: 'late_answer', to, failure: 'post' }],
    ['a command without response_url', slashCommand({ response_url: undefined }), nothing],
    ['a command with an empty one', slashCommand({ response_url: '' }), nothing],
    ['a command with one that leads elsewhere', slashCommand({ response_url: elsewhere }), nothing],
    ['a click without response_url', blockActions({ response_url: undefined }), nothing],
    ['a click with one that leads elsewhere', blockActions({ response_url: elsewhere }), nothing],
    ['a click with one that is no text', blockActions({ response_url: [to] }), nothing],
    [
      'a click with one in another place',
      blockActions({ response_url: undefined, message: { response_url: to } }),
      nothing,
    ],
    ['a submitted view', viewSubmission({ response_url: to }), nothing],
    ['a dialog', dialogSubmission(), nothing],
    ['a global shortcut', globalShortcut({ response_url: to }), nothing],
    ['a message shortcut', messageAction(), nothing],
    ['options', blockSuggestion({ response_url: to }), nothing],
    ['a workflow step', workflowStepEdit({ response_url: to }), nothing],
  ] as const)('for %s', async ([, body, promised]) => {
    expect(provider.promise(await rig.request({ body }))).toEqual(promised)
  })

  it('for a page: nothing', async () => {
    expect(provider.promise(await page())).toEqual(nothing)
  })

  it('for an event that shall fail: nothing', async () => {
    expect(failing.provider.promise(await failing.request({ body: eventCallback() }))).toEqual(nothing)
  })

  it('is acknowledged with an empty 200', async () => {
    for (const body of [eventCallback(), slashCommand(), blockActions()]) {
      const reply = provider.acknowledge(await rig.request({ body }))
      expect(reply).toEqual({ status: 200, rawHeaders: [], body: Buffer.alloc(0) })
    }
  })
})

describe('a response_url that leads elsewhere', () => {
  const secret = 'https://example.com/hook/ThisIsTheSecret'

  it.for([
    ['command', slashCommand({ response_url: secret })],
    ['action', blockActions({ response_url: secret })],
  ] as const)('in a %s is counted and warned of, and not quoted', async ([surface, body]) => {
    const rig = createSlackRig()
    await rig.request({ body })
    await rig.request({ body })
    expect(rig.counters.read()).toEqual(new Map([['response_url_refused_total', 2]]))
    expect(rig.warnings).toEqual([
      { fields: { surface, leftOut: 0 }, message: expect.stringContaining('SLACK_RESPONSE_HOSTS') },
    ])
    expect(JSON.stringify(rig.warnings)).not.toMatch(/ThisIsTheSecret|example\.com/)
  })

  it.for([
    ['a good one', slashCommand()],
    ['none', slashCommand({ response_url: undefined })],
    ['an empty one', slashCommand({ response_url: '' })],
    ['one that nothing would be posted to anyway', messageAction({ response_url: secret })],
  ] as const)('is not what %s is', async ([, body]) => {
    const rig = createSlackRig()
    await rig.request({ body })
    expect([rig.counters.read().size, rig.warnings]).toEqual([0, []])
  })
})

describe('what one that comes again is answered with', () => {
  it.for([
    ['an event: that all is well', eventCallback(), 'status'],
    ['an event without id: the answer', eventCallback({ event_id: undefined }), 'answer'],
    ['an event with an empty id: the answer', eventCallback({ event_id: '' }), 'answer'],
    ['a command: the answer', slashCommand(), 'answer'],
    ['a click: the answer', blockActions(), 'answer'],
    ['a submitted view: the answer', viewSubmission(), 'answer'],
    ['options: the answer', blockSuggestion(), 'answer'],
  ] as const)('%s', async ([, body, remember]) => {
    expect(await rig.request({ body })).toMatchObject({ remember })
  })

  it('a page: nothing, it is asked for again', async () => {
    expect(await page()).toMatchObject({ remember: 'nothing' })
  })

  it('an event without id is known by its signature', async () => {
    const sent = { body: eventCallback({ event_id: undefined }) }
    expect((await rig.request(sent)).dedupKey).toBe(rig.receive(sent).headers['x-slack-signature'])
  })
})

describe('whose secret verified it', () => {
  const { request } = createSlackRig({ env: { SLACK_SIGNING_SECRETS: `${APP}:ours,anyone` } })

  it.for([
    ['an event', eventCallback()],
    ['a command', slashCommand()],
    ['a click', blockActions()],
    ['a shortcut that names no app', globalShortcut()],
  ] as const)('is said of %s', async ([, body]) => {
    expect(await request({ body, secret: 'ours' })).toMatchObject({ signedBy: APP })
    expect(await request({ body, secret: 'anyone' })).toMatchObject({ signedBy: '' })
  })
})
