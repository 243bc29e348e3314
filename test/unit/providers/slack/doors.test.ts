import { describe, expect, it } from 'vitest'
import { createSlackRig, PAGE_SECRET } from './rig.ts'

const { provider } = createSlackRig({ env: { PAGE_SIGNING_SECRET: PAGE_SECRET } })

describe('webhook paths', () => {
  it.for([
    ['/extensions/slack/commands', 'command'],
    ['/extensions/slack/action', 'action'],
    ['/extensions/slack/event', 'event'],
    ['/extensions/slack/options-load', 'options'],
    ['/slack/events', 'any'],
  ] as const)('%s, with and without a trailing slash, takes POST', ([path, surface]) => {
    expect(provider.match(path)).toEqual({ kind: 'webhook', surface, methods: ['POST'] })
    expect(provider.match(`${path}/`)).toEqual({ kind: 'webhook', surface, methods: ['POST'] })
  })

  it.for([
    '/',
    '',
    '/extensions/slack',
    '/extensions/slack/',
    '/extensions/slack/commands//',
    '/extensions/slack/Commands',
    '/EXTENSIONS/slack/event',
    '/slack/Events',
    '/slack/events/x',
    '/x/slack/events',
    'slack/events',
    '/extensions/slack/constructor',
    '/extensions/slack/options_load',
  ])('%j is no door', (path) => {
    expect(provider.match(path)).toBeUndefined()
  })
})

describe('page paths', () => {
  it.for([
    ['link-identity', 'control_page'],
    ['unlink-identity', 'control_page'],
    ['link-team', 'region_page'],
    ['unlink-team', 'region_page'],
  ] as const)('%s/<token>, with and without a trailing slash, takes GET and POST', ([purpose, kind]) => {
    const door = { kind, surface: 'page', methods: ['GET', 'POST'], purpose, token: 'a.b-_.c' }
    expect(provider.match(`/extensions/slack/${purpose}/a.b-_.c`)).toEqual(door)
    expect(provider.match(`/extensions/slack/${purpose}/a.b-_.c/`)).toEqual(door)
  })

  it.for([
    '/extensions/slack/link-identity',
    '/extensions/slack/link-identity/',
    '/extensions/slack/link-identity//',
    '/extensions/slack/link-identity/a/b',
    '/extensions/slack/link-identity/a//',
    '/extensions/slack/Link-Identity/a',
    '/extensions/slack/other/a',
    '/x/extensions/slack/link-team/a',
    '/slack/link-team/a',
  ])('%j is no door', (path) => {
    expect(provider.match(path)).toBeUndefined()
  })

  it('have no doors without a secret to sign them', () => {
    const { provider, door } = createSlackRig()
    for (const purpose of ['link-identity', 'unlink-identity', 'link-team', 'unlink-team']) {
      expect(provider.match(`/extensions/slack/${purpose}/a.b.c`)).toBeUndefined()
    }
    expect(door('/slack/events').kind).toBe('webhook')
    expect(provider).not.toHaveProperty('pageToken')
  })
})

it('is called slack and answers within its budget', () => {
  expect(createSlackRig({ env: { SLACK_BUDGET_MS: '1200' } }).provider).toMatchObject({ name: 'slack', budgetMs: 1200 })
})

it.each([
  ['2999', 0],
  ['3000', 1],
])('warns at the start of a budget of %s ms %i times: Slack waits no longer than 3 s', (budget, times) => {
  expect(createSlackRig({ env: { SLACK_BUDGET_MS: budget } }).warnings).toHaveLength(times)
})
