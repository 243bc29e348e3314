import { describe, expect, it } from 'vitest'
import {
  APP,
  appRateLimited,
  blockActions,
  blockSuggestion,
  dialogCancellation,
  dialogSubmission,
  dialogSuggestion,
  eventCallback,
  form,
  FORM,
  globalShortcut,
  interaction,
  interactiveMessage,
  json,
  JSON_TYPE,
  linkShared,
  menuSuggestion,
  messageAction,
  slashCommand,
  TEAM,
  urlVerification,
  viewClosed,
  viewSubmission,
  workflowStepEdit,
} from '../../../support/slack-payloads.ts'
import { ACTIONS, answeredOf, COMMANDS, createSlackRig, EVENTS, OPTIONS, SINGLE, type Sent } from './rig.ts'

const { identify, request, receive, codeOf } = createSlackRig()
const malformed = 'malformed_request'

describe('what each body is', () => {
  it.for([
    ['event', eventCallback(), EVENTS, { kind: 'event', surface: 'event', type: 'app_mention' }],
    [
      'shared link',
      linkShared(['https://x.example/']),
      EVENTS,
      { kind: 'event', surface: 'event', type: 'link_shared' },
    ],
    ['slash command', slashCommand(), COMMANDS, { kind: 'command', surface: 'command', type: '/silo' }],
    ['click', blockActions(), ACTIONS, { kind: 'action', surface: 'action', type: 'block_actions', value: 'resolve' }],
    [
      'click of old',
      interactiveMessage(),
      ACTIONS,
      { kind: 'action', surface: 'action', type: 'interactive_message', value: 'approve' },
    ],
    [
      'click without actions',
      interactiveMessage({ actions: [] }),
      ACTIONS,
      { kind: 'action', surface: 'action', type: 'interactive_message', value: undefined },
    ],
    [
      'submitted view',
      viewSubmission(),
      ACTIONS,
      { kind: 'view', surface: 'action', type: 'view_submission', submitted: true },
    ],
    ['closed view', viewClosed(), ACTIONS, { kind: 'view', surface: 'action', type: 'view_closed', submitted: false }],
    [
      'submitted dialog',
      dialogSubmission(),
      ACTIONS,
      { kind: 'dialog', surface: 'action', type: 'dialog_submission', submitted: true },
    ],
    [
      'cancelled dialog',
      dialogCancellation(),
      ACTIONS,
      { kind: 'dialog', surface: 'action', type: 'dialog_cancellation', submitted: false },
    ],
    ['global shortcut', globalShortcut(), ACTIONS, { kind: 'shortcut', surface: 'action', type: 'shortcut' }],
    ['message shortcut', messageAction(), ACTIONS, { kind: 'shortcut', surface: 'action', type: 'message_action' }],
    [
      'retired workflow step',
      workflowStepEdit(),
      ACTIONS,
      { kind: 'other', surface: 'action', type: 'workflow_step_edit' },
    ],
    [
      'type nobody knows yet',
      workflowStepEdit({ type: 'constructor' }),
      ACTIONS,
      { kind: 'other', surface: 'action', type: 'constructor' },
    ],
    ['payload without type', workflowStepEdit({ type: null }), ACTIONS, { kind: 'other', surface: 'action', type: '' }],
    [
      'click of a type nobody knows yet',
      blockActions({ type: 'canvas_actions' }),
      ACTIONS,
      { kind: 'action', surface: 'action', type: 'canvas_actions', value: 'resolve' },
    ],
    ['options request', blockSuggestion(), OPTIONS, { kind: 'options', surface: 'options', type: 'block_suggestion' }],
    [
      "dialog's options request",
      dialogSuggestion(),
      OPTIONS,
      { kind: 'options', surface: 'options', type: 'dialog_suggestion' },
    ],
    [
      "menu's options request",
      menuSuggestion(),
      OPTIONS,
      { kind: 'options', surface: 'options', type: 'interactive_message' },
    ],
  ] as const)('knows the %s on its own path and on the single one', async ([, body, path, expected]) => {
    expect(await request({ path, body })).toMatchObject(expected)
    expect(await request({ path: SINGLE, body })).toMatchObject(expected)
    expect(await request({ path: `${SINGLE}/`, body })).toMatchObject(expected)
  })

  it.for([blockSuggestion(), dialogSuggestion(), menuSuggestion(), menuSuggestion({ actions: null })])(
    'takes an options request on the action path as one (%#)',
    async (body) => {
      expect(await request({ path: ACTIONS, body })).toMatchObject({ kind: 'options', surface: 'options' })
    },
  )

  it('goes by the path and not by the content type where the surface has a path of its own', async () => {
    expect(await request({ path: EVENTS, body: { ...eventCallback(), contentType: FORM } })).toMatchObject({
      kind: 'event',
    })
    expect(await request({ path: ACTIONS, body: { ...blockActions(), contentType: JSON_TYPE } })).toMatchObject({
      kind: 'action',
    })
    expect(await request({ path: COMMANDS, body: { body: slashCommand().body } })).toMatchObject({ kind: 'command' })
    expect(await request({ path: OPTIONS, body: { body: blockSuggestion().body } })).toMatchObject({ kind: 'options' })
  })

  it('goes by the content type on the single path, whatever its parameters and case', async () => {
    const typed = (body: { body: string }, contentType: string) => ({ body: { body: body.body, contentType } })
    expect(await request(typed(slashCommand(), `${FORM};charset=UTF-8`))).toMatchObject({ kind: 'command' })
    expect(await request(typed(blockActions(), 'Application/X-WWW-Form-Urlencoded ; a=b'))).toMatchObject({
      kind: 'action',
    })
    expect(await request({ body: { body: eventCallback().body } })).toMatchObject({ kind: 'event' })
    expect(await codeOf(typed(slashCommand(), JSON_TYPE))).toBe(malformed)
    expect(await codeOf(typed(slashCommand(), 'multipart/form-data'))).toBe(malformed)
    expect(await codeOf(typed(eventCallback(), FORM))).toBe(malformed)
  })
})

