import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createForward, forwardable, type Attempt } from '../../../src/dispatch/forward.ts'
import type { RegionCall, RegionClient } from '../../../src/dispatch/region-client.ts'
import type { RegionResult } from '../../../src/dispatch/region-result.ts'
import { verifyForwarded } from '../../../src/region-kit/index.ts'
import type { Region } from '../../../src/regions/regions.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { organization, topology } from '../resolve/directory-content.ts'
import { timedOut } from './results.ts'

const key = { id: 'eu-2026', secret: Buffer.alloc(32, 7) }

/** A webhook on its way to `eu`, whose client writes down the call and answers with `result`. */
function rig(
  region: Partial<Region> = {},
  { result, cookies = false, more = [] }: { result?: RegionResult; cookies?: boolean; more?: string[] } = {},
) {
  const clock = createManualClock({ now: 1_700_000_000_999 })
  clock.advance(40)
  const calls: RegionCall[] = []
  const [eu] = topology({ name: 'eu', ...region }).regions
  if (eu === undefined) throw new Error('unreachable')
  const client: RegionClient = {
    region: eu,
    inFlight: 0,
    queued: 0,
    close: async () => {},
    breaker: { state: 'closed' },
    latency: () => undefined,
    call: async (call) => {
      calls.push(call)
      return result ?? timedOut('eu')
    },
  }
  const webhook = {
    method: 'POST',
    target: '/slack/events?a=1',
    headers: {},
    rawHeaders: ['Content-Type', 'text/plain', 'Silo-Region', 'forged', 'Cookie', 'a=1', ...more],
    delivery: '01DELIVERY',
    requestId: 'request-1',
    body: Buffer.from('body'),
    receivedAt: 1_700_000_000_999,
    startedAt: 10,
    deadline: 2510,
    peer: { forwardedFor: '192.0.2.1', proto: 'https', host: 'hooks.example.com', user: undefined },
  }
  const ids = { delivery: () => 'unused', nonce: () => 'a-nonce', hex: (bytes: number) => 'ab'.repeat(bytes) }
  const what = forwardable(webhook, { idempotencyKey: 'the-key', cookies }, ids)
  const forward = createForward({ clock, ids, client: ({ name }) => (name === 'eu' ? client : undefined) })
  const first: Attempt = { kind: 'first', priority: 'event', startedAt: 10, deadline: 2510, goesOn: () => true }
  const organizations = [organization('10', 'eu'), { ...organization('11', 'eu'), epoch: 3 }]
  return {
    calls,
    clock,
    organizations,
    call: (name = 'eu', attempt: Attempt = first) =>
      forward(
        what,
        { integration: '1', destination: { name, region: name === 'eu' ? eu : undefined, organizations } },
        attempt,
      ),
  }
}

/** The headers that would be sent, as pairs. */
async function headersOf({ calls, call }: ReturnType<typeof rig>, msLeft = 2470): Promise<[string, string][]> {
  await call()
  const flat = calls[0]?.headers('/prefix/slack/events?a=1', msLeft) ?? []
  return flat.flatMap((name, at): [string, string][] => (at % 2 === 0 ? [[name, flat[at + 1] ?? '']] : []))
}

