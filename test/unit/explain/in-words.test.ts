import { describe, expect, it } from 'vitest'
import { nothingKnown, type Facts } from '../../../src/explain/explanation.ts'
import { inWords } from '../../../src/explain/in-words.ts'

type Region = Facts['regions'][number]
type Organization = Facts['organizations'][number]

const facts: Facts = {
  ...nothingKnown,
  door: { provider: 'slack', kind: 'webhook', surface: 'command' },
  request: { surface: 'command', type: '/silo', promised: 'late_answer' },
  outcome: { kind: 'dispatched', status: null },
}
const region: Region = {
  name: 'eu',
  state: 'active',
  file_state: 'active',
  override: null,
  breaker: 'closed',
  organizations: ['10', '11'],
  planned: true,
  expected: 'asked',
  why: null,
}
const organization: Organization = {
  id: '10',
  slug: 'acme',
  name: 'Acme',
  region: 'eu',
  status: 'active',
  link_status: 'active',
  held: false,
  included: true,
  why_not: null,
}
const unnamed = { app_id: null, external_id: null, enterprise_id: null, integration_id: null }
/** The line about one of them: `line('hint', { hint })`. */
const line = (about: string, more: Partial<Facts>): string | undefined =>
  inWords({ ...facts, ...more })
    .find((one) => one.startsWith(`${about}: `))
    ?.slice(about.length + 2)
const outcome = (told: Facts['outcome']) => line('outcome', { outcome: told })

describe('what came, in words', () => {
  it('is nobody’s path', () => {
    const told = { kind: 'refused', status: 404, code: 'not_found', detail: 'The path is no webhook.' } as const
    expect(inWords({ ...facts, door: null, request: null, outcome: told })).toEqual([
      'path: nobody’s',
      'outcome: refused with 404 not_found: The path is no webhook.',
    ])
  })

  it('is a page, or a request that may have no type', () => {
    expect(line('path', { door: { provider: 'slack', kind: 'region_page', surface: 'link-team' } })).toBe(
      'slack, region page (link-team)',
    )
    expect(line('request', { request: { surface: 'options', type: '', promised: 'nothing' } })).toBe(
      'options, type none',
    )
  })

  it.each([
    [{ external_id: 'T1', app_id: 'A1' }, 'T1, app A1, found in team_id'],
    [{ external_id: 'T1', enterprise_id: 'E1' }, 'T1, of enterprise E1, app not known, found in team_id'],
    [{ integration_id: '7' }, 'integration 7, app not known, found in team_id'],
  ])('is of an installation: %j', (named, words) => {
    expect(
      line('installation', { installation: { provider: 'slack', ...unnamed, ...named, found_in: 'team_id' } }),
    ).toBe(words)
  })
})

describe('what the directory says, in words', () => {
  it('has an age where it is remembered', () => {
    expect(line('directory', { lookup: { verdict: 'stale', age_ms: 5000 } })).toBe('stale, 5000 ms old')
    expect(line('directory', { lookup: { verdict: 'absent', age_ms: null } })).toBe('absent')
  })

  it.each([
    [{}, 'in'],
    [{ held: true }, 'in (held)'],
    [{ why_not: 'integration_disabled' }, 'out: its integration is disabled'],
    [{ why_not: 'link_disabled', held: true }, 'out: its link is disabled'],
    [{ why_not: 'organization_disabled' }, 'out: it is disabled'],
    [{ why_not: 'not_hinted' }, 'out: the request names another'],
    [{ why_not: 'not_remembered' }, 'out: the database has it, but this gateway remembers what was there before'],
  ] as const)('has organizations: %j', (more, words) => {
    expect(line('organization', { organizations: [{ ...organization, ...more }] })).toBe(`10 acme in eu, ${words}`)
  })

  it.each([
    [{ use: 'used', by: 'slug', names: ['acme', 'beta'] }, 'the request names slug acme, beta, used'],
    [
      { use: 'ignored', by: 'id', names: ['12'] },
      'the request names organization 12, ignored, since none of them is of this integration',
    ],
    [
      { use: 'ignored', by: 'id', names: [] },
      'the request names another organization, ignored, since none of them is of this integration',
    ],
  ] satisfies [Facts['hint'], string][])('is narrowed: %j', (hint, words) => {
    expect(line('hint', { hint })).toBe(words)
  })
})

