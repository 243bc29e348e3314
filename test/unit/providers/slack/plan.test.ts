import { describe, expect, it } from 'vitest'
import {
  blockActions,
  blockSuggestion,
  dialogCancellation,
  dialogSubmission,
  dialogSuggestion,
  eventCallback,
  globalShortcut,
  interactiveMessage,
  linkShared,
  menuSuggestion,
  messageAction,
  slashCommand,
  viewClosed,
  viewSubmission,
  workflowStepEdit,
  type SlackBody,
} from '../../../support/slack-payloads.ts'
import { answeredOf, createSlackRig, refusal } from './rig.ts'

const rules = {
  first_region_actions: ['link', 'ignore'],
  local_actions: ['link_clicked', 'docs::', 'with space'],
  all_region_events: ['app_uninstalled', 'team_rename'],
  links: [
    'https?://[^/]+/organizations/(?<org>[a-z0-9-]+)/',
    '^https://(?<org>[A-Za-z]+)\\.example\\.com/',
    'shared/(?<org>x)?',
  ],
}
const rig = createSlackRig({ rules })

const all = { to: 'all', wins: 'reply', preferBodyForMs: 0 }
const allPreferringBodies = { to: 'all', wins: 'reply', preferBodyForMs: 250 }
const first = { to: 'first', wins: 'reply' }
// Slack takes any other status for a failed delivery.
const allForSuccess = { to: 'all', wins: 'success', preferBodyForMs: 0 }
const firstForSuccess = { to: 'first', wins: 'success' }

describe('whom to ask', () => {
  const planOf = async (body: SlackBody, of = rig) => of.provider.fanOut(await of.request({ body }))

  it.for([
    ['an event', eventCallback(), firstForSuccess],
    ['an event for all regions', eventCallback({}, { type: 'team_rename' }), allForSuccess],
    ['a command', slashCommand(), first],
    ['block options', blockSuggestion(), first],
    ['dialog options', dialogSuggestion(), first],
    ['menu options', menuSuggestion(), first],
    ['a click', blockActions(), all],
    ['a click without value', blockActions({}, { value: undefined }), all],
    ['a click for the first region', blockActions({}, { value: 'link' }), first],
    ['a click of old for the first region', interactiveMessage({}, { value: 'ignore' }), first],
    ['a click with an empty list', interactiveMessage({ actions: [] }), all],
    ['a click whose actions are null', blockActions({ actions: null }), all],
    ['a click whose value only begins like one', blockActions({}, { value: 'link team' }), all],
    ['a click in other letters', blockActions({}, { value: 'Link' }), all],
    ['a click with the name as action_id', blockActions({}, { action_id: 'link' }), all],
    ['a submitted view', viewSubmission(), allPreferringBodies],
    ['a closed view', viewClosed(), all],
    ['a submitted dialog', dialogSubmission(), allPreferringBodies],
    ['a cancelled dialog', dialogCancellation(), all],
    ['a global shortcut', globalShortcut(), all],
    ['a message shortcut', messageAction(), all],
    ['a workflow step', workflowStepEdit(), all],
  ] as const)('%s', async ([, body, plan]) => {
    expect(await planOf(body)).toEqual(plan)
  })

  it('the first truthy value of the actions decides', async () => {
    const actions = [null, { value: '' }, { value: null }, {}, { value: 'link' }, { value: 'other' }]
    expect(await planOf(blockActions({ actions }))).toEqual(first)
    expect(await planOf(blockActions({ actions: actions.toReversed() }))).toEqual(all)
  })

  it('a first value that is no text hides the ones behind it', async () => {
    expect(await planOf(blockActions({ actions: [{ value: ['link'] }, { value: 'link' }] }))).toEqual(all)
    expect(await planOf(blockActions({ actions: [{ value: 1 }, { value: 'link' }] }))).toEqual(all)
  })

  it('without rules: the uninstall events to all regions, every other event to the first, every click to all', async () => {
    const plain = createSlackRig()
    for (const type of ['app_uninstalled', 'tokens_revoked']) {
      expect(await planOf(eventCallback({}, { type }), plain)).toEqual(allForSuccess)
    }
    expect(await planOf(eventCallback({}, { type: 'app_uninstalled_team' }), plain)).toEqual(firstForSuccess)
    expect(await planOf(blockActions({}, { value: 'link' }), plain)).toEqual(all)
  })

  it.for(['*', ['*'], ['team_rename', '*']])('every event to all regions with %j', async (all_region_events) => {
    const every = createSlackRig({ rules: { all_region_events } })
    expect(await planOf(eventCallback(), every)).toEqual(allForSuccess)
    expect(await planOf(slashCommand(), every)).toEqual(first)
  })

  it('no event to all regions with an empty list', async () => {
    const none = createSlackRig({ rules: { all_region_events: [] } })
    expect(await planOf(eventCallback({}, { type: 'app_uninstalled' }), none)).toEqual(firstForSuccess)
  })
})

