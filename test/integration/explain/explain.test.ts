import { afterEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../../support/manual-clock.ts'
import { startFakeRegion } from '../../support/fake-region.ts'
import {
  appRateLimited,
  blockActions,
  blockSuggestion,
  eventCallback,
  globalShortcut,
  slashCommand,
  sslCheck,
  urlVerification,
  viewSubmission,
  type SlackBody,
} from '../../support/slack-payloads.ts'
import { ACTION, COMMANDS, EVENT, OPTIONS_LOAD, SINGLE } from '../../support/slack-surfaces.ts'
import { SIGNING_SECRET, workspace, type TestGatewayOptions } from '../../support/test-gateway.ts'
import { startAdmin } from '../admin/admin-rig.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function start(options: Partial<TestGatewayOptions> = {}) {
  const clock = createManualClock()
  const regions = await Promise.all([startFakeRegion(), startFakeRegion()])
  for (const region of regions) closing.push(() => region.close())
  const [us, eu] = regions
  const rig = await startAdmin({
    clock,
    regions: [
      { name: 'us', address: us.url },
      { name: 'eu', address: eu.url },
    ],
    directory: workspace({ acme: 'us', beta: 'eu' }),
    ...options,
  })
  closing.push(() => rig.close())
  const { gateway } = rig.test
  return {
    rig,
    clock,
    gateway,
    explain: (path: string, { body, contentType }: SlackBody, more: { app_id?: string } = {}) =>
      gateway.explain({ path, body, content_type: contentType, ...more }),
    down: (name: string) => gateway.steering.steerRegion(name, 'down', 'ann'),
    post: (path: string, body: SlackBody, secret = SIGNING_SECRET) =>
      rig.test.post(path, body.body, { ...body, secret }),
    asked: () => us.requests.length + eu.requests.length,
  }
}

/** Every word of an explanation that names what would happen. */
const outcome = (kind: string, more: Record<string, unknown> = {}) => ({ outcome: { kind, ...more } })

describe('an explanation', () => {
  it('tells the whole way of an event, and sends nothing', async () => {
    const { explain, asked, gateway } = await start()
    const before = gateway.counters.read()
    expect(await explain(EVENT, eventCallback())).toMatchObject({
      door: { provider: 'slack', kind: 'webhook', surface: 'event' },
      request: { surface: 'event', type: 'app_mention', promised: 'delivery' },
      installation: {
        provider: 'slack',
        external_id: 'T0ACME00001',
        enterprise_id: null,
        found_in: 'authorizations[0].team_id',
      },
      lookup: { verdict: 'found', age_ms: 0 },
      integration: { id: '1', name: 'Acme', status: 'active' },
      organizations: [
        { id: '10', slug: 'acme', region: 'us', included: true, why_not: null },
        { id: '11', slug: 'beta', region: 'eu', included: true, why_not: null },
      ],
      hint: null,
      plan: { kind: 'first', rule: 'event', regions: ['us'] },
      regions: [
        { name: 'us', state: 'active', breaker: 'closed', organizations: ['10'], planned: true, expected: 'asked' },
        { name: 'eu', state: 'active', organizations: ['11'], planned: false, expected: 'not_asked', why: null },
      ],
      shed: null,
      rate_limit_per_minute: null,
      outcome: { kind: 'dispatched', status: 200 },
    })
    expect(asked()).toBe(0)
    const news = [...gateway.counters.read()].filter(([name, count]) => before.get(name) !== count)
    expect(news.filter(([name]) => !name.startsWith('directory_'))).toEqual([])
  })

  it('is the same in words', async () => {
    const { explain, down } = await start()
    await down('eu')
    const { lines } = await explain(EVENT, eventCallback({}, { type: 'app_uninstalled' }))
    expect(lines).toEqual([
      'path: slack, webhook (event)',
      'request: event, type app_uninstalled',
      'installation: T0ACME00001, app A0SILO00001, found in authorizations[0].team_id',
      'directory: found, 0 ms old',
      'integration: 1 "Acme", active',
      'organization: 10 acme in us, in',
      'organization: 11 beta in eu, in',
      'region: us active, breaker closed, organizations 10, would be asked',
      'region: eu down (told so; active in regions.yaml), breaker closed, organizations 11, would get it later, from its mailbox: it is down',
      'plan: all regions, us, eu (all_region_events)',
      'outcome: event: sent to us; eu is down, waits; answered with 200',
    ])
  })

  it('is what then happens, for every surface', async () => {
    const { explain, post, rig } = await start()
    const requests: [string, SlackBody][] = [
      [EVENT, eventCallback()],
      [SINGLE, eventCallback({}, { type: 'app_uninstalled' })],
      [COMMANDS, slashCommand({ text: 'link team beta' })],
      [ACTION, blockActions({}, { action_id: 'resolve::11' })],
      [ACTION, viewSubmission()],
      [ACTION, globalShortcut()],
      [OPTIONS_LOAD, blockSuggestion()],
      [EVENT, eventCallback({ team_id: 'T0NOBODY001', authorizations: [] })],
      [SINGLE, urlVerification()],
      [EVENT, appRateLimited()],
    ]
    for (const [at, [path, body]] of requests.entries()) {
      const explained = await explain(path, body)
      const { status } = await post(path, body)
      await expect.poll(() => rig.test.records.length).toBe(at + 1)
      const record = rig.test.records[at]
      expect(explained.outcome.status ?? status).toBe(status)
      expect({
        type: explained.request?.type,
        found: explained.installation?.found_in,
        verdict: explained.lookup?.verdict,
        integration: explained.integration?.id,
        plan: explained.plan?.kind,
        regions: explained.plan?.regions,
        hint: explained.hint?.use ?? 'none',
        rule: explained.outcome.kind === 'answered_here' ? explained.outcome.rule : undefined,
      }).toEqual({
        type: record?.type,
        found: record?.foundIn,
        verdict: record?.verdict,
        integration: record?.integration,
        plan: record?.plan,
        regions: record?.regions?.map(({ region }) => region),
        hint: record?.hint ?? 'none',
        rule: record?.rule,
      })
    }
  })
})

