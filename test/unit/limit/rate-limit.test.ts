import { describe, expect, it } from 'vitest'
import { createOwnCounts, type Counts } from '../../../src/limit/counts.ts'
import { createRateLimit } from '../../../src/limit/rate-limit.ts'
import { createCounters } from '../../../src/telemetry/counters.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const acme = { provider: 'slack', id: '1' }

function setUp({ perMinute, counts }: { perMinute: number | undefined; counts?: Counts }) {
  const clock = createManualClock()
  const counters = createCounters()
  const settings = { perMinute }
  const limit = createRateLimit({ perMinute: () => settings.perMinute, clock, counters, counts })
  const kinds = async (times: number) => {
    const taken = []
    for (let time = 0; time < times; time++) taken.push((await limit.take(acme, 'event')).kind)
    return taken
  }
  return { clock, counters, settings, limit, kinds }
}

describe('the limit of an integration', () => {
  it('is none unless one is set', async () => {
    const { kinds, settings } = setUp({ perMinute: undefined })
    expect(new Set(await kinds(1000))).toEqual(new Set(['ok']))
    settings.perMinute = 1
    expect(await kinds(2)).toEqual(['ok', 'over'])
  })

  it('says in whole seconds when there is room again, and then there is', async () => {
    const { clock, limit, kinds } = setUp({ perMinute: 2 })
    clock.advance(10_300)
    await limit.take(acme, 'event')
    clock.advance(20_000)
    await limit.take(acme, 'event')
    expect(await limit.take(acme, 'event')).toEqual({ kind: 'over', retryAfterS: 40 })
    clock.advance(40_000)
    expect(await kinds(2)).toEqual(['ok', 'over'])
  })

  it('never says less than a second', async () => {
    const { clock, limit } = setUp({ perMinute: 1 })
    clock.advance(999)
    await limit.take(acme, 'event')
    clock.advance(59_000)
    expect(await limit.take(acme, 'event')).toEqual({ kind: 'over', retryAfterS: 1 })
  })

  it('holds for any minute, whenever it begins', async () => {
    const { clock, kinds } = setUp({ perMinute: 60 })
    const let_through: number[] = []
    for (let second = 0; second < 300; second++) {
      const taken = await kinds(3)
      let_through.push(taken.filter((kind) => kind === 'ok').length)
      clock.advance(1000)
    }
    for (let start = 0; start + 60 <= let_through.length; start++) {
      expect(let_through.slice(start, start + 60).reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(60)
    }
    expect(let_through.reduce((sum, count) => sum + count, 0)).toBe(300)
  })

  it('does not count what it refused', async () => {
    const { clock, kinds } = setUp({ perMinute: 1 })
    await kinds(1)
    for (let second = 0; second < 59; second++) {
      clock.advance(1000)
      expect(await kinds(1)).toEqual(['over'])
    }
    clock.advance(1000)
    expect(await kinds(1)).toEqual(['ok'])
  })

  it('is each integration’s own', async () => {
    const { limit } = setUp({ perMinute: 1 })
    for (const integration of [acme, { provider: 'slack', id: '2' }, { provider: 'other', id: '1' }]) {
      expect(await limit.take(integration, 'event')).toEqual({ kind: 'ok' })
    }
  })

  it('counts who is over it, by surface', async () => {
    const { limit, counters } = setUp({ perMinute: 1 })
    for (const surface of ['event', 'event', 'command']) await limit.take(acme, surface)
    expect(Object.fromEntries(counters.read())).toEqual({
      'rate_limited_total{surface="event"}': 1,
      'rate_limited_total{surface="command"}': 1,
    })
  })

  it('is the fleet’s where there is one, and the process’s own while that cannot be asked', async () => {
    let away = false
    const fleet: Counts = { take: async () => (away ? Promise.reject(new Error('away')) : 5000) }
    const { limit, kinds } = setUp({ perMinute: 2, counts: fleet })
    expect(await limit.take(acme, 'event')).toEqual({ kind: 'over', retryAfterS: 5 })
    away = true
    expect(await kinds(3)).toEqual(['ok', 'ok', 'over'])
    away = false
    expect(await kinds(1)).toEqual(['over'])
  })
})

it('counts of more integrations than are kept forget the one that came longest ago', async () => {
  const counts = createOwnCounts(createManualClock())
  await counts.take('a', 1)
  await counts.take('b', 1)
  await counts.take('a', 1)
  for (let index = 0; index < 99_999; index++) await counts.take(`key ${index}`, 1)
  expect(await counts.take('a', 1)).toBeGreaterThan(0)
  expect(await counts.take('b', 1)).toBe(0)
})