describe('actions answered here', () => {
  it.for([
    ['by value', blockActions({}, { value: 'link_clicked' })],
    ['by value, of old', interactiveMessage({}, { value: 'link_clicked' })],
    ['by action_id', blockActions({}, { action_id: 'link_clicked' })],
    ['by the name part of an action_id', blockActions({}, { action_id: 'link_clicked::10::20' })],
    [
      'by any of several action_ids',
      blockActions({ actions: [null, { action_id: 'x' }, { action_id: 'link_clicked' }] }),
    ],
    ['before they go to the first region', blockActions({}, { value: 'link', action_id: 'link_clicked' })],
  ] as const)('%s: 200 empty', async ([, body]) => {
    const { rule, surface, reply } = answeredOf(await rig.identify({ body }))
    expect({ rule, surface, status: reply.status, length: reply.body.length }).toEqual({
      rule: 'local_action',
      surface: 'action',
      status: 200,
      length: 0,
    })
  })

  it.for([
    ['another value', blockActions({}, { value: 'link_clicked_not' })],
    ['the second value', blockActions({ actions: [{ value: 'a' }, { value: 'link_clicked' }] })],
    ['a name that goes on', blockActions({}, { action_id: 'link_clicked:10' })],
    ['a name behind the colons', blockActions({}, { action_id: 'x::link_clicked' })],
    ['a value that is no text', blockActions({}, { value: ['link_clicked'] })],
    ['actions that are null', blockActions({ actions: null })],
    ['a shortcut of that name', globalShortcut({ callback_id: 'link_clicked' })],
    ['a view of that name', viewSubmission({}, { callback_id: 'link_clicked' })],
    ['an options request of that name', blockSuggestion({ action_id: 'link_clicked' })],
  ] as const)('not %s', async ([, body]) => {
    expect((await rig.identify({ body })).kind).toBe('request')
  })

  it('only after the installation is known', async () => {
    const nobody = blockActions({ team: null, user: {} }, { value: 'link_clicked' })
    await expect(rig.identify({ body: nobody })).rejects.toMatchObject(refusal('no_installation_named'))
  })

  it('none unless configured', async () => {
    expect((await createSlackRig().identify({ body: blockActions({}, { value: 'link_clicked' }) })).kind).toBe(
      'request',
    )
  })
})

const hintOf = async (body: SlackBody) => (await rig.request({ body })).hint

describe('the organization that a command means', () => {
  it.for([
    ['link team acme', 'acme'],
    ['unlink team acme', 'acme'],
    ['LINK Team ACME', 'acme'],
    ['  link \t team   acme-eu2 please now ', 'acme-eu2'],
  ] as const)('in %j is %s', async ([text, slug]) => {
    expect(await hintOf(slashCommand({ text }))).toEqual({ by: 'slug', slugs: [slug], pick: 'one' })
  })

  it.for([
    '',
    'link',
    'link team',
    'link team ',
    'link teams acme',
    'relink team acme',
    'team link acme',
    'help link team acme',
  ])('in %j is none', async (text) => {
    expect(await hintOf(slashCommand({ text }))).toBeUndefined()
  })

  it('is none in a command without text', async () => {
    expect(await hintOf(slashCommand({ text: undefined }))).toBeUndefined()
  })
})

