import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { expectProblem } from '../../support/expect-problem.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'
import { startSilo, type Delivered, type Silo } from '../../support/silo.ts'
import { ACTION, everywhere, EVENT, SINGLE, surfaces } from '../../support/slack-surfaces.ts'
import {
  appRateLimited,
  blockActions,
  eventCallback,
  slashCommand,
  sslCheck,
  TEAM,
  urlVerification,
  type SlackBody,
} from '../../support/slack-payloads.ts'
import { workspace } from '../../support/test-gateway.ts'

const HOUR = 3_600_000
const events = everywhere.filter(({ surface }) => surface.kind === 'event')
const everyOther = everywhere.filter(({ surface }) => surface.kind !== 'event')

/** How many events wait for each workspace to be found. */
async function unresolved({ gateway }: Silo): Promise<Record<string, number>> {
  const waiting: Record<string, number> = {}
  for (const { address, depth } of await gateway.spool.list()) {
    if (address.kind !== 'unresolved') continue
    const { externalId } = JSON.parse(address.installation) as { externalId: string }
    waiting[externalId] = depth
  }
  return waiting
}

function expectTaken({ reply, asked, record }: Delivered): void {
  expect([reply.status, reply.text, asked]).toEqual([200, '', []])
  expect([record.outcome, record.verdict]).toEqual(['spooled', 'unknown'])
}

describe('row 14: the directory cannot be asked and nothing is cached', () => {
  let silo: Silo
  beforeAll(async () => {
    silo = await startSilo({
      regions: { us: {} },
      slack: { local_actions: ['link_clicked'] },
      directory: workspace({ acme: 'us' }),
    })
    await silo.gateway.store.close()
  })
  afterAll(() => silo.close())

  it.each(events)('an event is taken, and waits until it can be resolved: at $path', async ({ path, surface }) => {
    const before = await unresolved(silo)
    expectTaken(await silo.deliver(path, surface.from(TEAM)))
    expect(await unresolved(silo)).toEqual({ [TEAM]: (before[TEAM] ?? 0) + 1 })
  })

  it('an event of another installation key has a mailbox of its own', async () => {
    const before = await unresolved(silo)
    expectTaken(await silo.deliver(EVENT, eventCallback({ authorizations: [{ team_id: 'T0OTHER0001' }] })))
    expect(await unresolved(silo)).toEqual({ ...before, T0OTHER0001: 1 })
  })

  it.each(everyOther)('is 503 without regions: $what at $path', async ({ path, surface }) => {
    const { reply, asked } = await silo.deliver(path, surface.from(TEAM))
    expectProblem(reply, 503, 'silo_client_error')
    expect(reply.json()).toMatchObject({ regions: {} })
    expect(asked).toEqual([])
  })

  it.each([
    ['a challenge', EVENT, urlVerification(), 200],
    ['app_rate_limited', EVENT, appRateLimited(), 200],
    ['an action answered here', ACTION, blockActions({}, { value: 'link_clicked' }), 200],
    ['a request of nobody', SINGLE, eventCallback({ team_id: null, authorizations: [] }), 400],
  ])('concerns nothing that asks for no organization: %s', async (_, path, body, status) => {
    expect((await silo.deliver(path, body)).reply.status).toBe(status)
  })

  it('concerns no ssl_check', async () => {
    expect((await silo.deliver(SINGLE, sslCheck(), { secret: null })).reply.status).toBe(200)
  })

  it('makes the gateway not ready', async () => {
    expect(await silo.gateway.ready()).toBe(false)
  })
})

describe('row 14: and what waits cannot be stored either', () => {
  let silo: Silo
  beforeAll(async () => {
    silo = await startSilo({ regions: { us: {} }, directory: workspace({ acme: 'us' }) })
    await silo.gateway.store.close()
    await silo.gateway.spool.close()
  })
  afterAll(() => silo.close())

  it.each(everywhere)('is 503 without regions: $what at $path', async ({ path, surface }) => {
    const { reply, asked } = await silo.deliver(path, surface.from(TEAM))
    expectProblem(reply, 503, 'silo_client_error')
    expect(reply.json()).toMatchObject({ regions: {} })
    expect(asked).toEqual([])
  })

  it('tells Slack never to stop trying', async () => {
    const { reply } = await silo.deliver(EVENT, eventCallback(), { headers: { 'X-Slack-Retry-Num': '3' } })
    expect([reply.status, reply.headers['x-slack-no-retry']]).toEqual([503, undefined])
  })
})