describe('forwarding a webhook', () => {
  it('hands on method, target, body and times as they are', async () => {
    const { calls, call } = rig()
    await call()
    expect(calls).toMatchObject([
      { method: 'POST', target: '/slack/events?a=1', body: Buffer.from('body'), startedAt: 10, deadline: 2510 },
    ])
    expect(calls[0]?.priority).toBe('event')
    expect(calls[0]?.goesOn?.()).toBe(true)
  })

  const deferred: Attempt = { kind: 'deferred', priority: 'mailbox', number: 7, maySend: () => true }

  it('gives a deferred attempt all of timeout_ms, however long it waited for its turn', async () => {
    const { calls, call } = rig({ timeoutMs: 8000 })
    await call('eu', deferred)
    expect(calls).toMatchObject([{ priority: 'mailbox', startedAt: 40, deadline: 8040 }])
    expect(calls[0]?.goesOn).toBeUndefined()
    const headers = calls[0]?.headers('/slack/events', 12) ?? []
    expect(headers[headers.indexOf('silo-deadline') + 1]).toBe('8000')
    expect(headers[headers.indexOf('silo-attempt') + 1]).toBe('7')
  })

  it('still sends a region that is draining what waited in a mailbox, but no act, and nothing to one that is down', async () => {
    const draining = rig({ state: 'draining' })
    await draining.call('eu', deferred)
    expect(draining.calls).toHaveLength(1)
    const act = await draining.call('eu', { ...deferred, priority: 'interactive' })
    expect(act).toMatchObject({ kind: 'refused', reason: 'region_draining' })
    expect(draining.calls).toHaveLength(1)
    const down = rig({ state: 'down' })
    expect(await down.call('eu', deferred)).toMatchObject({ kind: 'refused', reason: 'region_down' })
    expect(down.calls).toEqual([])
  })

  it('sends nothing for an organization that is held', async () => {
    const { calls, call, organizations } = rig()
    organizations.splice(0, 1, { ...organization('10', 'eu'), held: true })
    await call()
    const headers = calls[0]?.headers('/slack/events', 12) ?? []
    expect(headers[headers.indexOf('silo-organizations') + 1]).toBe('11')
    expect(headers[headers.indexOf('silo-epoch') + 1]).toBe('11=3')
  })

  it.each(['active', 'down'] as const)(
    'does not ask a region all of whose organizations are held (%s)',
    async (state) => {
      const { calls, call, organizations } = rig({ state })
      organizations.splice(0, 2, { ...organization('10', 'eu'), held: true })
      expect(await call()).toMatchObject({ kind: 'refused', region: 'eu', reason: 'held' })
      expect(calls).toEqual([])
    },
  )

  it('says what the gateway knows, and nothing that the caller said in its name', async () => {
    expect(await headersOf(rig())).toEqual([
      ['Content-Type', 'text/plain'],
      ['x-forwarded-for', '192.0.2.1'],
      ['x-forwarded-proto', 'https'],
      ['x-forwarded-host', 'hooks.example.com'],
      ['x-request-id', 'request-1'],
      ['idempotency-key', 'the-key'],
      ['traceparent', `00-${'ab'.repeat(16)}-${'ab'.repeat(8)}-00`],
      ['silo-delivery', '01DELIVERY'],
      ['silo-region', 'eu'],
      ['silo-integration', '1'],
      ['silo-organizations', '10,11'],
      ['silo-epoch', '10=0, 11=3'],
      ['silo-attempt', '1'],
      ['silo-deadline', '2470'],
      ['silo-received-at', '1700000000999'],
      ['content-digest', `sha-256=:${createHash('sha256').update('body').digest('base64')}:`],
    ])
  })

  it.each(['traceparent', 'Traceparent'])('keeps a valid %s and adds none', async (name) => {
    const valid = `00-${'cd'.repeat(16)}-${'cd'.repeat(8)}-01`
    const headers = await headersOf(rig({}, { more: [name, valid] }))
    expect(headers.filter(([header]) => header.toLowerCase() === 'traceparent')).toEqual([[name, valid]])
  })

  it('is not taken in by a header whose value is the word traceparent', async () => {
    const headers = await headersOf(rig({}, { more: ['X-Word', 'traceparent'] }))
    expect(headers.map(([name]) => name)).toContain('traceparent')
  })

  it('keeps cookies where the door asks for them', async () => {
    expect(await headersOf(rig({}, { cookies: true }))).toContainEqual(['Cookie', 'a=1'])
  })

  it('signs for 300 s towards a region with a key, over the path as sent', async () => {
    const headers = await headersOf(rig({ signingKey: key }))
    const [input] = headers.flatMap(([name, value]) => (name === 'signature-input' ? [value] : []))
    expect(input).toContain(';created=1700000001;expires=1700000301;nonce="a-nonce";keyid="eu-2026"')
    const request = { method: 'POST', url: '/prefix/slack/events?a=1', headers, body: Buffer.from('body') }
    const options = { keys: { 'eu-2026': key.secret }, region: 'eu', now: 1_700_000_001_000 }
    expect(verifyForwarded(request, options)).toMatchObject({ delivery: '01DELIVERY', deadline: 2470 })
  })

  it.each([
    ['down', 'region_down'],
    ['draining', 'region_draining'],
  ] as const)('does not call a region that is %s: %s', async (state, reason) => {
    const { calls, call } = rig({ state })
    expect(await call()).toEqual({ kind: 'refused', region: 'eu', reason, timing: { startedMs: 30, endedMs: 30 } })
    expect(calls).toEqual([])
  })

  it('cannot call a region that nobody knows', async () => {
    const { calls, call } = rig()
    expect(await call('mars')).toEqual({
      kind: 'refused',
      region: 'mars',
      reason: 'unknown_region',
      timing: { startedMs: 30, endedMs: 30 },
    })
    expect(calls).toEqual([])
  })

  it('hands a failure back as it is', async () => {
    const result = timedOut('eu')
    expect(await rig({}, { result }).call()).toBe(result)
  })

  it("cleans an answer's headers, and nothing else of it", async () => {
    const rawHeaders = ['Server', 'inside', 'Location', 'http://eu.example/next', 'Set-Cookie', 'a=1', 'X-A', 'b']
    const reply = { status: 302, rawHeaders, body: Buffer.from('bytes') }
    const result: RegionResult = { kind: 'answered', region: 'eu', timing: { startedMs: 1, endedMs: 2 }, reply }
    expect(await rig({}, { result }).call()).toEqual({
      ...result,
      reply: { ...reply, rawHeaders: ['Location', '/next', 'X-A', 'b'] },
    })
    expect(await rig({}, { result, cookies: true }).call()).toMatchObject({
      reply: { rawHeaders: ['Location', '/next', 'Set-Cookie', 'a=1', 'X-A', 'b'] },
    })
  })
})