describe('the organization that a name means', () => {
  const largest = '9223372036854775807'

  it.for([
    ['resolve::10', '10'],
    ['resolve::10::20', '10'],
    ['resolve::10::0', '10'],
    ['resolve::10::-1', '10'],
    ['resolve::10::9223372036854775808', '10'],
    ['re:solve now::0010', '10'],
    [`resolve::${largest}::${largest}`, largest],
    [`resolve::000000000000000000000${largest}`, largest],
  ] as const)('%s is %s', async ([name, id]) => {
    expect(await hintOf(blockActions({}, { action_id: name }))).toEqual({ by: 'id', ids: [id] })
  })

  it.for([
    'resolve',
    'resolve:10',
    'resolve::',
    'resolve::x',
    'resolve::10::',
    'resolve::10::x',
    'resolve::10::20::30',
    'resolve::0',
    'resolve::-1',
    'resolve::+1',
    'resolve:: 1',
    'resolve::1 ',
    'resolve::1.0',
    'resolve::0x10',
    'resolve::١٢',
    'resolve::9223372036854775808',
    'resolve::99999999999999999999',
    '::10',
    '::10::20',
    'resolve:::10',
  ])('%s is none', async (name) => {
    expect(await hintOf(blockActions({}, { action_id: name }))).toBeUndefined()
  })

  it('is read from every action_id of a click', async () => {
    const actions = [{ action_id: 'a::7' }, { action_id: 'b' }, null, { action_id: 9 }, { action_id: 'c::3::1' }]
    expect(await hintOf(blockActions({ actions }))).toEqual({ by: 'id', ids: ['7', '3'] })
  })

  it.for([
    ['the action_id of an options request', blockSuggestion({ action_id: 'x::10' })],
    ["the callback_id of a dialog's options request", dialogSuggestion({ callback_id: 'x::10' })],
    ['the callback_id of a submitted view', viewSubmission({}, { callback_id: 'x::10' })],
    ['the callback_id of a closed view', viewClosed({}, { callback_id: 'x::10' })],
    ['the callback_id of a submitted dialog', dialogSubmission({ callback_id: 'x::10' })],
    ['the callback_id of a cancelled dialog', dialogCancellation({ callback_id: 'x::10' })],
  ] as const)('is read from %s', async ([, body]) => {
    expect(await hintOf(body)).toEqual({ by: 'id', ids: ['10'] })
  })

  it.for([
    ['the callback_id of a click of old', interactiveMessage({ callback_id: 'x::10' })],
    ['the callback_id of a menu', menuSuggestion({ callback_id: 'x::10' })],
    ['the callback_id of block options', blockSuggestion({ callback_id: 'x::10' })],
    ["the action_id of a dialog's options", dialogSuggestion({ action_id: 'x::10' })],
    ['a callback_id beside the view', viewSubmission({ callback_id: 'x::10' })],
    ['a view beside the dialog', dialogSubmission({ view: { callback_id: 'x::10' } })],
    ['the callback_id of a shortcut', globalShortcut({ callback_id: 'x::10' })],
    ['the callback_id of a workflow step', workflowStepEdit({ callback_id: 'x::10' })],
    ['a name that is no text', viewSubmission({}, { callback_id: ['x::10'] })],
  ] as const)('is not read from %s', async ([, body]) => {
    expect(await hintOf(body)).toBeUndefined()
  })
})

describe('the organizations that shared links mean', () => {
  const slugs = (...slugs: string[]) => ({ by: 'slug', slugs, pick: 'those' })

  it('are found by the patterns, the first that matches a link, in lower case', async () => {
    const urls = [
      'https://app.example.com/organizations/acme/issues/1',
      'http://x/organizations/other-1/',
      'https://Umbrella.example.com/organizations/',
      'https://nothing.example.org/',
      'https://both.example.com/organizations/acme-eu/',
    ]
    expect(await hintOf(linkShared(urls))).toEqual(slugs('acme', 'other-1', 'umbrella', 'acme-eu'))
  })

  it('are none where no pattern finds a slug', async () => {
    expect(await hintOf(linkShared(['https://x.example.org/', 'https://x.example.org/shared/']))).toBeUndefined()
    expect(await hintOf(linkShared([]))).toBeUndefined()
  })

  it('are none in links of another shape', async () => {
    const links = [null, 'https://app.example.com/organizations/acme/', { url: ['x'] }, { url: null }, {}]
    expect(await hintOf(eventCallback({}, { type: 'link_shared', links }))).toBeUndefined()
    expect(await hintOf(eventCallback({}, { type: 'link_shared', links: null }))).toBeUndefined()
  })

  it('are only looked for in link_shared', async () => {
    const links = [{ url: 'https://app.example.com/organizations/acme/' }]
    expect(await hintOf(eventCallback({}, { type: 'message', links }))).toBeUndefined()
  })

  it('are looked for in the first 100 links, up to 4096 characters each', async () => {
    const far = (count: number) => [
      ...Array<string>(count).fill('https://x.example.org/'),
      'http://x/organizations/acme/',
    ]
    expect(await hintOf(linkShared(far(99)))).toEqual(slugs('acme'))
    expect(await hintOf(linkShared(far(100)))).toBeUndefined()
    const long = (length: number) => 'http://x/organizations/acme/'.padEnd(length, 'x')
    expect(await hintOf(linkShared([long(4096)]))).toEqual(slugs('acme'))
    expect(await hintOf(linkShared([long(4097)]))).toBeUndefined()
  })
})
