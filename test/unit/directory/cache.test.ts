import { LRUCache } from 'lru-cache'
import { describe, expect, it, vi } from 'vitest'
import { cacheDirectory, type Reading } from '../../../src/directory/cache.ts'
import type { DirectoryChange } from '../../../src/directory/change.ts'
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

function installation(name: string, organizations: readonly string[] = []): Installation {
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
    organizations: organizations.map((id) => ({
      id,
      slug: id,
      name: id,
      region: 'us',
      status: 'active',
      epoch: 0,
      held: false,
    })),
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
  const readings: Reading[] = []
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
        if (store.held) await new Promise<void>((resolve) => waiting.push(resolve))
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
      onReading: (reading) => readings.push(reading),
    },
  )
  return {
    cache,
    readings,
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
    const lookups = Array.from({ length: 1000 }, async () => cache.find(T1))
    release()
    expect(new Set((await Promise.all(lookups)).map(({ verdict }) => verdict))).toEqual(new Set(['found']))
    expect(asked).toHaveLength(1)
  })

  it('is unknown to everybody who waited for a load that fails, and is asked for again by the next', async () => {
    const { cache, store, asked, release } = setUp()
    store.answer = new Error('gone')
    store.held = true
    const lookups = [T1, T1].map(async (key) => cache.find(key))
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

const change = (
  version: number,
  what: Partial<Extract<DirectoryChange['what'], { kind: 'some' }>>,
): DirectoryChange => ({
  version,
  what: { kind: 'some', integrations: [], organizations: [], installations: [], ...what },
})
const installations = (...externalIds: string[]) => ({
  installations: externalIds.map((externalId) => ({ provider: 'slack', externalId })),
})

describe('a change', () => {
  it.each<[concerned: string, key: InstallationKey, what: Parameters<typeof change>[1]]>([
    ['its integration', T1, { integrations: ['1'] }],
    ['one of its organizations', T1, { organizations: ['11'] }],
    ['the workspace it was found by', keyOf('T9'), installations('T9')],
    [
      'the enterprise it was looked up by',
      { by: 'external', provider: 'slack', appId: 'A1', externalId: 'T9', enterpriseId: 'E1' },
      installations('E1'),
    ],
    ["the installation that is its integration's", keyOf('T9'), installations('T1')],
    ['the same, where it was found by id', { by: 'id', provider: 'slack', id: '1' }, installations('T1')],
  ])('makes an entry be asked for again that was read before: %s', async (_, key, what) => {
    const { cache, store, nameFound } = setUp()
    store.answer = installation('before', ['10', '11'])
    store.version = 4
    await nameFound(key)
    cache.changed(change(5, what))
    store.answer = installation('after')
    store.version = 5
    expect(await nameFound(key)).toBe('after')
  })

  it('concerns nobody else', async () => {
    const { cache, store, asked, nameFound } = setUp()
    store.answer = installation('Acme', ['10'])
    await nameFound()
    cache.changed(change(5, { integrations: ['2'], organizations: ['11'], ...installations('T2', 'E1') }))
    cache.changed(change(6, { installations: [{ provider: 'other', externalId: 'T1' }] }))
    await nameFound()
    expect(asked).toHaveLength(1)
  })

  it('of any integration makes what was absent be asked for again: it may be served by an enterprise', async () => {
    const { cache, store, nameFound } = setUp()
    expect(await nameFound()).toBe('absent')
    cache.changed(change(1, { integrations: ['1'], ...installations('E1') }))
    store.answer = installation('installed')
    store.version = 1
    expect(await nameFound()).toBe('installed')
  })

  it('of organizations and links alone leaves absent what is', async () => {
    const { cache, asked, nameFound } = setUp()
    await nameFound()
    cache.changed(change(1, { integrations: ['1'], organizations: ['10'] }))
    expect(await nameFound()).toBe('absent')
    expect(asked).toHaveLength(1)
  })

  it('may concern all there is', async () => {
    const { cache, store, asked, nameFound } = setUp()
    store.answer = installation('Acme')
    await nameFound()
    await nameFound(keyOf('T2'))
    cache.changed({ version: 5, what: { kind: 'all' } })
    store.version = 5
    await nameFound()
    await nameFound(keyOf('T2'))
    expect(asked).toHaveLength(4)
    await nameFound()
    expect(asked).toHaveLength(4)
  })

  it.each<[string, DirectoryChange]>([
    ['some', change(5, { integrations: ['1'] })],
    ['all', { version: 5, what: { kind: 'all' } }],
  ])('leaves what was read with it or after it, however late it is heard of: %s', async (_, late) => {
    for (const version of [5, 6]) {
      const { cache, store, asked, nameFound } = setUp()
      store.answer = installation('Acme')
      store.version = version
      await nameFound()
      cache.changed(late)
      await nameFound()
      expect(asked).toHaveLength(1)
    }
  })

  it('that is heard of after a later one does not undo it', async () => {
    const { cache, store, asked, nameFound } = setUp()
    store.answer = installation('Acme')
    store.version = 5
    await nameFound()
    cache.changed(change(6, { integrations: ['1'] }))
    cache.changed(change(4, { integrations: ['1'] }))
    await nameFound()
    expect(asked.length).toBeGreaterThan(1)
  })

  it('that is heard of while an older state is on its way makes it be read once more', async () => {
    const { cache, store, asked, release, settled, nameFound } = setUp()
    store.answer = installation('before')
    store.version = 4
    store.held = true
    const lookup = nameFound()
    cache.changed(change(5, { integrations: ['1'] }))
    release()
    await settled()
    store.answer = installation('after')
    store.version = 5
    release()
    expect(await lookup).toBe('after')
    expect(asked).toHaveLength(2)
  })

  it('that is forgotten by the time an older state arrives makes it be read once more as well', async () => {
    const { cache, store, clock, asked, release, settled, nameFound } = setUp()
    store.answer = installation('before')
    store.version = 4
    store.held = true
    const lookup = nameFound()
    cache.changed(change(5, { integrations: ['1'] }))
    clock.advance(HARD + 1)
    release()
    await settled()
    store.answer = installation('after')
    store.version = 5
    release()
    expect(await lookup).toBe('after')
    expect(asked).toHaveLength(2)
  })

  it('leaves an entry stale while the store cannot be asked', async () => {
    const { cache, store, clock } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    cache.changed(change(5, { integrations: ['1'] }))
    store.answer = new Error('gone')
    clock.advance(7)
    expect(await cache.find(T1)).toEqual({ verdict: 'stale', installation: installation('Acme'), ageMs: 7 })
  })

  it('makes an absent entry unknown while the store cannot be asked', async () => {
    const { cache, store } = setUp()
    await cache.find(T1)
    cache.changed(change(5, installations('T1')))
    store.answer = new Error('gone')
    expect((await cache.find(T1)).verdict).toBe('unknown')
  })

  it('is heeded for as long as anything from before it is used without asking', async () => {
    const { cache, store, clock, asked, nameFound } = setUp()
    store.answer = installation('Acme')
    await nameFound()
    cache.changed(change(5, { integrations: ['1'] }))
    clock.advance(HARD)
    await nameFound()
    // It is not in there, as after a backup was restored: nobody goes on asking for it.
    expect(asked).toHaveLength(3)
    clock.advance(1)
    await nameFound()
    await nameFound()
    expect(asked).toHaveLength(3)
  })

  it('is heeded however many there are', async () => {
    const { cache, store, asked, nameFound } = setUp()
    store.answer = installation('Acme')
    store.version = 4
    await nameFound()
    await nameFound(keyOf('T2'))
    cache.changed(change(5, { integrations: ['1'] }))
    const others = Array.from({ length: 100_000 }, (_, index) => String(index + 100))
    cache.changed(change(6, { organizations: others }))
    store.version = 7
    await nameFound()
    expect(asked).toHaveLength(3)
    await nameFound()
    expect(asked).toHaveLength(3)
  })
})

describe('changes that may have been missed', () => {
  it('make everything be asked for again, once', async () => {
    const { cache, store, asked, nameFound } = setUp()
    store.answer = installation('before')
    await nameFound()
    cache.missed()
    store.answer = installation('after')
    expect(await nameFound()).toBe('after')
    expect(await nameFound()).toBe('after')
    expect(asked).toHaveLength(2)
  })

  it('make what was on its way be read once more', async () => {
    const { cache, store, asked, release, nameFound } = setUp()
    store.answer = installation('before')
    store.held = true
    const lookup = nameFound()
    cache.missed()
    store.held = false
    release()
    await lookup
    expect(asked).toHaveLength(2)
  })

  it('leave entries stale while the store cannot be asked', async () => {
    const { cache, store } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    cache.missed()
    store.answer = new Error('gone')
    expect((await cache.find(T1)).verdict).toBe('stale')
  })
})

describe('asking', () => {
  it('asks the store whatever is remembered, and remembers the answer', async () => {
    const { cache, store, asked, nameFound } = setUp()
    store.answer = installation('before')
    await nameFound()
    store.answer = installation('after')
    expect(await cache.ask(T1)).toEqual({ verdict: 'found', installation: installation('after'), ageMs: 0 })
    expect(await nameFound()).toBe('after')
    store.answer = undefined
    expect(await cache.ask(T1)).toEqual({ verdict: 'absent' })
    expect(asked).toHaveLength(3)
  })

  it('knows nothing where the store cannot be asked, whatever is remembered', async () => {
    const { cache, store } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    store.answer = new Error('gone')
    expect(await cache.ask(T1)).toEqual({ verdict: 'unknown', cause: store.answer })
    expect((await cache.find(T1)).verdict).toBe('found')
  })

  it('takes no answer to an older question, and shares the next', async () => {
    const { cache, store, asked, release, settled } = setUp()
    store.answer = installation('before')
    store.held = true
    const before = cache.find(T1)
    const answers = [cache.ask(T1), cache.ask(T1), cache.ask(T1)]
    expect(asked).toHaveLength(1)
    release()
    await before
    await settled()
    store.answer = installation('after')
    release()
    const names = (await Promise.all(answers)).map(
      (answer) => 'installation' in answer && answer.installation.integration.name,
    )
    expect(names).toEqual(['after', 'after', 'after'])
    expect(asked).toHaveLength(2)
  })

  it('knows nothing where changes outrun the answers', async () => {
    const { cache, store } = setUp()
    store.answer = installation('Acme')
    cache.changed(change(5, { integrations: ['1'] }))
    expect((await cache.ask(T1)).verdict).toBe('unknown')
    expect((await cache.find(T1)).verdict).toBe('stale')
    store.answer = undefined
    cache.changed(change(6, installations('T1')))
    expect((await cache.ask(T1)).verdict).toBe('unknown')
    expect((await cache.find(T1)).verdict).toBe('unknown')
  })
})

describe('a store that fails', () => {
  it('is not asked behind again for the same entry for a moment', async () => {
    const { cache, store, clock, asked, settled } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    clock.advance(FRESH + 1)
    store.answer = new Error('gone')
    for (let index = 0; index < 10; index++) {
      await cache.find(T1)
      await settled()
    }
    expect(asked).toHaveLength(2)
    clock.advance(BACK_OFF)
    await cache.find(T1)
    expect(asked).toHaveLength(3)
  })

  it('for one entry only is left alone for that one', async () => {
    const { cache, store, clock, asked, settled } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    clock.advance(FRESH + 1)
    store.answer = new Error('gone')
    await cache.find(T1)
    await settled()
    store.answer = installation('Other')
    await cache.find(keyOf('T2'))
    await cache.find(T1)
    expect(asked).toHaveLength(3)
  })

  it('is tried by one a second, and everybody else is served at once', async () => {
    const { cache, store, clock, asked, release } = setUp()
    const keys = Array.from({ length: 20 }, (_, index) => keyOf(`T${index}`))
    store.answer = installation('Acme')
    for (const key of keys) await cache.find(key)
    clock.advance(HARD + 1)
    store.answer = new Error('gone')
    await cache.find(T1)
    asked.length = 0
    store.held = true
    for (let second = 1; second <= 3; second++) {
      clock.advance(BACK_OFF)
      const [first, ...others] = keys.map((key) => cache.find(key))
      // They do not wait for the one that is held.
      for (const lookup of others) expect((await lookup).verdict).toBe('stale')
      release()
      expect((await first)?.verdict).toBe('stale')
      expect(asked).toHaveLength(second)
    }
  })

  it('is trusted again as soon as it has answered anybody', async () => {
    const { cache, store, clock } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    clock.advance(HARD + 1)
    store.answer = new Error('gone')
    await cache.find(keyOf('T2'))
    store.answer = installation('Acme')
    expect((await cache.find(T1)).verdict).toBe('stale')
    await cache.find(keyOf('T2'))
    expect((await cache.find(T1)).verdict).toBe('found')
  })

  it('by its silence costs those who have something to use half a second, together', async () => {
    const { cache, store, clock, release, settled } = setUp()
    store.answer = installation('before')
    await cache.find(T1)
    clock.advance(HARD + 1)
    store.held = true
    const lookups = [T1, T1].map(async (key) => cache.find(key))
    clock.advance(PATIENCE)
    expect((await Promise.all(lookups)).map(({ verdict }) => verdict)).toEqual(['stale', 'stale'])
    expect(clock.pending()).toBe(0)
    store.answer = installation('after')
    release()
    await settled()
    expect(await cache.find(T1)).toMatchObject({ verdict: 'found', installation: installation('after') })
  })

  it('for an hour leaves the known known and the unknown unknown, and nothing wrong behind', async () => {
    const { cache, store, clock, nameFound } = setUp()
    store.answer = installation('before')
    await nameFound()
    store.answer = new Error('gone')
    clock.advance(60_000)
    for (let minute = 2; minute <= 60; minute++) {
      clock.advance(60_000)
      expect(await cache.find(T1)).toMatchObject({ verdict: 'stale', ageMs: minute * 60_000 })
      expect((await cache.find(keyOf('T2'))).verdict).toBe('unknown')
    }
    clock.advance(BACK_OFF)
    store.answer = installation('after')
    expect([await nameFound(), await nameFound(keyOf('T2'))]).toEqual(['after', 'after'])
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
    const { cache, asked, counters } = setUp({ entries: 2 })
    const [first, second, third] = [keyOf('T1'), keyOf('T2'), keyOf('T3')]
    for (const key of [first, second, first, third]) await cache.find(key)
    expect(cache.size()).toBe(2)
    expect(asked).toHaveLength(3)
    await cache.find(first)
    expect(asked).toHaveLength(3)
    await cache.find(second)
    expect(asked).toHaveLength(4)
    expect(counters.read().get('directory_cache_evictions_total')).toBe(2)
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

  // A probe gives up after a second, by default, and all gateways would be taken out at once.
  it('is known at once where something is remembered, however long the store takes', async () => {
    const { cache, store, release, settled } = setUp()
    store.answer = installation('Acme')
    await cache.find(T1)
    store.held = true
    let usable: boolean | undefined
    void cache.usable().then((answer) => (usable = answer))
    await settled()
    expect(usable).toBe(true)
    release()
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

describe('what another gateway has read', () => {
  /** Two that remember Acme, the first of which has just read it again; `hear` tells the second one, `ago` ms later. */
  async function twoGateways({ name = 'Acme' } = {}) {
    const [first, second] = [setUp(), setUp()]
    for (const one of [first, second]) {
      one.store.answer = installation('Acme', ['10'])
      await one.cache.find(T1)
      one.clock.advance(FRESH + 1)
    }
    first.store.answer = installation(name, ['10'])
    first.store.version = 5
    await first.cache.find(T1)
    await first.settled()
    const [reading] = first.readings
    if (reading === undefined || first.readings.length > 1) throw new Error('one reading is told of')
    return { first, second, reading }
  }

  it('need not be read again where the same is remembered', async () => {
    const { second, reading } = await twoGateways()
    second.cache.readElsewhere(reading)
    expect(await second.cache.find(T1)).toMatchObject({ verdict: 'found', ageMs: 0 })
    second.clock.advance(FRESH)
    await second.cache.find(T1)
    expect(second.asked).toHaveLength(1)
    second.clock.advance(1)
    await second.cache.find(T1)
    expect(second.asked).toHaveLength(2)
  })

  it('is told of only what is in use, and not of what was found for the first time, or is absent', async () => {
    const { cache, store, readings, clock } = setUp()
    await cache.find(T1)
    clock.advance(ABSENT + 1)
    await cache.find(T1)
    store.answer = installation('Acme')
    await cache.find(keyOf('T2'))
    expect(readings).toEqual([])
  })

  it('says nothing where something else is remembered', async () => {
    const { second, reading } = await twoGateways({ name: 'Acme & Co' })
    second.cache.readElsewhere(reading)
    expect(await second.cache.find(T1)).toMatchObject({ ageMs: FRESH + 1 })
    expect(second.asked).toHaveLength(2)
  })

  it('says nothing where nothing is remembered', async () => {
    const { reading } = await twoGateways()
    const { cache, asked } = setUp()
    cache.readElsewhere(reading)
    await cache.find(T1)
    expect(asked).toHaveLength(1)
  })

  it.each([
    ['late', 2001],
    ['early, by the clocks', -2001],
  ])('says nothing when it comes too %s', async (_, ms) => {
    const { second, reading } = await twoGateways()
    second.cache.readElsewhere({ ...reading, at: reading.at - ms })
    expect(await second.cache.find(T1)).toMatchObject({ ageMs: FRESH + 1 })
  })

  it('is as old as the news of it, and never makes anything older', async () => {
    const { second, reading } = await twoGateways()
    second.cache.readElsewhere({ ...reading, at: reading.at - 1500 })
    expect(await second.cache.find(T1)).toMatchObject({ ageMs: 1500 })
    second.cache.readElsewhere({ ...reading, at: reading.at - 2000 })
    expect(await second.cache.find(T1)).toMatchObject({ ageMs: 1500 })
  })

  it('lacks no change that it was read with, and lacks those since', async () => {
    const { second, reading } = await twoGateways()
    const changedAt = (version: number): DirectoryChange => ({
      version,
      what: { kind: 'some', integrations: ['1'], organizations: [], installations: [] },
    })
    second.cache.readElsewhere(reading)
    second.cache.changed(changedAt(reading.version))
    await second.cache.find(T1)
    expect(second.asked).toHaveLength(1)
    second.store.version = reading.version + 1
    second.cache.changed(changedAt(second.store.version))
    await second.cache.find(T1)
    expect(second.asked).toHaveLength(2)
  })

  it('does not make up for changes that may have been missed here', async () => {
    const { second, reading } = await twoGateways()
    second.cache.missed()
    second.cache.readElsewhere(reading)
    await second.cache.find(T1)
    expect(second.asked).toHaveLength(2)
  })
})
