import { isDeepStrictEqual } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createManualClock } from '../../support/manual-clock.ts'
import { startFakeRegion, type Answer } from '../../support/fake-region.ts'
import { blockSuggestion, eventCallback } from '../../support/slack-payloads.ts'
import { until } from '../../support/steps.ts'
import { workspace } from '../../support/test-gateway.ts'
import { startAdmin } from '../admin/admin-rig.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const acme = workspace({ acme: 'eu' })
/** Of one organization. */
const twoWorkspaces = {
  ...acme,
  integrations: [...acme.integrations, { id: 2, provider: 'slack', external_id: 'T0TWO000001' }],
  organization_integrations: [...acme.organization_integrations, { integration_id: 2, organization_id: 10 }],
}

async function start({ answer, ...more }: { answer?: Answer; state?: string; max_concurrency?: number } = {}) {
  const clock = createManualClock()
  const eu = await startFakeRegion(answer)
  closing.push(() => eu.close())
  const rig = await startAdmin({
    clock,
    regions: [
      { name: 'eu', address: eu.url, ...more },
      { name: 'us', address: 'http://127.0.0.1:9', category: 'single_tenant' },
    ],
    directory: twoWorkspaces,
  })
  closing.push(() => rig.close())
  const regions = async () => (await rig.ask('GET', '/api/regions')).json as { items: Record<string, unknown>[] }
  const suggestion = blockSuggestion()
  return {
    ...rig,
    ask: (...what: Parameters<typeof rig.ask>) => rig.ask(...what),
    eu,
    clock,
    to: (name: string, act: string) => rig.ask('POST', `/api/regions/${name}/${act}`),
    region: async (name: string) => (await regions()).items.find((item) => item['name'] === name),
    regions,
    options: () => rig.test.post('/extensions/slack/options-load/', suggestion.body, suggestion),
    event: (team_id = 'T0ACME00001') => {
      const event = eventCallback({ team_id, authorizations: [{ team_id }] })
      return rig.test.post('/extensions/slack/event/', event.body, event)
    },
  }
}

const empty = { depth: 0, bytes: 0, oldest_at: null, paused: 0 }

describe('the list of regions', () => {
  it('has them in the order of regions.yaml, with what is known of each', async () => {
    const { regions, eu } = await start()
    const untouched = { breaker: 'closed', in_flight: 0, queued: 0, latency: null, override: null }
    expect(await regions()).toEqual({
      items: [
        {
          name: 'eu',
          category: 'multi_tenant',
          address: `${eu.url}/`,
          state: 'active',
          file_state: 'active',
          ...untouched,
          mailboxes: empty,
        },
        {
          name: 'us',
          category: 'single_tenant',
          address: 'http://127.0.0.1:9/',
          state: 'active',
          file_state: 'active',
          ...untouched,
          mailboxes: empty,
        },
      ],
      next_cursor: null,
    })
  })

  it('tells what is in flight, and how long the last answers took', async () => {
    const held: (() => void)[] = []
    const { region, options, eu, clock } = await start({ answer: (res) => held.push(() => res.end()) })
    const asked = options()
    await eu.nextRequest()
    expect(await region('eu')).toMatchObject({ in_flight: 1, latency: null })
    clock.advance(40)
    held[0]?.()
    await asked
    expect(await region('eu')).toMatchObject({ in_flight: 0, latency: { p50_ms: 40, p99_ms: 40, of: 1 } })
    const askedAgain = options()
    await eu.nextRequest()
    clock.advance(90)
    held[1]?.()
    await askedAgain
    expect(await region('eu')).toMatchObject({ latency: { p50_ms: 40, p99_ms: 90, of: 2 } })
  })

  it('tells what waits for its turn', async () => {
    const held: (() => void)[] = []
    const { region, options, eu } = await start({ answer: (res) => held.push(() => res.end()), max_concurrency: 1 })
    const asked = [options(), options()]
    await eu.nextRequest()
    await expect.poll(() => region('eu')).toMatchObject({ in_flight: 1, queued: 1 })
    held[0]?.()
    await eu.nextRequest()
    expect(await region('eu')).toMatchObject({ in_flight: 1, queued: 0 })
    held[1]?.()
    await Promise.all(asked)
  })

  it('tells what waits, and since when, of all its mailboxes', async () => {
    const { region, event, to, clock, ask } = await start()
    await to('eu', 'down')
    const since = new Date(clock.now()).toISOString()
    await event()
    clock.advance(1000)
    await event()
    await event('T0TWO000001')
    const mailboxes = { depth: 3, bytes: expect.any(Number) as number, oldest_at: since, paused: 0 }
    expect(await region('eu')).toMatchObject({ mailboxes })
    const { items } = (await ask('GET', '/api/mailboxes')).json as { items: { id: string; bytes: number }[] }
    const bytes = items.reduce((sum, mailbox) => sum + mailbox.bytes, 0)
    expect((await ask('POST', `/api/mailboxes/${items[0]?.id}/pause`)).status).toBe(200)
    expect(await region('eu')).toMatchObject({ mailboxes: { ...mailboxes, bytes, paused: 1 } })
  })

  it('tells what is in memory while the database cannot be asked', async () => {
    const { regions, gateway } = await start()
    vi.spyOn(gateway.spool, 'totals').mockRejectedValue(new Error('away'))
    expect(await regions()).toMatchObject({
      items: [
        { name: 'eu', state: 'active', breaker: 'closed', mailboxes: null },
        { name: 'us', mailboxes: null },
      ],
    })
  })
})

