import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { announced, hearOfChanges, tellFleet, tellReading } from '../../../src/directory/announce.ts'
import { cacheDirectory, type DirectoryCache, type Reading } from '../../../src/directory/cache.ts'
import type { DirectoryChange } from '../../../src/directory/change.ts'
import type { InstallationKey, Integration } from '../../../src/directory/directory.ts'
import type { DirectoryEditor, WriteOptions } from '../../../src/directory/edit.ts'
import { openDirectory, type DirectoryStore } from '../../../src/directory/store.ts'
import type { News, NewsListener } from '../../../src/fleet/news.ts'
import { createCounters } from '../../../src/telemetry/counters.ts'
import { silentLog } from '../../../src/telemetry/log.ts'
import { createManualClock } from '../../support/manual-clock.ts'

/** A fleet of which each member hears the others. */
function createFleet() {
  const listeners = new Set<{ readonly by: object; readonly topic: string; readonly listener: NewsListener }>()
  const published: { topic: string; text: string }[] = []
  const member = (): News => {
    const by = {}
    return {
      tell(topic, text) {
        published.push({ topic, text })
        for (const one of listeners) if (one.topic === topic && one.by !== by) one.listener.heard(text)
      },
      listen(topic, listener) {
        const one = { by, topic, listener }
        listeners.add(one)
        return () => void listeners.delete(one)
      },
    }
  }
  return { member, listeners, published }
}

const T1: InstallationKey = { by: 'external', provider: 'slack', appId: '', externalId: 'T1' }
const acme: Integration = {
  id: '1',
  provider: 'slack',
  appId: '',
  externalId: 'T1',
  enterpriseId: undefined,
  defaultOrganizationId: undefined,
  name: 'Acme',
  status: 'active',
}
const always: WriteOptions = { author: 'ada', precondition: { kind: 'none' } }

describe('a fleet on one database', () => {
  const clock = createManualClock()
  let store: DirectoryStore
  beforeEach(async () => {
    store = await openDirectory({ kind: 'sqlite', path: ':memory:' }, { clock })
  })
  afterEach(() => store.close())

  function gateway(news: News) {
    const counters = createCounters()
    const cache = cacheDirectory(store, {
      entries: 100,
      freshMs: 30_000,
      hardMs: 60_000,
      staleMs: 86_400_000,
      clock,
      counters,
      log: silentLog,
      onReading: (reading) => tellReading(news, reading),
    })
    const stop = hearOfChanges(news, cache, counters)
    const directory = announced(store.editor, (change) => {
      cache.changed(change)
      tellFleet(news, change)
    })
    return { cache, directory, counters, stop }
  }

  const nameIn = async (cache: DirectoryCache) => {
    const found = await cache.find(T1)
    return found.verdict === 'found' ? found.installation.integration.name : found.verdict
  }

  it('is of one mind after a change through any of it', async () => {
    const fleet = createFleet()
    const [one, other] = [gateway(fleet.member()), gateway(fleet.member())]
    expect([await nameIn(one.cache), await nameIn(other.cache)]).toEqual(['absent', 'absent'])
    await one.directory.putIntegration(acme, always)
    expect([await nameIn(one.cache), await nameIn(other.cache)]).toEqual(['Acme', 'Acme'])
    await other.directory.putIntegration({ ...acme, name: 'Renamed' }, always)
    expect([await nameIn(one.cache), await nameIn(other.cache)]).toEqual(['Renamed', 'Renamed'])
    await one.directory.deleteIntegration('1', always)
    expect([await nameIn(one.cache), await nameIn(other.cache)]).toEqual(['absent', 'absent'])
  })

  it('hears of every kind of change, and of nothing that changes nothing', async () => {
    const fleet = createFleet()
    const { directory } = gateway(fleet.member())
    const organization = { id: '10', slug: 'acme', name: 'Acme', region: 'us', status: 'active', held: false } as const
    const link = { integrationId: '1', organizationId: '10', status: 'active' } as const
    const writes: (() => Promise<unknown>)[] = [
      () => directory.putIntegration(acme, always),
      () => directory.putOrganization(organization, always),
      () => directory.putLink(link, always),
      () => directory.putLink(link, always),
      () => directory.putLink({ ...link, integrationId: '2' }, always),
      () => directory.putLink(link, { author: 'ada', precondition: { kind: 'absent' } }),
      () => directory.deleteLink('1', '10', always),
      () => directory.deleteLink('1', '10', always),
      () => directory.deleteOrganization('10', always),
      () => directory.deleteIntegration('1', always),
    ]
    const told: number[] = []
    for (const write of writes) {
      await write()
      told.push(fleet.published.length)
    }
    expect(told).toEqual([1, 2, 3, 3, 3, 3, 4, 4, 5, 6])
  })

  it('hears nothing of a change that did not come about', async () => {
    const fleet = createFleet()
    const { directory } = gateway(fleet.member())
    await store.close()
    await expect(directory.putIntegration(acme, always)).rejects.toThrow(/destroyed|not open/)
    expect(fleet.published).toEqual([])
    store = await openDirectory({ kind: 'sqlite', path: ':memory:' }, { clock })
  })

  it('reads as the editor does', async () => {
    const { directory } = gateway(createFleet().member())
    await directory.putIntegration(acme, always)
    expect(await directory.integrations({}, { limit: 10 })).toEqual([await store.editor.integration('1')])
  })

  it('asks for everything again after an import that tells it of all', async () => {
    const fleet = createFleet()
    const { cache } = gateway(fleet.member())
    await store.editor.putIntegration(acme, always)
    expect(await nameIn(cache)).toBe('Acme')
    await store.editor.putIntegration({ ...acme, name: 'Imported' }, always)
    expect(await nameIn(cache)).toBe('Acme')
    tellFleet(fleet.member(), { version: 2, what: { kind: 'all' } })
    expect(await nameIn(cache)).toBe('Imported')
  })

  it('asks for everything again where something may have been missed', async () => {
    const fleet = createFleet()
    const { cache } = gateway(fleet.member())
    await store.editor.putIntegration(acme, always)
    expect(await nameIn(cache)).toBe('Acme')
    await store.editor.putIntegration({ ...acme, name: 'Renamed' }, always)
    for (const { listener } of fleet.listeners) listener.missed()
    expect(await nameIn(cache)).toBe('Renamed')
  })

  it('asks the database for a key that all of it use once in CACHE_FRESH_MS, not once each', async () => {
    const find = vi.spyOn(store, 'find')
    const fleet = createFleet()
    const members = [1, 2, 3].map(() => gateway(fleet.member()))
    await members[0]?.directory.putIntegration(acme, always)
    for (let second = 0; second < 310; second++) {
      for (const { cache } of members) {
        await cache.find(T1)
        await new Promise((resolve) => setImmediate(resolve))
      }
      clock.advance(1000)
    }
    // Once each at first, and then each half minute.
    expect(find).toHaveBeenCalledTimes(3 + 9)
    find.mockRestore()
  })

  it('hears nothing any more once it has stopped', async () => {
    const fleet = createFleet()
    gateway(fleet.member()).stop()
    expect(fleet.listeners.size).toBe(0)
  })
})

