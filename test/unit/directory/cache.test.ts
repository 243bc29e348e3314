import { LRUCache } from 'lru-cache'
import { describe, expect, it, vi } from 'vitest'
import { cacheDirectory } from '../../../src/directory/cache.ts'
import type { Installation, InstallationKey } from '../../../src/directory/directory.ts'
import { createCounters } from '../../../src/telemetry/counters.ts'
import { silentLog } from '../../../src/telemetry/log.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const FRESH = 30_000
const HARD = 60_000
const STALE = 86_400_000
const ABSENT = 5_000
const BACK_OFF = 1_000
const PATIENCE = 500

const keyOf = (externalId: string): InstallationKey => ({ by: 'external', provider: 'slack', appId: 'A1', externalId })
const T1 = keyOf('T1')

function installation(name: string): Installation {
  return {
    integration: {
      id: '1',
      provider: 'slack',
      appId: '',
      externalId: 'T1',
      enterpriseId: undefined,
      defaultOrganizationId: undefined,
      name,
      status: 'active',
    },
    organizations: [],
  }
}

type Answer = Installation | undefined | Error

/** A cache before a store that answers what it is told, or, while `held`, when it is told. */
function setUp({ entries = 100 } = {}) {
  const clock = createManualClock()
  const counters = createCounters()
  const logged: Record<string, unknown>[] = []
  const asked: InstallationKey[] = []
  const waiting: (() => void)[] = []
  const store = { answer: undefined as Answer, held: false, version: 0 }
  const cache = cacheDirectory(
    {
      async find(key) {
        asked.push(key)
        if (store.held) await new Promise<void>((resolve) => waiting.push(resolve))
        const { answer } = store
        if (answer instanceof Error) throw answer
        return { installation: answer, version: store.version }
      },
      async ping() {
        if (store.answer instanceof Error) throw store.answer
      },
    },
    {
      entries,
      freshMs: FRESH,
      hardMs: HARD,
      staleMs: STALE,
      clock,
      counters,
      log: { ...silentLog, error: (fields) => logged.push(fields) },
    },
  )
  return {
    cache,
    clock,
    counters,
    logged,
    asked,
    store,
    release: () => waiting.splice(0).forEach((resolve) => resolve()),
    nameFound: async (key = T1) => {
      const lookup = await cache.find(key)
      return 'installation' in lookup ? lookup.installation.integration.name : lookup.verdict
    },
    /** Lets what runs behind a look-up come to its end. */
    settled: () => new Promise<void>((resolve) => setImmediate(resolve)),
  }
}

describe('a key that is not remembered', () => {
  it('is asked for, and found', async () => {
    const { cache, store } = setUp()
    store.answer = installation('Acme')
    expect(await cache.find(T1)).toEqual({ verdict: 'found', installation: installation('Acme'), ageMs: 0 })
  })

  it('is absent when the store has none', async () => {
    const { cache } = setUp()
    expect(await cache.find(T1)).toEqual({ verdict: 'absent' })
  })

  it('is unknown when the store cannot be asked', async () => {
    const { cache, store } = setUp()
    store.answer = new Error('gone')
    expect(await cache.find(T1)).toEqual({ verdict: 'unknown', cause: store.answer })
  })

  it('is asked for once by a thousand look-ups at the same time', async () => {
    const { cache, store, asked, release } = setUp()
    store.answer = installation('Acme')
    store.held = true
    const lookups = Array.from({ length: 1000 }, () => cache.find(T1))
    release()
    expect(new Set((await Promise.all(lookups)).map(({ verdict }) => verdict))).toEqual(new Set(['found']))
    expect(asked).toHaveLength(1)
  })

  it('is unknown to everybody who waited for a load that fails, and is asked for again by the next', async () => {
    const { cache, store, asked, release } = setUp()
    store.answer = new Error('gone')
    store.held = true
    const lookups = [cache.find(T1), cache.find(T1)]
    release()
    expect((await Promise.all(lookups)).map(({ verdict }) => verdict)).toEqual(['unknown', 'unknown'])
    store.held = false
    store.answer = installation('Acme')
    expect((await cache.find(T1)).verdict).toBe('found')
    expect(asked).toHaveLength(2)
  })
})