describe('a region that is told to be down', () => {
  it('is not asked, and its events wait until it is resumed', async () => {
    const { to, options, event, eu, clock, region } = await start()
    expect((await to('eu', 'down')).json).toMatchObject({
      name: 'eu',
      state: 'down',
      file_state: 'active',
      override: 'down',
    })
    expect((await options()).json()).toMatchObject({ regions: { eu: 'region_down' } })
    expect((await event()).status).toBe(200)
    await until(clock, async () => true)
    expect(eu.requests).toEqual([])
    expect((await to('eu', 'resume')).json).toMatchObject({ state: 'active', override: null })
    await until(clock, () => eu.requests.length === 1)
    await until(clock, async () => isDeepStrictEqual((await region('eu'))?.['mailboxes'], empty))
    expect((await options()).status).toBe(200)
  })

  it('is so in the regions file as well as over it: resume leaves the state of the file', async () => {
    const { to, options } = await start({ state: 'down' })
    await to('eu', 'drain')
    expect((await options()).json()).toMatchObject({ regions: { eu: 'region_draining' } })
    expect((await to('eu', 'resume')).json).toMatchObject({ state: 'down', file_state: 'down', override: null })
  })
})

describe('a region that is told to drain', () => {
  it('is asked nothing that comes, and still gets what waits for it', async () => {
    const { to, options, event, eu, clock } = await start()
    await to('eu', 'down')
    await event()
    await to('eu', 'drain')
    expect((await options()).json()).toMatchObject({ regions: { eu: 'region_draining' } })
    await until(clock, () => eu.requests.length === 1)
    expect(eu.requests[0]?.headers['silo-attempt']).toBe('1')
  })
})

describe('what a region is told', () => {
  it('is audited', async () => {
    const { to, ask } = await start()
    await to('eu', 'drain')
    const { items } = (await ask('GET', '/api/audit')).json as { items: unknown[] }
    expect(items[0]).toMatchObject({
      action: 'region.drain',
      subject: 'region eu',
      author: expect.stringContaining('127.0.0.1') as string,
      details: { from: null, to: 'draining' },
    })
  })

  it('is refused of one that regions.yaml does not name', async () => {
    const { to } = await start()
    for (const act of ['drain', 'down', 'resume']) {
      expect(await to('mars', act)).toMatchObject({ status: 404, json: { code: 'not_found' } })
    }
  })

  it('survives a reload, and is kept and listed where the region goes', async () => {
    const { to, test, region } = await start()
    await to('us', 'down')
    expect(test.gateway.reload()).toEqual([])
    expect(test.gateway.topology().byName.get('us')?.state).toBe('down')
    await test.gateway.steering.steerRegion('gone', 'draining', 'ann')
    expect(await region('gone')).toMatchObject({ state: 'down', file_state: null, override: 'draining', address: null })
    expect((await to('gone', 'resume')).status).toBe(200)
    expect(await region('gone')).toBeUndefined()
  })
})