describe('what is answered here', () => {
  it.each([
    ['a challenge', EVENT, urlVerification(), 'url_verification'],
    ['a check of the certificate', COMMANDS, sslCheck(), 'ssl_check'],
    ['a workspace that sends too much', EVENT, appRateLimited(), 'app_rate_limited'],
    ['a local action', ACTION, blockActions({}, { value: 'mine' }), 'local_action'],
  ])('%s says by which rule', async (_what, path, body, rule) => {
    const { explain, rig, gateway } = await start({ slack: { local_actions: ['mine'] } })
    rig.test.logs.length = 0
    expect(await explain(path, body)).toMatchObject(outcome('answered_here', { rule, status: 200 }))
    expect([gateway.counters.read().size, rig.test.logs]).toEqual([0, []])
  })

  it('a page of the control silo is said to be one', async () => {
    const { explain } = await start({ env: { PAGE_SIGNING_SECRET: 'a page secret of more than thirty-two bytes' } })
    const page = await explain('/extensions/slack/link-identity/any/', slashCommand())
    expect(page).toMatchObject({ door: { kind: 'control_page' }, ...outcome('control_page') })
  })
})

describe('what is refused', () => {
  it.each([
    ['a path that is nobody’s', '/nowhere', slashCommand(), 404, 'not_found'],
    ['a body of another surface', EVENT, slashCommand(), 400, 'malformed_request'],
    ['a body that names nobody', COMMANDS, slashCommand({ team_id: '' }), 400, 'no_installation_named'],
    [
      'a link to a page that is not ours',
      '/extensions/slack/link-team/any/',
      slashCommand(),
      400,
      'invalid_page_token',
    ],
  ])('is explained: %s', async (_what, path, body, status, code) => {
    const { explain } = await start({ env: { PAGE_SIGNING_SECRET: 'a page secret of more than thirty-two bytes' } })
    const explained = await explain(path, body)
    expect(explained).toMatchObject(outcome('refused', { status, code }))
    expect(explained.lines.at(-1)).toContain(`refused with ${status} ${code}`)
  })

  it('is a body over the limit, and not one that just fits', async () => {
    const event = eventCallback()
    const size = Buffer.byteLength(event.body)
    const fitting = await start({ env: { MAX_BODY_BYTES: `${size}` } })
    expect(await fitting.explain(EVENT, event)).toMatchObject(outcome('dispatched'))
    const tooSmall = await start({ env: { MAX_BODY_BYTES: `${size - 1}` } })
    expect(await tooSmall.explain(EVENT, event)).toMatchObject(outcome('refused', { code: 'body_too_large' }))
  })

  it('is a body of an app that there is no secret of', async () => {
    const { explain } = await start({ env: { SLACK_SIGNING_SECRETS: 'A0OTHER0001:secret' } })
    expect(await explain(EVENT, eventCallback())).toMatchObject(outcome('refused', { code: 'invalid_signature' }))
  })

  it('is one app’s body under another app’s secret', async () => {
    const { explain } = await start()
    const explained = await explain(EVENT, eventCallback(), { app_id: 'A0OTHER0001' })
    expect(explained).toMatchObject(outcome('refused', { status: 401, code: 'invalid_signature' }))
  })
})

