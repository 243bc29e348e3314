import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSilo, type Silo } from '../../support/silo.ts'
import { ACTION, bothSpellings, COMMANDS, EVENT, OPTIONS_LOAD, SINGLE } from '../../support/slack-surfaces.ts'
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
} from '../../support/slack-payloads.ts'

// In id order: 9 acme (us), 10 beta (eu), 11 Gamma-2 (ap), 12 delta (eu). Number 13 is not linked, 14 is disabled.
const organizations = [
  { id: 9, slug: 'acme', region: 'us' },
  { id: 10, slug: 'beta', region: 'eu' },
  { id: 11, slug: 'Gamma-2', region: 'ap' },
  { id: 12, slug: 'delta', region: 'eu' },
  { id: 13, slug: 'elsewhere', region: 'eu' },
  { id: 14, slug: 'closed', region: 'eu', status: 'disabled' },
]
const directory = {
  integrations: [{ id: 1, provider: 'slack', external_id: 'T0ACME00001', default_organization_id: 9 }],
  organizations,
  organization_integrations: [9, 10, 11, 12, 14].map((organization_id) => ({
    integration_id: 1,
    organization_id,
    status: 'active',
  })),
}
const ALL = { us: '9', eu: '10,12', ap: '11' }
const FIRST = { us: '9' }

let silo: Silo
beforeAll(async () => {
  silo = await startSilo({
    regions: { us: {}, eu: {}, ap: {} },
    directory,
    slack: {
      links: [
        'https?://[^/]+/organizations/(?<org>[a-z0-9-]+)/',
        '^https://(?<org>[A-Za-z0-9-]+)\\.example\\.com/issues',
      ],
      first_region_actions: ['link'],
      all_region_events: ['app_uninstalled'],
    },
  })
})
afterAll(() => silo.close())

type Hint = 'used' | 'ignored' | 'none'
type Case = readonly [what: string, body: SlackBody, asked: Record<string, string>, hint: Hint]

function counts(): Record<Exclude<Hint, 'none'>, number> {
  const read = (use: string) => silo.gateway.counters.read().get(`hints_total{use="${use}"}`) ?? 0
  return { used: read('used'), ignored: read('ignored') }
}

/**
 * Each region that is asked, with the organizations it is asked for; and whether a hint was counted, and how. The cases
 * are made anew for each path: the same event again would be a duplicate.
 */
function itNarrows(paths: readonly string[], cases: () => readonly Case[]): void {
  it.each(
    paths
      .flatMap(bothSpellings)
      .flatMap((path) => cases().map(([what, body, asked, hint]) => ({ what, path, body, asked, hint }))),
  )('$what: $asked, hint $hint, at $path', async ({ path, body, asked, hint }) => {
    const before = counts()
    const delivered = await silo.deliver(path, body)
    const told = delivered.asked.map((name) => [name, delivered.sent[name]?.headers['silo-organizations']])
    expect(Object.fromEntries(told)).toEqual(asked)
    expect(delivered.reply.status).toBe(200)
    expect(counts()).toEqual(hint === 'none' ? before : { ...before, [hint]: before[hint] + 1 })
  })
}

const EU10 = { eu: '10' }

describe('a command', () => {
  const says = (text: string) => slashCommand({ text })
  itNarrows([COMMANDS, SINGLE], () => [
    ['link team beta', says('link team beta'), EU10, 'used'],
    ['unlink team beta', says('unlink team beta'), EU10, 'used'],
    ['another case', says('LINK Team BeTa'), EU10, 'used'],
    ['a slug with capitals', says('link team gamma-2'), { ap: '11' }, 'used'],
    ['further words', says('link team beta please and thank you'), EU10, 'used'],
    ['blanks around and between', says('  link \t team   beta  '), EU10, 'used'],
    ['a slug nobody has', says('link team omega'), FIRST, 'ignored'],
    ['a slug that is not linked', says('link team elsewhere'), FIRST, 'ignored'],
    ['a slug that is disabled', says('link team closed'), FIRST, 'ignored'],
    ['an id in place of a slug', says('link team 10'), FIRST, 'ignored'],
    ['no slug', says('link team'), FIRST, 'none'],
    ['no team', says('link beta'), FIRST, 'none'],
    ['other words first', says('please link team beta'), FIRST, 'none'],
    ['other words between', says('link the team beta'), FIRST, 'none'],
    ['another verb', says('relink team beta'), FIRST, 'none'],
    ['a slug alone', says('beta'), FIRST, 'none'],
    ['an empty text', says(''), FIRST, 'none'],
    ['no text', slashCommand({ text: undefined }), FIRST, 'none'],
    ['the words as the command', slashCommand({ command: '/link team beta' }), FIRST, 'none'],
  ])
})