describe('a body that is not what its path takes', () => {
  it.for([EVENTS, ACTIONS, COMMANDS, OPTIONS, SINGLE])('on %s: nothing at all', async (path) => {
    expect(await codeOf({ path, body: { contentType: FORM, body: '' } })).toBe(malformed)
    expect(await codeOf({ path, body: { body: '' } })).toBe(malformed)
  })

  it.for([EVENTS, ACTIONS, COMMANDS, OPTIONS, SINGLE])('on %s: bytes that are not UTF-8', async (path) => {
    const invalid = Buffer.from(`command=/silo&team_id=${TEAM}&text=\xff`, 'latin1')
    expect(await codeOf({ path, body: { contentType: FORM, body: invalid } })).toBe(malformed)
    expect(await codeOf({ path, body: { body: Buffer.from('{"a":"\xe9"}', 'latin1') } })).toBe(malformed)
  })

  it('a form with an escape that is not UTF-8, in a name or in a value', async () => {
    expect(await codeOf({ path: COMMANDS, body: { contentType: FORM, body: `${slashCommand().body}&x=%ff` } })).toBe(
      malformed,
    )
    expect(await codeOf({ path: COMMANDS, body: { contentType: FORM, body: `${slashCommand().body}&%c3=x` } })).toBe(
      malformed,
    )
  })

  it.for(['{', '[]', '[{}]', 'null', 'true', '7', '"text"', '\uFEFF{}', '{} {}', 'payload={}'])(
    'the event body %j',
    async (text) => {
      expect(await codeOf({ path: EVENTS, body: { contentType: JSON_TYPE, body: text } })).toBe(malformed)
      expect(await codeOf({ path: SINGLE, body: { contentType: JSON_TYPE, body: text } })).toBe(malformed)
    },
  )

  it('an event body behind a byte order mark', async () => {
    expect(
      await codeOf({ path: EVENTS, body: { contentType: JSON_TYPE, body: `\uFEFF${eventCallback().body}` } }),
    ).toBe(malformed)
  })

  it.for([
    ['no event', { event: undefined }],
    ['null as event', { event: null }],
    ['a list as event', { event: [{ type: 'message' }] }],
    ['a text as event', { event: 'message' }],
    ['an event without type', { event: {} }],
    ['a number as type', { event: { type: 7 } }],
    ['null as type', { event: { type: null } }],
    ['an empty type', { event: { type: '' } }],
    ['an inherited type', { event: { ['__proto__']: { type: 'message' } } }],
  ] as const)('an event_callback with %s', async ([, envelope]) => {
    expect(await codeOf({ path: EVENTS, body: eventCallback(envelope) })).toBe(malformed)
    expect(await codeOf({ path: SINGLE, body: eventCallback(envelope) })).toBe(malformed)
  })

  it('an event body whose event only hides behind __proto__', async () => {
    const hidden = `{"team_id":"${TEAM}","__proto__":{"event":{"type":"message"}}}`
    expect(await codeOf({ path: EVENTS, body: { body: hidden } })).toBe(malformed)
  })

  it.for([undefined, null, 7, ['x'], { a: 1 }, true])('a challenge of %j', async (challenge) => {
    expect(await codeOf({ path: EVENTS, body: urlVerification({ challenge }) })).toBe(malformed)
  })

  it.for([ACTIONS, COMMANDS, OPTIONS])('a challenge on %s', async (path) => {
    expect(await codeOf({ path, body: urlVerification() })).toBe(malformed)
  })

  it.for([ACTIONS, OPTIONS])('a flat form on %s', async (path) => {
    expect(await codeOf({ path, body: slashCommand() })).toBe(malformed)
  })

  it.for([ACTIONS, OPTIONS, SINGLE])('a payload on %s that is no JSON object', async (path) => {
    for (const payload of ['', '{', '[]', 'null', '7', '"x"', '\uFEFF{}'])
      expect(await codeOf({ path, body: form({ payload }) })).toBe(malformed)
    expect(await codeOf({ path, body: { contentType: FORM, body: 'payload' } })).toBe(malformed)
  })

  it.for([ACTIONS, OPTIONS, SINGLE])('two payloads on %s', async (path) => {
    const { body } = path === OPTIONS ? blockSuggestion() : blockActions()
    expect(await codeOf({ path, body: { contentType: FORM, body: `${body}&${body}` } })).toBe(malformed)
    expect(await codeOf({ path, body: { contentType: FORM, body: `${body}&payload` } })).toBe(malformed)
  })

  it('a payload field on the command path, even beside a command', async () => {
    expect(await codeOf({ path: COMMANDS, body: blockActions() })).toBe(malformed)
    expect(await codeOf({ path: COMMANDS, body: slashCommand({ payload: '{}' }) })).toBe(malformed)
    expect(await codeOf({ path: COMMANDS, body: slashCommand({ payload: '' }) })).toBe(malformed)
  })

  it.for([COMMANDS, SINGLE])('a form on %s without command, team_id and enterprise_id', async (path) => {
    expect(await codeOf({ path, body: form({ text: 'x', user_id: 'U1', api_app_id: APP }) })).toBe(malformed)
    expect(await codeOf({ path, body: form({ command: '', team_id: '', enterprise_id: '' }) })).toBe(malformed)
  })

  it.for([
    ['a click', blockActions({ value: 'x' })],
    ['a submitted view', viewSubmission({ value: 'x' })],
    ['a message menu that was used', interactiveMessage({ value: 'x' })],
    ['a message menu with an empty list of actions', interactiveMessage({ value: 'x', actions: [] })],
    ['a payload without type', blockSuggestion({ type: undefined })],
    ['a type that is no text', blockSuggestion({ type: ['block_suggestion'] })],
    ['a shortcut', globalShortcut({ value: 'x' })],
  ] as const)('%s on the options path', async ([, body]) => {
    expect(await codeOf({ path: OPTIONS, body })).toBe(malformed)
  })

  it.for([ACTIONS, OPTIONS, SINGLE])('an options request on %s without value', async (path) => {
    expect(await codeOf({ path, body: blockSuggestion({ value: undefined }) })).toBe(malformed)
    expect(await codeOf({ path, body: dialogSuggestion({ value: undefined }) })).toBe(malformed)
    expect(await codeOf({ path, body: menuSuggestion({ value: undefined }) })).toBe(malformed)
    expect(await codeOf({ path, body: blockSuggestion({ value: undefined, ['__proto__']: { value: 'x' } }) })).toBe(
      malformed,
    )
  })
})