describe('the app of a body that names none', () => {
  it.each([
    ['is the one that is asked for', { app_id: 'A0TWO000001' }, 'A0TWO000001'],
    ['is else that of the newest secret', {}, 'A0ONE000001'],
  ])('%s', async (_what, more, app_id) => {
    const env = { SLACK_SIGNING_SECRETS: 'A0ONE000001:one,A0TWO000001:two' }
    const { explain } = await start({ env })
    expect(await explain(ACTION, globalShortcut(), more)).toMatchObject({ installation: { app_id } })
  })
})

describe('organizations that are out', () => {
  const content = workspace({ acme: 'us', beta: 'eu', gone: 'eu', unlinked: 'eu' })
  const directory = {
    ...content,
    organizations: content.organizations.map((row) => ({
      ...row,
      ...(row['slug'] === 'gone' && { status: 'disabled' }),
    })),
    organization_integrations: content.organization_integrations.map((row) => ({
      ...row,
      ...(row['organization_id'] === 13 && { status: 'disabled' }),
    })),
  }

  it('are listed, and why', async () => {
    const { explain } = await start({ directory })
    const { organizations, hint } = await explain(COMMANDS, slashCommand({ text: 'link team beta' }))
    expect(organizations.map(({ slug, why_not }) => [slug, why_not])).toEqual([
      ['acme', 'not_hinted'],
      ['beta', null],
      ['gone', 'organization_disabled'],
      ['unlinked', 'link_disabled'],
    ])
    expect(hint).toEqual({ use: 'used', by: 'slug', names: ['beta'] })
  })

  it('are not those that are named by id', async () => {
    const { explain } = await start()
    const explained = await explain(ACTION, blockActions({}, { action_id: 'resolve::11' }))
    expect(explained).toMatchObject({ hint: { use: 'used', by: 'id', names: ['11'] }, plan: { regions: ['eu'] } })
    expect(explained.lines).toContain('hint: the request names organization 11, used')
    expect(explained.lines).toContain('organization: 10 acme in us, out: the request names another')
  })

  it('are not out by a hint that names none of them', async () => {
    const { explain } = await start()
    const explained = await explain(COMMANDS, slashCommand({ text: 'link team nobody' }))
    expect(explained).toMatchObject({ hint: { use: 'ignored', names: ['nobody'] }, plan: { regions: ['us'] } })
  })

  it('are all of them where the integration is disabled', async () => {
    const { explain } = await start({ directory: workspace({ acme: 'us' }, { status: 'disabled' }) })
    expect(await explain(EVENT, eventCallback())).toMatchObject({
      integration: { status: 'disabled' },
      organizations: [{ slug: 'acme', included: false, why_not: 'integration_disabled' }],
      plan: null,
      ...outcome('inactive', { status: 202 }),
    })
  })

  it('are those that a gateway does not remember yet', async () => {
    const { explain, gateway } = await start({ directory })
    await explain(EVENT, eventCallback())
    const anybody = { author: 'ann', precondition: { kind: 'none' } } as const
    const link = { integrationId: '1', organizationId: '13', status: 'active' } as const
    await gateway.store.editor.putLink(link, anybody)
    const { organizations } = await explain(EVENT, eventCallback())
    expect(organizations.find(({ id }) => id === '13')).toMatchObject({ included: false, why_not: 'not_remembered' })
  })
})