describe('row 14: the directory does not answer', () => {
  let clock: ManualClock
  let silo: Silo
  const silence = Promise.withResolvers<never>()
  silence.promise.catch(() => {})
  beforeAll(async () => {
    clock = createManualClock()
    silo = await startSilo({ clock, regions: { us: {} }, directory: workspace({ acme: 'us' }) })
  })
  afterAll(async () => {
    silence.reject(new Error('no answer'))
    await silo.close()
  })

  async function deliverWithin(ms: number, body: SlackBody): Promise<Delivered> {
    const find = vi.spyOn(silo.gateway.store, 'find').mockReset().mockReturnValue(silence.promise)
    const delivering = silo.deliver(SINGLE, body)
    await vi.waitUntil(() => find.mock.calls.length > 0)
    clock.advance(ms)
    return await delivering
  }

  it('an event is taken while there is time to write it down', async () => {
    expectTaken(await deliverWithin(2000, eventCallback()))
  })

  const others = surfaces.filter(({ kind }) => kind !== 'event')
  it.each(others.map((surface, at) => ({ ...surface, team: `T0SILENT00${at}` })))(
    'is 503 at the deadline: $name',
    async ({ team, ...surface }) => {
      const { reply, asked } = await deliverWithin(2500, surface.from(team))
      expectProblem(reply, 503, 'silo_client_error')
      expect(asked).toEqual([])
    },
  )
})

describe('a directory that goes away', () => {
  let clock: ManualClock
  let silo: Silo
  beforeAll(async () => {
    clock = createManualClock()
    silo = await startSilo({ clock, regions: { us: {} }, directory: workspace({ acme: 'us' }) })
    for (const surface of surfaces) await silo.deliver(SINGLE, surface.from(TEAM))
    await silo.deliver(SINGLE, eventCallback({ authorizations: [{ team_id: 'T0NOBODY001' }] }))
    await silo.gateway.store.close()
  })
  afterAll(() => silo.close())

  const ages: [age: string, ms: number, verdict: string][] = [
    ['fresh', 1, 'found'],
    ['29 s old', 29_000, 'found'],
    ['59 s old', 30_000, 'found'],
    ['61 s old', 2_000, 'stale'],
    ['23 h old', 23 * HOUR, 'stale'],
  ]
  for (const [age, ms, verdict] of ages) {
    describe(`an entry ${age}`, () => {
      beforeAll(() => clock.advance(ms))

      it.each(surfaces)('is still used: $name', async (surface) => {
        const { reply, asked, record } = await silo.deliver(SINGLE, surface.from(TEAM))
        expect([reply.status, asked, record.verdict]).toEqual([200, ['us'], verdict])
      })

      it('keeps the gateway ready', async () => {
        expect(await silo.gateway.ready()).toBe(true)
      })
    })
  }

  it('is no reason to call a workspace unknown that was not there', async () => {
    const body = eventCallback({ authorizations: [{ team_id: 'T0NOBODY001' }] })
    expectTaken(await silo.deliver(SINGLE, body, { headers: { 'X-Slack-Retry-Num': '3' } }))
    const { reply } = await silo.deliver(SINGLE, slashCommand({ team_id: 'T0NOBODY001' }))
    expectProblem(reply, 503, 'silo_client_error')
  })

  describe('an entry over 24 h old', () => {
    beforeAll(() => clock.advance(HOUR))

    it.each(surfaces)('is used no more: $name', async (surface) => {
      const delivered = await silo.deliver(SINGLE, surface.from(TEAM))
      if (surface.kind === 'event') return expectTaken(delivered)
      expectProblem(delivered.reply, 503, 'silo_client_error')
      expect(delivered.asked).toEqual([])
    })
  })
})

describe('a directory that goes away where one limit alone is shortened', () => {
  it.each([
    ['CACHE_HARD_MS', '1000', 1001, 'stale'],
    ['CACHE_STALE_MS', '1000', 1001, 'unknown'],
  ])('%s=%s bounds the shorter ones too', async (name, value, ageMs, verdict) => {
    const clock = createManualClock()
    const silo = await startSilo({
      clock,
      env: { [name]: value },
      regions: { us: {} },
      directory: workspace({ acme: 'us' }),
    })
    try {
      await silo.deliver(EVENT, eventCallback())
      await silo.gateway.store.close()
      clock.advance(ageMs)
      expect((await silo.deliver(EVENT, eventCallback())).record.verdict).toBe(verdict)
    } finally {
      await silo.close()
    }
  })
})