describe('a body that is unusual and good', () => {
  it.for(['', null, 0])('an options request with the value %j', async (value) => {
    expect(await request({ path: OPTIONS, body: blockSuggestion({ value }) })).toMatchObject({ kind: 'options' })
  })

  it('a command whose text speaks of a payload', async () => {
    expect(await request({ path: COMMANDS, body: slashCommand({ text: 'show payload={} &payload=x' }) })).toMatchObject(
      {
        kind: 'command',
      },
    )
  })

  it.for([{ command: undefined }, { team_id: undefined, enterprise_id: 'E1' }])(
    'a command without %j',
    async (fields) => {
      expect(await request({ path: COMMANDS, body: slashCommand(fields) })).toMatchObject({
        type: fields.command === undefined && 'command' in fields ? '' : '/silo',
      })
    },
  )

  it('a command without a name but with an enterprise', async () => {
    expect(await request({ path: COMMANDS, body: form({ enterprise_id: 'E1' }) })).toMatchObject({ type: '' })
  })

  it('a form with stray percent signs, empty fields and fields without value', async () => {
    const body = `&&command=%2fsilo%&team_id=${TEAM}&text=100%+%zz%4&=&x&enterprise_id=`
    expect(await request({ path: COMMANDS, body: { contentType: FORM, body } })).toMatchObject({ type: '/silo%' })
  })

  it('a form that repeats a field: the first one counts', async () => {
    const { body } = slashCommand()
    const twice = `command=%2Ffirst&team_id=T0FIRST0001&enterprise_id=&${body}`
    expect(await request({ path: COMMANDS, body: { contentType: FORM, body: twice } })).toMatchObject({
      type: '/first',
      installation: { externalId: 'T0FIRST0001' },
    })
  })

  it('a form value with an equals sign, a plus, escapes and plain UTF-8', async () => {
    const body = `team_id=${TEAM}&command=a=b+c%2Bd%C3%BCü%F0%9F%91%8B%EF%BB%BF`
    expect(await request({ path: COMMANDS, body: { contentType: FORM, body } })).toMatchObject({
      type: 'a=b c+düü👋\uFEFF',
    })
  })

  it('JSON with names that every object has', async () => {
    const body = `{"constructor":1,"__proto__":null,"hasOwnProperty":2,${eventCallback().body.slice(1)}`
    expect(await request({ path: EVENTS, body: { body } })).toMatchObject({ type: 'app_mention' })
  })
})