/** What an id in a name does, for a surface that goes to all regions otherwise and one that goes to the first. */
const names: readonly (readonly [
  name: string | undefined,
  organization: keyof typeof narrowed | undefined,
  hint: Hint,
])[] = [
  ['resolve::10', '10', 'used'],
  ['resolve::11', '11', 'used'],
  ['resolve::10::4711', '10', 'used'],
  ['re-solve_2 x::10', '10', 'used'],
  ['resolve::13', undefined, 'ignored'],
  ['resolve::14', undefined, 'ignored'],
  ['resolve::999', undefined, 'ignored'],
  ['resolve::9223372036854775807', undefined, 'ignored'],
  ['resolve', undefined, 'none'],
  ['resolve:10', undefined, 'none'],
  ['resolve::beta', undefined, 'none'],
  ['resolve::', undefined, 'none'],
  ['resolve::10::', undefined, 'none'],
  ['resolve::10::x', undefined, 'none'],
  ['resolve::10::1::1', undefined, 'none'],
  ['resolve:::10', undefined, 'none'],
  ['resolve::10:', undefined, 'none'],
  ['resolve::10.0', undefined, 'none'],
  ['resolve::1e1', undefined, 'none'],
  ['resolve::0xa', undefined, 'none'],
  ['resolve:: 10', undefined, 'none'],
  ['resolve::10\n', undefined, 'none'],
  ['resolve::１０', undefined, 'none'],
  ['resolve::99999999999999999999', undefined, 'none'],
  ['::10', undefined, 'none'],
  ['10', undefined, 'none'],
  ['', undefined, 'none'],
  [undefined, undefined, 'none'],
]
const narrowed = { '10': EU10, '11': { ap: '11' } }

const byName = (build: (name: string | undefined) => SlackBody, otherwise: Record<string, string>): Case[] =>
  names.map(([name, organization, hint]) => [
    name === undefined ? 'no name' : JSON.stringify(name),
    build(name),
    organization === undefined ? otherwise : narrowed[organization],
    hint,
  ])

describe('a click, by action_id', () => {
  itNarrows([ACTION, SINGLE], () => byName((action_id) => blockActions({}, { action_id }), ALL))
  itNarrows([ACTION], () => [
    ['in an attachment as well', interactiveMessage({}, { action_id: 'x::10' }), EU10, 'used'],
    ['one of several', blockActions({ actions: [{ action_id: 'x' }, { action_id: 'x::10' }] }), EU10, 'used'],
    [
      'several: the first organization in id order',
      blockActions({ actions: [{ action_id: 'x::11' }, { action_id: 'x::10' }] }),
      EU10,
      'used',
    ],
    [
      'several, one of them irrelevant',
      blockActions({ actions: [{ action_id: 'x::1' }, { action_id: 'x::13' }, { action_id: 'x::12' }] }),
      { eu: '12' },
      'used',
    ],
    [
      'id order is that of numbers: 9 before 10',
      blockActions({ actions: [{ action_id: 'x::10' }, { action_id: 'x::9' }] }),
      { us: '9' },
      'used',
    ],
    [
      'several, all irrelevant',
      blockActions({ actions: [{ action_id: 'x::1' }, { action_id: 'x::2' }] }),
      ALL,
      'ignored',
    ],
    [
      'to the first region of the hinted organization',
      blockActions({}, { action_id: 'x::10', value: 'link' }),
      EU10,
      'used',
    ],
    ['an action_id that is no text', blockActions({}, { action_id: 10 }), ALL, 'none'],
    ['not by callback_id', blockActions({ callback_id: 'x::10' }), ALL, 'none'],
    ['not by callback_id of an attachment', interactiveMessage({ callback_id: 'x::10' }), ALL, 'none'],
    ['not by value', blockActions({}, { value: 'x::10' }), ALL, 'none'],
    ['not by block_id', blockActions({}, { block_id: 'x::10' }), ALL, 'none'],
    ['not by its view', blockActions({ view: { callback_id: 'x::10' } }), ALL, 'none'],
  ])
})

describe('options, by action_id', () => {
  itNarrows([OPTIONS_LOAD, ACTION, SINGLE], () => byName((action_id) => blockSuggestion({ action_id }), FIRST))
  itNarrows([OPTIONS_LOAD], () => [
    ['not by its view', blockSuggestion({ view: { callback_id: 'x::10' } }), FIRST, 'none'],
  ])
  itNarrows([OPTIONS_LOAD, ACTION], () => [
    ['of a message menu as well', menuSuggestion({ action_id: 'x::10' }), EU10, 'used'],
    ['of a message menu, not by callback_id', menuSuggestion({ callback_id: 'x::10' }), FIRST, 'none'],
    ['of a dialog by the dialog’s callback_id', dialogSuggestion({ callback_id: 'x::10' }), EU10, 'used'],
  ])
})

