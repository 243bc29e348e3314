import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSilo, type Silo } from '../../support/silo.ts'
import { ACTION, bothSpellings, EVENT, everywhere, SINGLE, surfaces } from '../../support/slack-surfaces.ts'
import {
  blockActions,
  eventCallback,
  globalShortcut,
  interactiveMessage,
  linkShared,
  slashCommand,
  TEAM,
  viewSubmission,
  type SlackBody,
} from '../../support/slack-payloads.ts'
import { workspace } from '../../support/test-gateway.ts'

// Organizations in three regions of four, so that a region too many shows as well as one too few.
const regions = { us: {}, eu: {}, idle: {}, ap: {} }
const directory = workspace({ acme: 'us', beta: 'eu', gamma: 'ap' })
const plans = { first: ['us'], all: ['us', 'eu', 'ap'] } as const

/** Every region of the plan is sent the event, if not at once: behind another one it waits. */
async function expectSent(silo: Silo, path: string, event: SlackBody, plan: keyof typeof plans): Promise<void> {
  const { reply, record } = await silo.deliver(path, event)
  expect([reply.status, record.plan]).toEqual([200, plan])
  expect(record.regions?.map(({ region }) => region)).toEqual(plans[plan])
  await expect.poll(() => silo.asked()).toEqual(plans[plan])
}

describe('with the settings as they come', () => {
  let silo: Silo
  beforeAll(async () => {
    silo = await startSilo({ regions, directory })
  })
  afterAll(() => silo.close())

  const planOf = { command: 'first', options: 'first', event: 'first' } as const
  it.each(
    everywhere.map(({ what, path, surface }) => {
      const plan: keyof typeof plans = planOf[surface.kind as keyof typeof planOf] ?? 'all'
      return { what, path, surface, plan }
    }),
  )('$what goes to $plan, at $path', async ({ path, surface, plan }) => {
    const body = surface.from(TEAM)
    const { asked, sent, record } = await silo.deliver(path, body)
    expect(asked).toEqual(plans[plan])
    expect(record.plan).toBe(plan)
    // A result for each planned region, and for no other.
    expect(record.regions?.map(({ region, result }) => [region, result])).toEqual(
      plans[plan].map((region) => [region, 'answered']),
    )
    const bodies = asked.map((region) => sent[region]?.body.toString())
    expect(new Set(bodies)).toEqual(new Set([body.body]))
  })

  it.each(
    [EVENT, SINGLE].flatMap(bothSpellings).flatMap((path) =>
      [
        ['app_uninstalled', 'all'],
        ['tokens_revoked', 'all'],
        ['app_mention', 'first'],
        ['message', 'first'],
        ['link_shared', 'first'],
        ['app_home_opened', 'first'],
        ['function_executed', 'first'],
        ['App_Uninstalled', 'first'],
        ['*', 'first'],
        ['constructor', 'first'],
      ].map(([type, plan]) => ({ path, type, plan: plan as keyof typeof plans })),
    ),
  )('the event $type goes to $plan, at $path', async ({ path, type, plan }) => {
    await expectSent(silo, path, eventCallback({}, { type }), plan)
  })

  it.each(['resolve', 'link', 'ignore', 'all_slack'])('no action value is special: %s', async (value) => {
    expect((await silo.deliver(ACTION, blockActions({}, { value }))).asked).toEqual(plans.all)
  })

  it.each(['link_clicked', 'sentry_docs_link_clicked'])('no action is answered here: %s', async (value) => {
    expect((await silo.deliver(ACTION, blockActions({}, { value }))).asked).toEqual(plans.all)
  })

  it('every region is told the same delivery, and its own name and organizations', async () => {
    const { asked, sent, record } = await silo.deliver(ACTION, blockActions())
    const told = asked.map((region) => {
      const headers = sent[region]?.headers
      return [headers?.['silo-delivery'], headers?.['silo-region'], headers?.['silo-organizations']]
    })
    expect(told).toEqual([
      [record.delivery, 'us', '10'],
      [record.delivery, 'eu', '11'],
      [record.delivery, 'ap', '12'],
    ])
  })
})

