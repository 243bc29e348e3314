import { describe, expect, it } from 'vitest'
import { slack } from '../../../../src/providers/slack/index.ts'

const messages = (result: { error?: { issues: readonly { path: PropertyKey[]; message: string }[] } | undefined }) =>
  (result.error?.issues ?? []).map((issue) => `${issue.path.join('.')} ${issue.message}`)

function read(env: object) {
  return slack.environment.safeParse({ SLACK_SIGNING_SECRETS: 'secret', ...env })
}

describe('SLACK_SIGNING_SECRETS', () => {
  const secrets = (text: string) => read({ SLACK_SIGNING_SECRETS: text })

  it('is required', () => {
    expect(messages(slack.environment.safeParse({}))).toHaveLength(1)
  })

  it('is a list, newest first, each with or without its app, blanks around them ignored', () => {
    expect(secrets(' new , A0SILO00001 : mid:dle ,old').data?.SLACK_SIGNING_SECRETS).toEqual([
      { appId: undefined, secret: 'new' },
      { appId: 'A0SILO00001', secret: 'mid:dle' },
      { appId: undefined, secret: 'old' },
    ])
  })

  it.for([
    ['', 1],
    ['   ', 1],
    ['good,', 2],
    ['good,,good', 2],
    ['good, \t,good', 2],
    ['A1:', 1],
    ['good,A1: ', 2],
  ] as const)('refuses the empty secret in %j', ([text, entry]) => {
    expect(messages(secrets(text))).toEqual([`SLACK_SIGNING_SECRETS entry ${entry} is empty`])
  })

  it.for(['a1:hidden', 'A:hidden', ':hidden', '1A:hidden', 'A1b:hidden', 'xA1:hidden', 'A1 B2:hidden'])(
    'refuses %j, whose app is no app id, without repeating it',
    (text) => {
      expect(messages(secrets(text))).toEqual(['SLACK_SIGNING_SECRETS entry 1 has no app id before its colon'])
    },
  )

  it('names every faulty entry', () => {
    expect(messages(secrets('a:x,,ok'))).toEqual([
      'SLACK_SIGNING_SECRETS entry 1 has no app id before its colon',
      'SLACK_SIGNING_SECRETS entry 2 is empty',
    ])
  })
})

describe('SLACK_BUDGET_MS', () => {
  it('is 2500 unless told otherwise', () => {
    expect(read({}).data?.SLACK_BUDGET_MS).toBe(2500)
  })

  it.for(['1', '60000'])('may be %s', (text) => {
    expect(read({ SLACK_BUDGET_MS: text }).data?.SLACK_BUDGET_MS).toBe(Number(text))
  })

  it.for([
    ['0', 'must be at least 1'],
    ['60001', 'must be at most 60000'],
    ['-5', 'must be a whole number of milliseconds'],
    ['1.5', 'must be a whole number of milliseconds'],
    ['1e3', 'must be a whole number of milliseconds'],
    [' 5', 'must be a whole number of milliseconds'],
    ['5 ', 'must be a whole number of milliseconds'],
    ['', 'must be a whole number of milliseconds'],
  ] as const)('may not be %j', ([text, message]) => {
    expect(messages(read({ SLACK_BUDGET_MS: text }))).toContain(`SLACK_BUDGET_MS ${message}`)
  })
})

describe('PAGE_SIGNING_SECRET', () => {
  it('may be left out', () => {
    expect(read({}).success).toBe(true)
  })

  it('is at least 32 bytes, counted in UTF-8', () => {
    expect(read({ PAGE_SIGNING_SECRET: 'x'.repeat(32) }).success).toBe(true)
    expect(read({ PAGE_SIGNING_SECRET: 'ü'.repeat(16) }).success).toBe(true)
    expect(messages(read({ PAGE_SIGNING_SECRET: 'x'.repeat(31) }))).toEqual([
      'PAGE_SIGNING_SECRET must be at least 32 bytes',
    ])
  })
})

it('describes every variable', () => {
  for (const variable of Object.values(slack.environment.shape)) expect(variable.description).toMatch(/\w{3}/)
})

describe('the slack section of regions.yaml', () => {
  const defaults = {
    links: [],
    first_region_actions: [],
    local_actions: [],
    all_region_events: ['app_uninstalled', 'tokens_revoked'],
    events_on_failure: 'spool',
  }

  it.for([undefined, {}])('may be %j', (rules) => {
    expect(slack.rules.parse(rules)).toEqual(defaults)
  })

  it('takes all its keys', () => {
    const rules = {
      links: ['/organizations/(?<org>[a-z-]+)/'],
      first_region_actions: ['link'],
      local_actions: ['link_clicked'],
      all_region_events: ['team_rename'],
      events_on_failure: 'fail',
    }
    expect(slack.rules.parse(rules)).toEqual(rules)
  })

  it('refuses a key it does not know', () => {
    expect(slack.rules.safeParse({ link: [] }).success).toBe(false)
  })

  it.for(['first_region_actions', 'local_actions', 'all_region_events', 'links'])(
    'wants a list of texts as %s',
    (key) => {
      for (const value of ['text', [1], null, { a: 1 }])
        expect(slack.rules.safeParse({ [key]: value }).success).toBe(false)
    },
  )

  it("takes '*' for every event", () => {
    expect(slack.rules.parse({ all_region_events: '*' })).toMatchObject({ all_region_events: '*' })
    expect(messages(slack.rules.safeParse({ all_region_events: 'all' }))).toEqual([
      "all_region_events must be a list of event types, or '*' for every event",
    ])
  })

  it.for([
    ['(?<org>[a-z]+', 'is not a regular expression'],
    ['[', 'is not a regular expression'],
    ['/organizations/([a-z]+)/', 'has no named group (?<org>…)'],
    ['(?<slug>[a-z]+)', 'has no named group (?<org>…)'],
    ['', 'has no named group (?<org>…)'],
  ] as const)('refuses the link pattern %j', ([pattern, message]) => {
    expect(messages(slack.rules.safeParse({ links: ['(?<org>x)', pattern] }))).toEqual([`links.1 ${message}`])
  })

  it('keeps events that failed, or lets them fail, and knows nothing else', () => {
    expect(slack.rules.parse({ events_on_failure: 'spool' })).toEqual(defaults)
    expect(messages(slack.rules.safeParse({ events_on_failure: 'drop' }))).toEqual([
      "events_on_failure must be 'spool' or 'fail'",
    ])
  })
})