describe('a view, by callback_id', () => {
  itNarrows([ACTION, SINGLE], () => byName((callback_id) => viewSubmission({}, { callback_id }), ALL))
  itNarrows([ACTION, SINGLE], () => [
    ['a closed one', viewClosed({}, { callback_id: 'x::10' }), EU10, 'used'],
    ['not by callback_id beside the view', viewSubmission({ callback_id: 'x::10' }), ALL, 'none'],
    ['not by its external_id', viewSubmission({}, { external_id: 'x::10' }), ALL, 'none'],
  ])
})

describe('a dialog, by callback_id', () => {
  itNarrows([ACTION, SINGLE], () => byName((callback_id) => dialogSubmission({ callback_id }), ALL))
  itNarrows([ACTION], () => [['a cancelled one', dialogCancellation({ callback_id: 'x::10' }), EU10, 'used']])
})

describe('anything else has no hint', () => {
  itNarrows([ACTION, SINGLE], () => [
    ['a shortcut', globalShortcut({ callback_id: 'x::10' }), ALL, 'none'],
    ['a message shortcut', messageAction({ callback_id: 'x::10' }), ALL, 'none'],
    ['a workflow step', workflowStepEdit({ callback_id: 'x::10' }), ALL, 'none'],
  ])
  itNarrows([EVENT, SINGLE], () => [
    ['an event that speaks of a link', eventCallback({}, { text: 'https://x/organizations/beta/' }), FIRST, 'none'],
  ])
})

describe('links that are shared', () => {
  const link = (slug: string) => `https://example.com/organizations/${slug}/issues/1`
  itNarrows([EVENT, SINGLE], () => [
    ['of one organization', linkShared([link('beta')]), EU10, 'used'],
    ['of one organization, several times', linkShared([link('beta'), link('beta')]), EU10, 'used'],
    ['of two in one region', linkShared([link('delta'), link('beta')]), { eu: '10,12' }, 'used'],
    ['of two in two regions: the first of just those', linkShared([link('gamma-2'), link('beta')]), EU10, 'used'],
    ['of one that exists and one that does not', linkShared([link('omega'), link('beta')]), EU10, 'used'],
    ['by the second pattern', linkShared(['https://Beta.example.com/issues/1']), EU10, 'used'],
    ['by both patterns', linkShared([link('beta'), 'https://delta.example.com/issues']), { eu: '10,12' }, 'used'],
    ['over http', linkShared(['http://10.0.0.1:8080/organizations/beta/']), EU10, 'used'],
    [
      'of the default organization and others: its region first',
      linkShared([link('acme'), link('beta')]),
      FIRST,
      'used',
    ],
    ['of nobody', linkShared([link('omega')]), FIRST, 'ignored'],
    ['of an organization that is not linked', linkShared([link('elsewhere')]), FIRST, 'ignored'],
    ['that no pattern knows', linkShared(['https://example.com/teams/beta/']), FIRST, 'none'],
    ['that a pattern nearly knows', linkShared(['https://example.com/organizations/beta']), FIRST, 'none'],
    ['none at all', linkShared([]), FIRST, 'none'],
    ['of no text', eventCallback({}, { type: 'link_shared', links: [null, 7, { url: 7 }, {}] }), FIRST, 'none'],
    ['in no list', eventCallback({}, { type: 'link_shared', links: { url: link('beta') } }), FIRST, 'none'],
    [
      'in an event of another type',
      eventCallback({}, { type: 'message', links: [{ url: link('beta') }] }),
      FIRST,
      'none',
    ],
  ])

  it('to all regions where the operator says so: to just those of the organizations', async () => {
    const everywhere = await startSilo({
      regions: { us: {}, eu: {}, ap: {} },
      directory,
      slack: { links: ['/organizations/(?<org>[a-z0-9-]+)/'], all_region_events: ['link_shared'] },
    })
    try {
      const shared = linkShared([link('gamma-2'), link('beta')])
      const { asked, sent } = await everywhere.deliver(EVENT, shared)
      expect(asked).toEqual(['eu', 'ap'])
      expect(sent['eu']?.headers['silo-organizations']).toBe('10')
      await everywhere.deliver(EVENT, linkShared([link('omega')]))
      await expect.poll(() => everywhere.asked()).toEqual(['us', 'eu', 'ap'])
    } finally {
      await everywhere.close()
    }
  })
})