describe('what the directory says', () => {
  it('is told with its age', async () => {
    const { explain, clock } = await start()
    await explain(EVENT, eventCallback())
    clock.advance(7)
    expect(await explain(EVENT, eventCallback())).toMatchObject({ lookup: { verdict: 'found', age_ms: 7 } })
  })

  it('is an integration with its app, enterprise and default organization, where it has them', async () => {
    const named = { app_id: 'A0SILO00001', enterprise_id: 'E0ACME00001', default_organization_id: '11' }
    const full = await start({ directory: workspace({ acme: 'us', beta: 'eu' }, named) })
    const { integration } = await full.explain(EVENT, eventCallback())
    expect(integration).toMatchObject({ external_id: 'T0ACME00001', ...named })
    const bare = await (await start()).explain(EVENT, eventCallback())
    expect(bare.integration).toMatchObject({ app_id: null, enterprise_id: null, default_organization_id: null })
  })

  it('is of the integration that a page’s token names', async () => {
    const { explain, rig } = await start({
      env: { PAGE_SIGNING_SECRET: 'a page secret of more than thirty-two bytes' },
    })
    const { json } = await rig.ask('POST', '/api/page-tokens', { body: { integration_id: 1, organization_id: 11 } })
    const path = (json as { paths: Record<string, string> }).paths['link-team'] ?? ''
    const explained = await explain(path, slashCommand())
    expect(explained).toMatchObject({
      door: { kind: 'region_page' },
      installation: { integration_id: '1', external_id: null, app_id: null },
      plan: { regions: ['eu'] },
    })
    expect(explained.lines).toContainEqual(expect.stringMatching(/^installation: integration 1,/))
  })

  it('may be that there is no such workspace, of whichever enterprise', async () => {
    const { explain } = await start()
    const authorizations = [{ team_id: 'T0NOBODY001', enterprise_id: 'E0NOBODY001' }]
    const explained = await explain(EVENT, eventCallback({ team_id: 'T0NOBODY001', authorizations }))
    expect(explained).toMatchObject({
      installation: { external_id: 'T0NOBODY001', enterprise_id: 'E0NOBODY001' },
      lookup: { verdict: 'absent', age_ms: null },
      integration: null,
      organizations: [],
      regions: [],
      outcome: { kind: 'unknown_integration' },
    })
    expect(explained.lines).toContainEqual(
      expect.stringMatching(/^installation: T0NOBODY001, of enterprise E0NOBODY001,/),
    )
  })

  it('may be nothing, since it cannot be asked: an event waits for its home, and a command fails', async () => {
    const { explain, gateway } = await start()
    await gateway.store.close()
    const event = await explain(EVENT, eventCallback())
    expect(event).toMatchObject({ lookup: { verdict: 'unknown' }, ...outcome('waits_for_home', { status: 200 }) })
    expect(await explain(COMMANDS, slashCommand())).toMatchObject(outcome('directory_away', { status: 503 }))
  })

  it('is what it remembers while it cannot be asked', async () => {
    const { explain, gateway } = await start()
    await explain(EVENT, eventCallback())
    await gateway.store.close()
    expect(await explain(EVENT, eventCallback())).toMatchObject({
      organizations: [
        { slug: 'acme', link_status: 'active', included: true },
        { slug: 'beta', link_status: 'active', included: true },
      ],
      ...outcome('dispatched', { status: 200 }),
    })
  })

  it('is told in one line, however an integration is called', async () => {
    const { explain } = await start({ directory: workspace({ acme: 'us' }, { name: 'Ac\u202eme\u2028"' }) })
    const { lines } = await explain(EVENT, eventCallback())
    expect(lines).toContain('integration: 1 "Ac me \\"", active')
  })
})