describe('answered without any region', () => {
  it.for([EVENTS, SINGLE])('the challenge on %s, word for word', async (path) => {
    const challenge = 'Grüße "\\ 👋'
    const { rule, surface, reply } = answeredOf(await identify({ path, body: urlVerification({ challenge }) }))
    expect({ rule, surface, status: reply.status }).toEqual({ rule: 'url_verification', surface: 'event', status: 200 })
    expect(reply.rawHeaders).toEqual(['Content-Type', 'application/json; charset=utf-8'])
    expect(JSON.parse(reply.body.toString())).toEqual({ challenge })
  })

  it('an empty challenge, which is a text too', async () => {
    const { reply } = answeredOf(await identify({ path: EVENTS, body: urlVerification({ challenge: '' }) }))
    expect(reply.body.toString()).toBe('{"challenge":""}')
  })

  it.for([EVENTS, SINGLE])('app_rate_limited on %s: 200 empty, counted and warned about', async (path) => {
    const rig = createSlackRig()
    const { rule, surface, reply } = answeredOf(await rig.identify({ path, body: appRateLimited() }))
    expect({ rule, surface, status: reply.status }).toEqual({ rule: 'app_rate_limited', surface: 'event', status: 200 })
    expect(reply.body).toHaveLength(0)
    expect(rig.counters.read()).toEqual(new Map([['app_rate_limited_total', 1]]))
    expect(rig.warnings).toEqual([
      { fields: { team: TEAM, app: APP, leftOut: 0 }, message: expect.stringContaining('drops events') },
    ])
  })
})