describe('a found entry', () => {
  it('is used as it is while fresh', async () => {
    const { cache, store, clock, asked, settled } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    clock.advance(FRESH)
    expect(await cache.find(T1)).toMatchObject({ verdict: 'found', ageMs: FRESH })
    await settled()
    expect(asked).toHaveLength(1)
  })

  it('is used and refreshed behind from then on', async () => {
    const { store, clock, asked, nameFound, settled } = setUp()
    store.answer = installation('before')
    await nameFound()
    store.answer = installation('after')
    clock.advance(FRESH + 1)
    expect(await nameFound()).toBe('before')
    await settled()
    expect(await nameFound()).toBe('after')
    expect(asked).toHaveLength(2)
  })

  it('is refreshed once, however many use it meanwhile', async () => {
    const { store, clock, asked, nameFound, release, settled } = setUp()
    store.answer = installation('Acme')
    await nameFound()
    clock.advance(FRESH + 1)
    store.held = true
    await Promise.all([nameFound(), nameFound(), nameFound()])
    release()
    await settled()
    expect(asked).toHaveLength(2)
  })

  it('is not used without asking beyond the hard limit', async () => {
    const { store, clock, nameFound } = setUp()
    store.answer = installation('before')
    await nameFound()
    store.answer = installation('after')
    clock.advance(HARD)
    expect(await nameFound()).toBe('before')

    const beyond = setUp()
    beyond.store.answer = installation('before')
    await beyond.nameFound()
    beyond.store.answer = installation('after')
    beyond.clock.advance(HARD + 1)
    expect(await beyond.nameFound()).toBe('after')
  })

  it('ages from when the store was asked, not from when it answered', async () => {
    const { cache, store, clock, asked, release, settled } = setUp()
    store.answer = installation('Acme')
    store.held = true
    const lookup = cache.find(T1)
    clock.advance(FRESH)
    release()
    expect(await lookup).toMatchObject({ ageMs: FRESH })
    clock.advance(1)
    await cache.find(T1)
    await settled()
    expect(asked).toHaveLength(2)
  })

  it('is stale, with its age, when it is beyond the hard limit and the store cannot be asked', async () => {
    const { cache, store, clock } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    store.answer = new Error('gone')
    clock.advance(STALE)
    expect(await cache.find(T1)).toEqual({ verdict: 'stale', installation: installation('Acme'), ageMs: STALE })
  })

  it('is unknown once it is too old even for that', async () => {
    const { cache, store, clock } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    store.answer = new Error('gone')
    clock.advance(STALE + 1)
    expect((await cache.find(T1)).verdict).toBe('unknown')
  })

  it('is found anew once the store is back', async () => {
    const { store, clock, cache, nameFound } = setUp()
    store.answer = installation('before')
    await nameFound()
    store.answer = new Error('gone')
    clock.advance(HARD + 1)
    expect((await cache.find(T1)).verdict).toBe('stale')
    store.answer = installation('after')
    clock.advance(BACK_OFF)
    expect(await cache.find(T1)).toMatchObject({ verdict: 'found', ageMs: 0 })
    expect(await nameFound()).toBe('after')
  })

  it('keeps being found within the hard limit when the refresh behind fails', async () => {
    const { cache, store, clock, settled } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    store.answer = new Error('gone')
    clock.advance(FRESH + 1)
    expect((await cache.find(T1)).verdict).toBe('found')
    await settled()
    expect((await cache.find(T1)).verdict).toBe('found')
  })

  it('becomes absent when a refresh says so', async () => {
    const { cache, store, clock, settled } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    store.answer = undefined
    clock.advance(FRESH + 1)
    await cache.find(T1)
    await settled()
    expect(await cache.find(T1)).toEqual({ verdict: 'absent' })
  })
})

describe('an absent entry', () => {
  it('lives for five seconds', async () => {
    const { cache, store, clock, asked } = setUp()
    await cache.find(T1)
    store.answer = installation('Acme')
    clock.advance(ABSENT)
    expect((await cache.find(T1)).verdict).toBe('absent')
    expect(asked).toHaveLength(1)
    clock.advance(1)
    expect((await cache.find(T1)).verdict).toBe('found')
  })

  it('is never used stale: what cannot be asked is unknown', async () => {
    const { cache, store, clock } = setUp()
    await cache.find(T1)
    store.answer = new Error('gone')
    clock.advance(ABSENT + 1)
    expect((await cache.find(T1)).verdict).toBe('unknown')
  })
})

describe('keys', () => {
  it('are told apart by everything they hold', async () => {
    const { cache, asked } = setUp()
    const keys: InstallationKey[] = [
      { by: 'external', provider: 'slack', appId: '', externalId: 'T1' },
      { by: 'external', provider: 'slack', appId: 'A1', externalId: 'T1' },
      { by: 'external', provider: 'other', appId: 'A1', externalId: 'T1' },
      { by: 'external', provider: 'slack', appId: 'A1', externalId: 'T2' },
      { by: 'external', provider: 'slack', appId: 'A1', externalId: 'T1', enterpriseId: 'E1' },
      { by: 'external', provider: 'slack', appId: 'A1', externalId: 'T1|E1' },
      { by: 'external', provider: 'slack', appId: 'A1|2:T1', externalId: '' },
      { by: 'id', provider: 'slack', id: '1' },
      { by: 'id', provider: 'other', id: '1' },
    ]
    for (const key of [...keys, ...keys]) await cache.find(key)
    expect(asked).toEqual(keys)
  })

  it('are remembered up to the limit, the least recently used going first', async () => {
    const { cache, asked } = setUp({ entries: 2 })
    const [first, second, third] = [keyOf('T1'), keyOf('T2'), keyOf('T3')]
    for (const key of [first, second, first, third]) await cache.find(key)
    expect(cache.size()).toBe(2)
    expect(asked).toHaveLength(3)
    await cache.find(first)
    expect(asked).toHaveLength(3)
    await cache.find(second)
    expect(asked).toHaveLength(4)
  })

  it('that could not be asked for take no room', async () => {
    const { cache, store } = setUp()
    store.answer = new Error('gone')
    await cache.find(T1)
    expect(cache.size()).toBe(0)
  })
})