describe('first_region_actions', () => {
  let silo: Silo
  beforeAll(async () => {
    silo = await startSilo({
      regions,
      directory,
      slack: { first_region_actions: ['link', 'ignore', 'all_slack'], local_actions: ['link_clicked'] },
    })
  })
  afterAll(() => silo.close())

  const rows: readonly (readonly [what: string, body: SlackBody, plan: keyof typeof plans])[] = [
    ['a click with that value', blockActions({}, { value: 'link' }), 'first'],
    ['a click with the last of them', blockActions({}, { value: 'all_slack' }), 'first'],
    ['an attachment button with that value', interactiveMessage({}, { value: 'ignore' }), 'first'],
    ['the first truthy value of several', blockActions({ actions: [{ value: '' }, { value: 'link' }] }), 'first'],
    ['that value behind one that is null', blockActions({ actions: [{ value: null }, { value: 'link' }] }), 'first'],
    ['that value behind another', blockActions({ actions: [{ value: 'x' }, { value: 'link' }] }), 'all'],
    ['that value behind a number', blockActions({ actions: [{ value: 7 }, { value: 'link' }] }), 'all'],
    ['that value behind a zero', blockActions({ actions: [{ value: 0 }, { value: 'link' }] }), 'first'],
    ['that value behind an action that is null', blockActions({ actions: [null, { value: 'link' }] }), 'first'],
    ['another value', blockActions({}, { value: 'resolve' }), 'all'],
    ['another case', blockActions({}, { value: 'Link' }), 'all'],
    ['a longer value', blockActions({}, { value: 'link::10' }), 'all'],
    ['no value', blockActions({}, { value: undefined }), 'all'],
    ['that word as the action_id', blockActions({}, { action_id: 'link', value: undefined }), 'all'],
    ['no actions', blockActions({ actions: [] }), 'all'],
    ['actions of null', blockActions({ actions: null }), 'all'],
    ['actions that are no list', blockActions({ actions: { value: 'link' } }), 'all'],
    ['a view of that callback_id', viewSubmission({}, { callback_id: 'link' }), 'all'],
    ['a shortcut of that callback_id', globalShortcut({ callback_id: 'link' }), 'all'],
    ['a shortcut with that value', globalShortcut({ value: 'link' }), 'all'],
  ]
  it.each(
    [ACTION, SINGLE]
      .flatMap(bothSpellings)
      .flatMap((path) => rows.map(([what, body, plan]) => ({ what, path, body, plan }))),
  )('$what goes to $plan, at $path', async ({ path, body, plan }) => {
    expect((await silo.deliver(path, body)).asked).toEqual(plans[plan])
  })

  it('is asked nothing when the same click is answered here', async () => {
    const body = blockActions({}, { action_id: 'link_clicked', value: 'link' })
    const { reply, asked } = await silo.deliver(ACTION, body)
    expect([reply.status, reply.text, asked]).toEqual([200, '', []])
  })
})

describe('all_region_events', () => {
  it.each([
    { setting: ['message'], type: 'message', plan: 'all' },
    { setting: ['message'], type: 'app_mention', plan: 'first' },
    { setting: ['message'], type: 'app_uninstalled', plan: 'first' },
    { setting: [], type: 'tokens_revoked', plan: 'first' },
    { setting: '*', type: 'message', plan: 'all' },
    { setting: '*', type: 'link_shared', plan: 'all' },
    { setting: '*', type: 'nobody_knows_it_yet', plan: 'all' },
    { setting: '*', type: 'app_uninstalled', plan: 'all' },
  ] as const)('set to $setting: $type goes to $plan', async ({ setting, type, plan }) => {
    const silo = await startSilo({ regions, directory, slack: { all_region_events: setting } })
    try {
      for (const path of [EVENT, SINGLE]) {
        await expectSent(silo, path, eventCallback({}, { type }), plan)
      }
      expect((await silo.deliver(SINGLE, slashCommand())).asked).toEqual(plans.first)
    } finally {
      await silo.close()
    }
  })
})

describe('an integration with organizations in one region', () => {
  let silo: Silo
  beforeAll(async () => {
    silo = await startSilo({
      regions,
      directory: workspace({ acme: 'eu', beta: 'eu' }),
      slack: { links: ['https://example.com/organizations/(?<org>[a-z]+)/'] },
    })
  })
  afterAll(() => silo.close())

  it.each(surfaces)('asks it once for all of them: $name', async (surface) => {
    const { asked, sent } = await silo.deliver(SINGLE, surface.from(TEAM))
    expect(asked).toEqual(['eu'])
    expect(sent['eu']?.headers['silo-organizations']).toBe('10,11')
  })

  it('asks it for the one that is hinted', async () => {
    const { asked, sent } = await silo.deliver(SINGLE, linkShared(['https://example.com/organizations/beta/']))
    expect(asked).toEqual(['eu'])
    expect(sent['eu']?.headers['silo-organizations']).toBe('11')
  })
})