describe('a region that would not be asked', () => {
  it('fails a command, and says why', async () => {
    const { explain, down } = await start({ directory: workspace({ acme: 'us' }) })
    await down('us')
    const explained = await explain(COMMANDS, slashCommand())
    expect(explained).toMatchObject({
      regions: [{ state: 'down', file_state: 'active', override: 'down', expected: 'fails', why: 'region_down' }],
      ...outcome('dispatched', { status: null }),
    })
    expect(explained.lines.at(-1)).toBe('outcome: command: us is down, fails')
  })

  it('is one that regions.yaml does not know', async () => {
    const { explain } = await start({ directory: workspace({ acme: 'mars' }) })
    const explained = await explain(EVENT, eventCallback())
    expect(explained).toMatchObject({
      regions: [
        { name: 'mars', state: null, file_state: null, breaker: null, expected: 'waits', why: 'unknown_region' },
      ],
    })
  })

  it('is one that drains', async () => {
    const { explain, gateway } = await start({ directory: workspace({ acme: 'us' }) })
    await gateway.steering.steerRegion('us', 'draining', 'ann')
    expect(await explain(COMMANDS, slashCommand())).toMatchObject({
      regions: [{ state: 'draining', expected: 'fails', why: 'region_draining' }],
    })
  })

  it('is one whose breaker is open, until that lets somebody try', async () => {
    const regions = [{ name: 'us', address: 'http://127.0.0.1:9' }]
    const { explain, post, clock } = await start({ regions, directory: workspace({ acme: 'us' }) })
    const expected = async () => (await explain(COMMANDS, slashCommand())).regions
    while ((await expected())[0]?.breaker === 'closed') await post(OPTIONS_LOAD, blockSuggestion())
    expect(await expected()).toMatchObject([{ breaker: 'open', expected: 'fails', why: 'circuit_open' }])
    clock.advance(60_000)
    expect(await expected()).toMatchObject([{ breaker: 'half_open', expected: 'asked', why: null }])
  })

  it('is one of which all organizations are held, and not one of which some are', async () => {
    const held = (slugs: readonly string[]) => {
      const content = workspace({ acme: 'us', beta: 'us' })
      const organizations = content.organizations.map((row) => ({
        ...row,
        ...(slugs.includes(String(row['slug'])) && { held: true }),
      }))
      return { directory: { ...content, organizations } }
    }
    const some = await (await start(held(['acme']))).explain(EVENT, eventCallback())
    expect(some).toMatchObject({ organizations: [{ held: true }, { held: false }], regions: [{ expected: 'asked' }] })
    const all = await (await start(held(['acme', 'beta']))).explain(EVENT, eventCallback())
    expect(all).toMatchObject({ regions: [{ expected: 'waits', why: 'held' }] })
    expect(all.lines).toContain('organization: 10 acme in us, in (held)')
    expect(all.lines.at(-1)).toBe('outcome: event: us has only organizations that are held, waits; answered with 200')
  })

  it('is one behind whose mailbox others wait', async () => {
    const { explain, down, post, gateway } = await start({ directory: workspace({ acme: 'us' }) })
    await down('us')
    await post(EVENT, eventCallback())
    await gateway.steering.steerRegion('us', undefined, 'ann')
    expect(await explain(EVENT, eventCallback())).toMatchObject({ regions: [{ expected: 'waits', why: 'spooled' }] })
  })

  it('is one to which others have yet to follow an organization that has moved', async () => {
    const { explain, down, post, gateway } = await start({ directory: workspace({ acme: 'us' }) })
    await down('us')
    await post(EVENT, eventCallback())
    const organization = await gateway.directory.organization('10')
    if (organization === undefined) throw new Error('There is no such organization')
    await gateway.directory.putOrganization(
      { ...organization, region: 'eu' },
      { author: 'ann', precondition: { kind: 'none' } },
    )
    expect(await explain(EVENT, eventCallback())).toMatchObject({
      regions: [{ name: 'eu', expected: 'waits', why: 'spooled' }],
    })
  })
})

