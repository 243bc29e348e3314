import { describe, expect, it } from 'vitest'
import { createProviderHealth } from '../../../src/telemetry/provider-health.ts'
import type { Happened } from '../../../src/telemetry/webhook-record.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const MINUTE = 60_000
const limits = { waitsMs: 3000, throttledRule: 'told_to_slow_down' }

interface Told {
  surface?: string
  status?: number | undefined
  answeredMs?: number
  rule?: string
  team?: string
  provider?: string
  door?: 'webhook' | 'region_page'
  isOver?: boolean
  proven?: boolean
  /** Whether it was understood, and is a request to be routed. */
  read?: boolean
}

function setUp() {
  // On the hour, so that its slices are those of the clock.
  const clock = createManualClock({ now: 1_700_002_800_000 })
  const health = createProviderHealth({ clock, limitsOf: () => limits })
  const tell = ({ team = 'T1', proven = true, read = proven, ...told }: Told = {}, times = 1): void => {
    const { surface = 'event', answeredMs = 20, rule, provider = 'post', door = 'webhook', isOver = true } = told
    const status = 'status' in told ? told.status : 200
    const installation = { by: 'external', provider, appId: 'A1', externalId: team }
    const happened = {
      provider: { name: provider },
      door: { kind: door },
      receivedAt: clock.now(),
      request: read ? { installation } : undefined,
      record: { surface, status, answeredMs, rule, installation: `${provider}:A1:${team}` },
      isOver,
      isProven: proven,
    }
    for (let count = 0; count < times; count++) health.count(happened as unknown as Happened)
  }
  const read = (provider = 'post') => health.read(provider)
  return { clock, tell, read }
}

describe('the events of a provider', () => {
  it('count as failed without a 2xx, or answered later than it waits', () => {
    const { tell, read } = setUp()
    for (const status of [200, 202, 204]) tell({ status })
    for (const status of [199, 302, 400, 503, undefined]) tell({ status })
    tell({ answeredMs: 3000 })
    tell({ answeredMs: 3001 })
    expect(read()).toMatchObject({ answered: 10, notOk: 6, unproven: 0 })
  })

  it('are alone what is counted: no click, no page, and nothing that nobody proved to have sent', () => {
    const { tell, read } = setUp()
    tell({ surface: 'command', status: 500 })
    tell({ proven: false, rule: 'ssl_check' })
    tell({ proven: false, status: 400, door: 'region_page' })
    tell({ read: false, status: 400, surface: 'page', door: 'region_page' })
    tell({ read: false, rule: 'url_verification' })
    expect(read()).toMatchObject({ answered: 0, notOk: 0, unproven: 0, busiest: [] })
    tell({ proven: false, status: 401 })
    expect(read()).toMatchObject({ answered: 0, notOk: 0, unproven: 1 })
  })

  it('count as failed where they are proven and were refused before anybody could read whose they are', () => {
    const { tell, read } = setUp()
    tell({ read: false, status: 400 })
    expect(read()).toMatchObject({ answered: 1, notOk: 1, unproven: 0, busiest: [] })
  })

  it('may be what comes where anything does and cannot be read: a command that cannot be is none', () => {
    const { tell, read } = setUp()
    tell({ read: false, status: 400, surface: 'any' })
    tell({ read: false, status: 400, surface: 'command' })
    expect(read()).toMatchObject({ answered: 1, notOk: 1, unproven: 0 })
  })

  it('count once, when their last region has come to its end', () => {
    const { tell, read } = setUp()
    tell({ isOver: false })
    expect(read().answered).toBe(0)
    tell()
    expect(read().answered).toBe(1)
  })

  it('count for an hour, by the minute', () => {
    const { clock, tell, read } = setUp()
    tell({ status: 500 })
    clock.advance(59 * MINUTE)
    tell()
    expect(read()).toMatchObject({ answered: 2, notOk: 1 })
    clock.advance(MINUTE)
    expect(read()).toMatchObject({ answered: 1, notOk: 0 })
    clock.advance(59 * MINUTE)
    expect(read()).toMatchObject({ answered: 0 })
    tell({}, 3)
    expect(read()).toMatchObject({ answered: 3 })
  })

  it('are of this process, and since it started where that is less than an hour ago', () => {
    const { clock, read } = setUp()
    const startedAt = clock.now()
    clock.advance(10 * MINUTE)
    expect(read().since).toBe(startedAt)
    clock.advance(60 * MINUTE)
    expect(read()).toMatchObject({ since: startedAt + 10 * MINUTE, windowMs: 3_600_000 })
  })

  it('are told apart from those of another', () => {
    const { tell, read } = setUp()
    tell({ provider: 'mail' }, 2)
    expect([read('mail').answered, read('post').answered]).toEqual([2, 0])
  })
})

describe('the busiest installations', () => {
  it('are ten, the busiest first, over the slices of the hour', () => {
    const { clock, tell, read } = setUp()
    for (let team = 1; team <= 12; team++) {
      tell({ team: `T${team}` }, team)
      clock.advance(4 * MINUTE)
      tell({ team: `T${team}` }, team)
    }
    const busiest = read().busiest.map(({ installation, deliveries }) => ({
      team: installation.by === 'external' && installation.externalId,
      deliveries,
    }))
    expect(busiest).toHaveLength(10)
    expect(busiest.slice(0, 2)).toEqual([
      { team: 'T12', deliveries: 24 },
      { team: 'T11', deliveries: 22 },
    ])
  })

  it('are those of the last hour, to five minutes', () => {
    const { clock, tell, read } = setUp()
    tell({}, 5)
    clock.advance(54 * MINUTE)
    expect(read().busiest).toMatchObject([{ deliveries: 5 }])
    clock.advance(6 * MINUTE)
    expect(read().busiest).toEqual([])
  })
})

describe('a provider that says it leaves events out', () => {
  it('has said so that often within the hour, and last then', () => {
    const { clock, tell, read } = setUp()
    expect(read()).toMatchObject({ throttled: 0, throttledAt: undefined })
    tell({ read: false, rule: 'told_to_slow_down' }, 2)
    const at = clock.now()
    clock.advance(30 * MINUTE)
    expect(read()).toMatchObject({ throttled: 2, throttledAt: at, answered: 0, unproven: 0 })
    clock.advance(30 * MINUTE)
    expect(read()).toMatchObject({ throttled: 0, throttledAt: at })
  })
})
