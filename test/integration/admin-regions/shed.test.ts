import { afterEach, describe, expect, it } from 'vitest'
import { startFakeRegion } from '../../support/fake-region.ts'
import { eventCallback, slashCommand } from '../../support/slack-payloads.ts'
import { workspace } from '../../support/test-gateway.ts'
import { startAdmin } from '../admin/admin-rig.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function start() {
  const eu = await startFakeRegion()
  closing.push(() => eu.close())
  const rig = await startAdmin({ regions: [{ name: 'eu', address: eu.url }], directory: workspace({ acme: 'eu' }) })
  closing.push(() => rig.close())
  const event = eventCallback()
  const command = slashCommand()
  return {
    ...rig,
    ask: (...what: Parameters<typeof rig.ask>) => rig.ask(...what),
    eu,
    put: (rules: unknown, headers = {}) => rig.ask('PUT', '/api/shed', { body: { rules }, headers }),
    event: () => rig.test.post('/extensions/slack/event/', event.body, event),
    command: () => rig.test.post('/extensions/slack/commands/', command.body, command),
    counted: (name: string) => rig.gateway.counters.read().get(name) ?? 0,
  }
}

const ok = { provider: 'slack', answer: 'ok' }
const later = { provider: 'slack', answer: 'too_many_requests', retry_after_seconds: 7 }

describe('an event that is shed', () => {
  it('as if all were well is 200 and empty, before anything is looked up', async () => {
    const { put, event, eu, counted, test } = await start()
    expect((await put([ok])).status).toBe(200)
    expect(await event()).toMatchObject({ status: 200, text: '' })
    expect(eu.requests).toEqual([])
    expect(counted('shed_total{provider="slack",answer="ok"}')).toBe(1)
    expect([...test.gateway.counters.read().keys()].filter((key) => key.startsWith('directory_lookups'))).toEqual([])
    await expect.poll(() => test.records).toMatchObject([{ outcome: 'shed', rule: 'shed', status: 200 }])
  })

  it('with a refusal is 429, and says when to come again', async () => {
    const { put, event, counted, test } = await start()
    await put([later])
    expect(await event()).toMatchObject({ status: 429, headers: { 'retry-after': '7' } })
    expect((await event()).json()).toMatchObject({ code: 'shed', status: 429 })
    expect(counted('shed_total{provider="slack",answer="too_many_requests"}')).toBe(2)
    await expect.poll(() => test.records).toMatchObject([{ outcome: 'shed', status: 429 }, { outcome: 'shed' }])
  })

  it('is not remembered: sent again when the rule is gone, it arrives', async () => {
    const { put, event, eu } = await start()
    await put([ok])
    await event()
    await put([])
    expect((await event()).status).toBe(200)
    expect(eu.requests).toHaveLength(1)
  })

  it('of one integration is that one’s only', async () => {
    const { put, event, eu } = await start()
    await put([{ ...later, integration_id: 2 }])
    expect((await event()).status).toBe(200)
    expect(eu.requests).toHaveLength(1)
  })

  it('by the rule of its integration is 429', async () => {
    const { put, event, eu } = await start()
    await put([{ ...later, integration_id: '1' }])
    expect((await event()).status).toBe(429)
    expect(eu.requests).toEqual([])
  })
})

describe('what somebody waits for', () => {
  it('is never shed', async () => {
    const { put, command, eu } = await start()
    await put([ok])
    expect((await command()).status).toBe(200)
    expect(eu.requests).toHaveLength(1)
  })
})

describe('the shed rules', () => {
  it('are empty at first, with an entity tag', async () => {
    const { ask } = await start()
    expect(await ask('GET', '/api/shed')).toMatchObject({ status: 200, json: { rules: [] }, headers: { etag: '"0"' } })
    expect((await ask('GET', '/api/shed', { headers: { 'If-None-Match': '"0"' } })).status).toBe(304)
  })

  it('are given back as they were put', async () => {
    const { ask, put } = await start()
    const rules = [{ ...ok, integration_id: '1' }, later]
    expect(await put(rules)).toMatchObject({ status: 200, json: { rules }, headers: { etag: '"1"' } })
    expect((await ask('GET', '/api/shed')).json).toEqual({ rules })
  })

  it('are not replaced by whoever has read older ones', async () => {
    const { put } = await start()
    expect((await put([ok], { 'If-Match': '"0"' })).status).toBe(200)
    expect(await put([], { 'If-Match': '"0"' })).toMatchObject({ status: 412, headers: { etag: '"1"' } })
    expect((await put([], { 'If-Match': '"1"' })).status).toBe(200)
  })

  it.each([
    ['a provider that there is none of', [{ ...ok, provider: 'teams' }], 'rules[0].provider'],
    ['one behind another', [ok, { ...ok, provider: 'teams' }], 'rules[1].provider'],
    ['an unknown key', [{ ...ok, surface: 'event' }], 'rules[0].surface'],
    ['the same twice', [ok, later], 'rules[1]'],
    ['no list', 'all', 'rules'],
  ])('are not %s', async (_what, rules, path) => {
    const { put } = await start()
    expect(await put(rules)).toMatchObject({ status: 400, json: { code: 'invalid_request', errors: [{ path }] } })
  })

  it('are audited', async () => {
    const { put, ask } = await start()
    await put([ok])
    const { items } = (await ask('GET', '/api/audit')).json as { items: unknown[] }
    expect(items[0]).toMatchObject({ action: 'shed.put', details: { from: [], to: [ok] } })
  })
})