describe('a region that would be asked', () => {
  it('is one whose mailbox is empty, whatever waits where one that is held there has lived', async () => {
    const { explain, down, post, gateway } = await start()
    await down('us')
    await post(EVENT, eventCallback())
    const organization = await gateway.directory.organization('10')
    if (organization === undefined) throw new Error('There is no such organization')
    await gateway.directory.putOrganization(
      { ...organization, region: 'eu', held: true },
      { author: 'ann', precondition: { kind: 'none' } },
    )
    expect(await explain(EVENT, eventCallback())).toMatchObject({
      organizations: [{ id: '10', held: true }, { id: '11' }],
      regions: [{ name: 'eu', expected: 'asked', why: null }],
    })
  })
})

describe('rules and limits that would apply', () => {
  const anybody = { author: 'ann', precondition: { kind: 'none' } } as const

  it('are a shed rule of the provider, before anything is looked up', async () => {
    const { explain, gateway } = await start()
    await gateway.steering.putShed([{ provider: 'slack', answer: 'ok' }], anybody)
    expect(await explain(EVENT, eventCallback())).toMatchObject({
      shed: { provider: 'slack', integration_id: null, answer: 'ok' },
      lookup: null,
      ...outcome('shed', { status: 200, retry_after_seconds: null }),
    })
    expect(await explain(COMMANDS, slashCommand())).toMatchObject({ shed: null })
  })

  it('are no limit for what is shed before it is counted', async () => {
    const { explain, gateway } = await start({ env: { RATE_LIMIT_PER_MINUTE: '100' } })
    await gateway.steering.putShed([{ provider: 'slack', answer: 'ok' }], anybody)
    expect(await explain(EVENT, eventCallback())).toMatchObject({ rate_limit_per_minute: null })
  })

  it('are a shed rule of the integration', async () => {
    const { explain, gateway } = await start()
    const rule = {
      provider: 'slack',
      integration_id: '1',
      answer: 'too_many_requests',
      retry_after_seconds: 9,
    } as const
    await gateway.steering.putShed([rule], anybody)
    const explained = await explain(EVENT, eventCallback())
    expect(explained).toMatchObject({
      shed: { integration_id: '1' },
      ...outcome('shed', { status: 429, retry_after_seconds: 9 }),
    })
    expect(explained.lines.slice(-2)).toEqual([
      'shed: by the rule of integration 1',
      'outcome: shed with 429, to be sent again after 9 s',
    ])
  })

  it('are the webhooks that an integration may send within a minute', async () => {
    const { explain } = await start({ env: { RATE_LIMIT_PER_MINUTE: '100' } })
    const { rate_limit_per_minute, lines } = await explain(EVENT, eventCallback())
    expect(rate_limit_per_minute).toBe(100)
    expect(lines).toContain('limit: 100 webhooks a minute for this integration')
  })
})

describe('POST /api/explain', () => {
  it('takes the path as it would be posted to, query and all, and a body of megabytes', async () => {
    const { rig } = await start({ env: { MAX_BODY_BYTES: '4000000' } })
    const { body, contentType } = eventCallback({ padding: 'a'.repeat(2_000_000) })
    const asked = { path: `${EVENT}?from=slack`, content_type: contentType, body }
    expect((await rig.ask('POST', '/api/explain', { body: asked })).json).toMatchObject(outcome('dispatched'))
  })

  it('answers with the explanation', async () => {
    const { rig } = await start()
    const { body, contentType } = eventCallback()
    const reply = await rig.ask('POST', '/api/explain', { body: { path: EVENT, content_type: contentType, body } })
    expect(reply).toMatchObject({ status: 200, json: { plan: { kind: 'first' }, lines: expect.any(Array) as unknown } })
  })

  it('answers with a refusal as with any other decision', async () => {
    const { rig } = await start()
    const reply = await rig.ask('POST', '/api/explain', { body: { path: EVENT, body: 'no JSON' } })
    expect(reply).toMatchObject({ status: 200, json: { outcome: { kind: 'refused', status: 400 } } })
  })

  it.each([
    ['no path', { body: '' }],
    ['an unknown key', { path: EVENT, body: '', signature: '' }],
    ['a body that is no text', { path: EVENT, body: {} }],
  ])('takes nothing with %s', async (_what, body) => {
    const { rig } = await start()
    expect(await rig.ask('POST', '/api/explain', { body })).toMatchObject({
      status: 400,
      json: { code: 'invalid_request' },
    })
  })
})