describe('a message', () => {
  function setUp() {
    const fleet = createFleet()
    const counters = createCounters()
    const heard: (DirectoryChange | Reading)[] = []
    const hear = (message: DirectoryChange | Reading): void => void heard.push(message)
    hearOfChanges(fleet.member(), { changed: hear, readElsewhere: hear, missed: () => {} }, counters)
    const tell = (text: string, about = 'directory') => {
      for (const { listener, topic } of fleet.listeners) if (topic === about) listener.heard(text)
    }
    return { counters, heard, tell, news: fleet.member() }
  }

  it.each<DirectoryChange>([
    { version: 7, what: { kind: 'all' } },
    {
      version: 9_007_199_254_740_991,
      what: {
        kind: 'some',
        integrations: ['1'],
        organizations: ['9223372036854775807'],
        installations: [{ provider: 'slack', externalId: 'T1 "é"' }],
      },
    },
  ])('says what it was told: %j', (change) => {
    const { news, heard } = setUp()
    tellFleet(news, change)
    expect(heard).toEqual([change])
  })

  it('says what was read', () => {
    const { news, heard } = setUp()
    const reading = { name: 'slack|0:|2:T1', version: 7, content: 'digest', at: 1_750_000_000_000.5 }
    tellReading(news, reading)
    expect(heard).toEqual([reading])
  })

  it.each([
    '',
    'x',
    'null',
    '{}',
    '{"version":1}',
    '{"version":-1,"what":{"kind":"all"}}',
    '{"version":1.5,"what":{"kind":"all"}}',
    '{"version":"1","what":{"kind":"all"}}',
    '{"version":1,"what":{"kind":"none"}}',
    '{"version":1,"what":{"kind":"some","integrations":[1],"organizations":[],"installations":[]}}',
    '{"version":1,"what":{"kind":"some","integrations":[],"organizations":[],"installations":["T1"]}}',
  ])('that is none of ours is left aside, and counted: %s', (text) => {
    const { tell, heard, counters } = setUp()
    tell(text)
    expect(heard).toEqual([])
    expect(counters.read().get('news_malformed_total')).toBe(1)
    tell(text, 'directory-readings')
    expect(heard).toEqual([])
    expect(counters.read().get('news_malformed_total')).toBe(2)
  })
})

it('an editor that is announced has announced a change before its writer hears of it', async () => {
  const order: string[] = []
  const change: DirectoryChange = { version: 1, what: { kind: 'all' } }
  const editor = {
    deleteIntegration: () => Promise.resolve({ kind: 'deleted', before: { ...acme, version: 1 }, change }),
  } as Partial<DirectoryEditor> as DirectoryEditor
  await announced(editor, () => order.push('announced')).deleteIntegration('1', always)
  order.push('written')
  expect(order).toEqual(['announced', 'written'])
})