describe('what is seen of it', () => {
  it('counts every look-up by its verdict', async () => {
    const { cache, store, clock, counters } = setUp()
    await cache.find(T1)
    clock.advance(ABSENT + 1)
    store.answer = installation('Acme')
    await cache.find(T1)
    await cache.find(T1)
    clock.advance(HARD + 1)
    store.answer = new Error('gone')
    await cache.find(T1)
    await cache.find(keyOf('T2'))
    expect(Object.fromEntries(counters.read())).toEqual({
      directory_cache_hits_total: 1,
      directory_cache_misses_total: 4,
      'directory_lookups_total{verdict="absent"}': 1,
      'directory_lookups_total{verdict="found"}': 2,
      'directory_lookups_total{verdict="stale"}': 1,
      'directory_lookups_total{verdict="unknown"}': 1,
      directory_load_failures_total: 2,
    })
  })

  it('counts the failure of a refresh that nobody waits for', async () => {
    const { cache, store, clock, counters, settled } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    store.answer = new Error('gone')
    clock.advance(FRESH + 1)
    await cache.find(T1)
    await settled()
    expect(counters.read().get('directory_load_failures_total')).toBe(1)
  })

  it('logs failures at most once in ten seconds, with how many were left out', async () => {
    const { cache, store, clock, logged } = setUp()
    store.answer = new Error('gone')
    for (let index = 0; index < 5; index++) await cache.find(T1)
    expect(logged).toEqual([{ error: 'gone', leftOut: 0 }])
    clock.advance(10_000)
    await cache.find(T1)
    expect(logged.slice(1)).toEqual([{ error: 'gone', leftOut: 4 }])
  })
})

describe('whether look-ups can be answered at all', () => {
  it('they can while the store answers', async () => {
    expect(await setUp().cache.usable()).toBe(true)
  })

  it('they cannot when the store is away and nothing is remembered', async () => {
    const { cache, store } = setUp()
    store.answer = new Error('gone')
    expect(await cache.usable()).toBe(false)
  })

  it('absent entries alone answer nothing', async () => {
    const { cache, store } = setUp()
    await cache.find(T1)
    store.answer = new Error('gone')
    expect(await cache.usable()).toBe(false)
  })

  it('they can while a remembered entry may still be used', async () => {
    const { cache, store, clock } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    store.answer = new Error('gone')
    clock.advance(STALE)
    expect(await cache.usable()).toBe(true)
    clock.advance(1)
    expect(await cache.usable()).toBe(false)
  })

  it('they can by an older entry when the newest was found to be gone', async () => {
    const { cache, store } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    await cache.find(keyOf('T2'))
    store.answer = undefined
    await cache.find(keyOf('T2'))
    store.answer = new Error('gone')
    expect(await cache.usable()).toBe(true)
  })

  it('they can when the newest found entry is gone for lack of room, and others are there', async () => {
    const { cache, store } = setUp({ entries: 2 })
    store.answer = installation('Acme')
    await cache.find(T1)
    await cache.find(keyOf('T2'))
    await cache.find(T1)
    store.answer = undefined
    await cache.find(keyOf('T3'))
    store.answer = new Error('gone')
    expect(await cache.usable()).toBe(true)
  })

  it('they can again once an entry is found after all', async () => {
    const { cache, store, clock } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    clock.advance(STALE + 1)
    store.answer = new Error('gone')
    expect(await cache.usable()).toBe(false)
    store.answer = installation('Acme')
    await cache.find(T1)
    store.answer = new Error('gone')
    expect(await cache.usable()).toBe(true)
  })

  it('they cannot, without another search through all that is remembered, until something is found', async () => {
    const search = vi.spyOn(LRUCache.prototype, 'entries')
    const { cache, store, clock } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    clock.advance(HARD + 1)
    store.answer = undefined
    await cache.find(T1)
    store.answer = new Error('gone')
    expect([await cache.usable(), await cache.usable(), await cache.usable()]).toEqual([false, false, false])
    expect(search).toHaveBeenCalledTimes(1)
    search.mockRestore()
  })
})