describe('a region, in words', () => {
  it.each([
    [{}, 'active, breaker closed, organizations 10, 11, would be asked'],
    [{ planned: false, expected: 'not_asked' }, 'active, breaker closed, organizations 10, 11, would not be asked'],
    [{ breaker: null }, 'active, organizations 10, 11, would be asked'],
    [{ breaker: 'half_open' }, 'active, breaker half open, organizations 10, 11, would be asked'],
    [
      { state: 'down', override: 'down', file_state: null },
      'down (told so; unknown in regions.yaml), breaker closed, organizations 10, 11, would be asked',
    ],
    [{ state: null, breaker: null }, 'unknown, organizations 10, 11, would be asked'],
  ] satisfies [Partial<Region>, string][])('is as it is: %j', (more, words) => {
    expect(line('region', { regions: [{ ...region, ...more }] })).toBe(`eu ${words}`)
  })

  it.each([
    ['held', 'all its organizations are held', 'has only organizations that are held'],
    ['unknown_region', 'regions.yaml does not know it', 'is unknown'],
    ['region_down', 'it is down', 'is down'],
    ['region_draining', 'it is draining', 'is draining'],
    ['circuit_open', 'its breaker is open', 'does not answer'],
    ['spooled', 'others wait before it', 'has others waiting'],
    ['something_new', 'something_new', 'something_new'],
  ])('that is not asked, since %s', (why, words, short) => {
    const waits = { regions: [{ ...region, expected: 'waits' as const, why }] }
    const fails = { regions: [{ ...region, expected: 'fails' as const, why }] }
    expect(line('region', waits)).toMatch(`would get it later, from its mailbox: ${words}`)
    expect(line('region', fails)).toMatch(`would count as failed: ${words}`)
    expect(line('outcome', waits)).toBe(`command: eu ${short}, waits`)
    expect(line('outcome', fails)).toBe(`command: eu ${short}, fails`)
  })
})

describe('what would happen, in words', () => {
  it.each([
    [{ kind: 'first', rule: 'command', regions: ['eu'] }, 'the first region, eu (command)'],
    [{ kind: 'all', rule: 'all_region_events', regions: ['eu', 'us'] }, 'all regions, eu, us (all_region_events)'],
  ] satisfies [Facts['plan'], string][])('is planned: %j', (plan, words) => {
    expect(line('plan', { plan })).toBe(words)
  })

  it('is limited, or shed by a rule', () => {
    const rule = { provider: 'slack', answer: 'ok' } as const
    expect(line('shed', { shed: { ...rule, integration_id: null } })).toBe('by the rule of provider slack')
    expect(line('shed', { shed: { ...rule, integration_id: '7' } })).toBe('by the rule of integration 7')
    expect(line('limit', { rate_limit_per_minute: 60 })).toBe('60 webhooks a minute for this integration')
    expect([line('shed', {}), line('limit', {})]).toEqual([undefined, undefined])
  })

  it.each([
    [
      { kind: 'answered_here', status: 200, rule: 'url_verification' },
      'answered here with 200, by the rule url_verification',
    ],
    [{ kind: 'control_page', status: null }, 'a page of the control silo, which no region is asked for'],
    [{ kind: 'shed', status: 200, retry_after_seconds: null }, 'shed with 200'],
    [{ kind: 'shed', status: 429, retry_after_seconds: 60 }, 'shed with 429, to be sent again after 60 s'],
    [{ kind: 'unknown_integration', status: 404 }, 'answered with 404: no integration is known for this installation'],
    [
      { kind: 'inactive', status: 200 },
      'answered with 200: the integration is disabled, or no active organization is linked to it',
    ],
    [{ kind: 'directory_away', status: 503 }, 'failed with 503: the directory cannot be asked and remembers nothing'],
    [{ kind: 'waits_for_home', status: 200 }, 'answered with 200, and waits until the directory can say whose it is'],
  ] satisfies [Facts['outcome'], string][])('is the outcome: %j', (told, words) => {
    expect(outcome(told)).toBe(words)
  })

  it('is sent to some regions, and not to others', () => {
    const regions: Region[] = [
      { ...region, name: 'us' },
      { ...region, name: 'ap' },
      { ...region, expected: 'waits', why: 'region_down' },
      { ...region, name: 'za', planned: false, expected: 'not_asked' },
    ]
    const told = { kind: 'dispatched', status: 200 } as const
    expect(line('outcome', { regions, outcome: told })).toBe(
      'command: sent to us, ap; eu is down, waits; answered with 200',
    )
  })
})
