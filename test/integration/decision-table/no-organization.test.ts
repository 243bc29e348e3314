import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../support/expect-problem.ts'
import { startSilo, type Silo } from '../../support/silo.ts'
import { ACTION, everywhere, SINGLE, surfaces, type Surface } from '../../support/slack-surfaces.ts'
import { blockActions, eventCallback } from '../../support/slack-payloads.ts'
import type { TestReply } from '../../support/test-gateway.ts'

const UNKNOWN = 'T0NOBODY001'

const integration = (id: number, external_id: string, status = 'active') => ({
  id,
  provider: 'slack',
  external_id,
  status,
})
const link = (integration_id: number, organization_id: number, status = 'active') => ({
  integration_id,
  organization_id,
  status,
})
const directory = {
  integrations: [
    integration(1, 'T0DISABLED1', 'disabled'),
    integration(2, 'T0LINKOFF01'),
    integration(3, 'T0ORGOFF001'),
    integration(4, 'T0NOLINK001'),
    integration(5, 'T0ONELEFT01'),
    // Another provider's row of the same id is nobody's.
    { ...integration(6, UNKNOWN), provider: 'other' },
  ],
  organizations: [
    { id: 10, slug: 'acme', region: 'us', status: 'active' },
    { id: 11, slug: 'beta', region: 'eu', status: 'disabled' },
    { id: 12, slug: 'gone', region: 'eu', status: 'active' },
  ],
  organization_integrations: [
    link(1, 10),
    link(2, 10, 'disabled'),
    link(3, 11),
    link(5, 10),
    link(5, 11),
    link(5, 12, 'disabled'),
    link(6, 10),
  ],
}

let silo: Silo
beforeAll(async () => {
  silo = await startSilo({
    regions: { eu: {}, us: {} },
    slack: { local_actions: ['link_clicked'] },
    directory,
  })
})
afterAll(() => silo.close())

const counted = (name: string) => silo.gateway.counters.read().get(name) ?? 0

function expectEphemeral(reply: TestReply): void {
  expect(reply.status).toBe(200)
  expect(reply.headers['content-type']).toMatch(/^application\/json\b/)
  expect(reply.json()).toEqual({
    response_type: 'ephemeral',
    replace_original: false,
    text: expect.stringMatching(/\w{3}/),
  })
}

describe('row 12: no integration for the installation key', () => {
  it.each(everywhere)('a $what at $path is refused, a command told so', async ({ path, surface }) => {
    const { reply, asked } = await silo.deliver(path, surface.from(UNKNOWN))
    expect(asked).toEqual([])
    expect(reply.headers['x-slack-no-retry']).toBeUndefined()
    if (surface.kind === 'command') expectEphemeral(reply)
    else expectProblem(reply, 400, 'unknown_integration')
  })

  const retried = everywhere.filter(({ surface }) => surface.kind !== 'command')
  it.each([
    ...retried.flatMap((where) => ['1', '2', '3'].map((retry) => ({ ...where, retry }))),
    ...retried.slice(0, 1).flatMap((where) => ['0', '4', '03', '3, 3', ''].map((retry) => ({ ...where, retry }))),
  ])('with X-Slack-Retry-Num "$retry" Slack may go on asking, but for 3: $what at $path', async (row) => {
    const { reply } = await silo.deliver(row.path, row.surface.from(UNKNOWN), {
      headers: { 'X-Slack-Retry-Num': row.retry, 'X-Slack-Retry-Reason': 'http_error' },
    })
    expectProblem(reply, 400, 'unknown_integration')
    expect(reply.headers['x-slack-no-retry']).toBe(row.retry === '3' ? '1' : undefined)
  })

  it.each(surfaces)('a $name is counted, and warned of', async (surface) => {
    const label = surface.kind === 'event' || surface.kind === 'command' || surface.kind === 'options'
    const name = `unknown_integration_total{surface="${label ? surface.kind : 'action'}"}`
    const before = { count: counted(name), logs: silo.logs.length }
    await silo.deliver(SINGLE, surface.from(UNKNOWN))
    expect(counted(name)).toBe(before.count + 1)
    const warnings = silo.logs.slice(before.logs).filter(({ level }) => level === 'warn')
    expect(warnings.map(({ fields }) => fields['installation'])).toContainEqual(expect.stringContaining(UNKNOWN))
  })

  it('is told only after an action that is answered here', async () => {
    const body = blockActions({ team: { id: UNKNOWN } }, { value: 'link_clicked' })
    const { reply } = await silo.deliver(ACTION, body)
    expect([reply.status, reply.text]).toEqual([200, ''])
  })
})

describe('row 13: an integration that nobody uses', () => {
  const inactive = [
    { why: 'the integration is disabled', team: 'T0DISABLED1' },
    { why: 'the only link is disabled', team: 'T0LINKOFF01' },
    { why: 'the only organization is disabled', team: 'T0ORGOFF001' },
    { why: 'there is no link', team: 'T0NOLINK001' },
  ]

  const expected: Record<Exclude<Surface['kind'], 'command'>, [status: number, text: string, type?: string]> = {
    event: [202, ''],
    action: [202, ''],
    shortcut: [202, ''],
    other: [202, ''],
    view: [200, ''],
    dialog: [200, ''],
    options: [200, '{"options":[]}', 'application/json; charset=utf-8'],
  }

  it.each(inactive.flatMap((row) => everywhere.map((where) => ({ ...where, ...row }))))(
    '$why: a $what at $path is answered as done',
    async ({ path, surface, team }) => {
      const { reply, asked } = await silo.deliver(path, surface.from(team))
      expect(asked).toEqual([])
      expect(reply.headers['x-request-id']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
      if (surface.kind === 'command') return expectEphemeral(reply)
      const [status, text, type] = expected[surface.kind]
      expect([reply.status, reply.text, reply.headers['content-type']]).toEqual([status, text, type])
    },
  )

  it.each(everywhere)('one active organization is enough: $what at $path', async ({ path, surface }) => {
    expect((await silo.deliver(path, surface.from('T0ONELEFT01'))).asked).toEqual(['us'])
  })

  it('is not counted as unknown', async () => {
    const before = counted('unknown_integration_total{surface="event"}')
    await silo.deliver(SINGLE, eventCallback({ authorizations: [{ team_id: 'T0DISABLED1' }] }))
    expect(counted('unknown_integration_total{surface="event"}')).toBe(before)
  })
})