describe('the key by which a repeated webhook is known', () => {
  const keyOf = async (sent: Sent) => (await request(sent)).dedupKey

  it('of an event is its app, its installation and its id, whenever it is signed', async () => {
    const key = await keyOf({ body: eventCallback({ event_id: 'Ev1' }) })
    const again = eventCallback({ event_id: 'Ev1', event_time: 5 })
    expect(await keyOf({ body: again, signedAt: receive({}).receivedAt + 60_000 })).toBe(key)
    const keys = await Promise.all([
      keyOf({ body: eventCallback({ event_id: 'Ev2' }) }),
      keyOf({ body: eventCallback({ event_id: 'Ev1', api_app_id: 'A2' }) }),
      keyOf({ body: eventCallback({ event_id: 'Ev1', authorizations: [{ team_id: 'T2' }] }) }),
    ])
    expect(new Set([key, ...keys]).size).toBe(4)
  })

  it('cannot be made to collide by ids that run into each other', async () => {
    const one = await keyOf({ body: eventCallback({ authorizations: null, team_id: 'T1","x', event_id: 'y' }) })
    const other = await keyOf({ body: eventCallback({ authorizations: null, team_id: 'T1', event_id: 'x","y' }) })
    expect(one).not.toBe(other)
  })

  it.for([
    ['event without an id', eventCallback({ event_id: undefined })],
    ['event whose id is no text', eventCallback({ event_id: 7 })],
    ['event with an empty id', eventCallback({ event_id: '' })],
    ['command', slashCommand()],
    ['click', blockActions({ event_id: 'Ev1' })],
    ['options request', blockSuggestion()],
    ['submitted view', viewSubmission()],
  ] as const)('of an %s is its signature', async ([, body]) => {
    const { headers } = receive({ body })
    expect(await keyOf({ body })).toBe(headers['x-slack-signature'])
  })
})

describe('several kinds in one', () => {
  it('a payload decides over the flat fields beside it on the single path', async () => {
    const { body } = blockActions()
    const both = { contentType: FORM, body: `command=%2Fx&team_id=T2&${body}` }
    expect(await request({ body: both })).toMatchObject({ kind: 'action', installation: { externalId: TEAM } })
  })

  it('only the event path takes a payload type of url_verification or app_rate_limited for what it says', async () => {
    for (const type of ['url_verification', 'app_rate_limited']) {
      expect(await request({ path: ACTIONS, body: interaction({ type, team: { id: TEAM } }) })).toMatchObject({
        kind: 'other',
        type,
      })
    }
  })

  it('any other type at the top is an event if it holds one', async () => {
    const body = json({ team_id: TEAM, type: ['event_callback'], event: { type: 'message' } })
    expect(await request({ path: EVENTS, body })).toMatchObject({ type: 'message' })
  })
})
