import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ulid } from 'ulid'
import { systemClock } from '../../../src/clock.ts'
import type { Database, DirectoryStore } from '../../../src/directory/store.ts'
import { openDirectory } from '../../../src/directory/store.ts'
import type { RecordStore } from '../../../src/records/record-store.ts'
import { packBlock } from '../../../src/records/block.ts'
import type { NoteRow } from '../../../src/records/record-tables.ts'
import type { Entry } from '../../../src/records/story.ts'
import { NOW, recordOf, type Fields } from './record-of.ts'

const SEVEN = { integration: '7', installation: undefined }
const CAME = {
  provider: 'slack',
  app_id: null,
  external_id: null,
  enterprise_id: null,
  integration_id: null,
  found_in: 'team_id',
}
const NO_LIMITS = { before: 0, maxBytes: 1e12, limit: 100 }

/** What every store of records does, whatever database is behind it. */
export function recordStoreConformance(name: string, database: () => Promise<Database>): void {
  describe(`records on ${name}`, () => {
    let store: DirectoryStore
    let records: RecordStore
    beforeEach(async () => {
      store = await openDirectory(await database(), { clock: systemClock })
      records = store.records
    })
    afterEach(() => store.close())

    let made = 0
    /** A record of its own second. */
    const record = (fields: Fields = {}): Entry => recordOf({ receivedAt: NOW + (made += 1) * 1000, ...fields })
    let blocks = 0
    const writeBlock = async (name: string, entries: readonly Entry[], notes: readonly NoteRow[] = []) =>
      await records.write({ block: packBlock(name, entries), notes })
    const write = (...entries: Entry[]) => writeBlock(`test.${(blocks += 1)}`, entries)
    const idOf = ({ story }: Entry) => story.id
    const found = async (filter: Parameters<RecordStore['list']>[0]) =>
      (await records.list(filter, { limit: 10_000, before: undefined })).rows.map(idOf)
    const pages = async (filter: Parameters<RecordStore['list']>[0], limit: number) => {
      const all: string[][] = []
      let before: string | undefined
      do {
        const page = await records.list(filter, { limit, before })
        all.push(page.rows.map(idOf))
        if (before !== undefined && page.next !== undefined) expect(page.next < before).toBe(true)
        before = page.next
      } while (before !== undefined)
      return all
    }

    it('are read as they were written, and listed', async () => {
      const entry = record({ integration: '9223372036854775807', type: 'grüß "dich" \0\ud83d' })
      await write(entry)
      const { id, plan } = entry.story
      expect((await records.read(id))?.story).toEqual({
        ...entry.story,
        ...entry.way,
        regions: [{ ...entry.way.regions[0], planned: plan?.regions.includes('us') }],
      })
      expect((await records.list({}, { limit: 1, before: undefined })).rows).toEqual([entry])
    })

    it('know nothing of a delivery that was never written', async () => {
      await write(record(), record())
      expect(await records.read('01NEVER')).toBeUndefined()
      expect(await records.read(ulid(NOW + 1500))).toBeUndefined()
    })

    it('are written again with those that came since, as one block', async () => {
      const [first, second] = [record(), record()]
      await writeBlock('grows', [first])
      await writeBlock('grows', [first, second])
      expect(await found({})).toEqual([idOf(second), idOf(first)])
    })

    it.each(['in the block that it was written in', 'in a later block', 'in a block with younger ones'])(
      'are replaced once what was running is over, %s',
      async (where) => {
        const running = record({ running: true, outcome: 'late' })
        const over: Entry = { ...running, story: { ...running.story, running: false, failed: true } }
        const younger = record()
        await writeBlock('one', where.includes('younger') ? [running, younger] : [running])
        await writeBlock(where.includes('that it') ? 'one' : 'two', [over])
        expect((await records.read(idOf(running)))?.story).toMatchObject({ running: false, failed: true })
        expect(await found({ outcome: 'late' })).toEqual([idOf(running)])
        expect(await found({ failed: true })).toEqual([idOf(running)])
        expect(await found({ failed: false, outcome: 'late' })).toEqual([])
      },
    )

    it('are listed from the newest on, page by page, however they lie in blocks of several gateways', async () => {
      const all = Array.from({ length: 30 }, () => record())
      await write(...all.filter((_, at) => at % 3 === 0))
      await write(...all.filter((_, at) => at % 3 === 1 && at < 20))
      await write(...all.filter((_, at) => (at % 3 === 1 && at >= 20) || at % 3 === 2))
      const newest = all.map(idOf).toReversed()
      const inPages = await pages({}, 7)
      expect(inPages.flat()).toEqual(newest)
      expect(inPages.map(({ length }) => length)).toEqual([7, 7, 7, 7, 2])
    })

    it.each<[string, Fields, Parameters<RecordStore['list']>[0]]>([
      ['surface', { surface: 'command' }, { surface: 'command' }],
      ['type', { type: '/silo' }, { type: '/silo' }],
      ['outcome', { outcome: 'late' }, { outcome: 'late' }],
      ['status', { status: 502 }, { status: 502 }],
      ['failure', { failed: true }, { failed: true }],
      ['installation', { installation: 'T2' }, { installation: 'T2' }],
      ['integration', { integration: '2' }, { integration: '2' }],
      ['organization', { organization: '1' }, { organization: '1' }],
      ['region', { regions: ['ap'] }, { region: 'ap' }],
      ['time from on', { receivedAt: NOW + 9_000_000 }, { from: NOW + 9_000_000 }],
      ['time before', { receivedAt: NOW - 1 }, { until: NOW }],
      ['a part of a text, whatever its case', { type: 'Team_Rename' }, { text: 'team_ren' }],
      ['several at once', { surface: 'command', status: 503 }, { surface: 'command', status: 503 }],
    ])('are found by %s', async (_, fields, filter) => {
      const wanted = record(fields)
      await write(record(), wanted, record())
      expect(await found(filter)).toEqual([idOf(wanted)])
    })

    it('are found however many others came since, a page being short before the end', async () => {
      const wanted = record({ type: 'wanted' })
      await write(wanted)
      for (let block = 0; block < 40; block++) await write(record(), record())
      // No index helps to find a part of a text: each block is opened.
      expect(await pages({ text: 'wante' }, 10)).toEqual([[], [idOf(wanted)]])
      // What is looked for as a whole is found without opening others.
      expect(await pages({ type: 'wanted' }, 10)).toEqual([[idOf(wanted)]])
    })

    it('are found however many blocks lie across the place where a page ends', async () => {
      const early = Array.from({ length: 40 }, () => record())
      const late = Array.from({ length: 40 }, () => record())
      for (const [at, entry] of early.entries()) await write(entry, late[at] ?? entry)
      const [first] = early
      expect(await pages({ text: first?.story.id }, 10)).toEqual([[], [first?.story.id]])
    })

    it('are found where more blocks than are looked at together lie before them', async () => {
      const wanted = record({ type: 'wanted' })
      await write(wanted)
      for (let block = 0; block < 120; block++) await write(record())
      expect(await found({ type: 'wanted' })).toEqual([idOf(wanted)])
    })

    it('keep what became of a delivery since, in its order, whoever tells it first', async () => {
      const entry = record()
      const note = (at: number) => ({ delivery: idOf(entry), at: NOW + at, note: `{"n":${at}}` })
      await records.write({ block: undefined, notes: [note(2)] })
      await write(entry)
      await records.write({ block: undefined, notes: [note(1), note(3)] })
      expect((await records.read(idOf(entry)))?.notes).toEqual([
        { at: NOW + 1, note: '{"n":1}' },
        { at: NOW + 2, note: '{"n":2}' },
        { at: NOW + 3, note: '{"n":3}' },
      ])
    })

    it('count duplicates, and lead from each to the first', async () => {
      const first = record({ dedupKey: 'k' })
      const again = [1, 2].map(() => record({ dedupKey: 'k', outcome: 'duplicate' }))
      await write(first)
      await write(...again, record({ dedupKey: 'other', outcome: 'duplicate' }))
      expect(await records.read(idOf(first))).toMatchObject({
        duplicates: { count: 2, lastAt: Date.parse(again[1]?.story.received_at ?? '') },
        original: undefined,
      })
      expect(await records.read(again[0]?.story.id ?? '')).toMatchObject({
        duplicates: { count: 0 },
        original: idOf(first),
      })
    })

    it('count once a duplicate that was written twice, since nobody knew that it was written, and so what became of it', async () => {
      const first = record({ dedupKey: 'k' })
      const again = record({ dedupKey: 'k', outcome: 'duplicate' })
      const notes = [{ delivery: idOf(first), at: NOW, note: '{"n":1}' }]
      for (const name of ['one', 'two']) await writeBlock(name, [first, again], notes)
      expect(await records.read(idOf(first))).toMatchObject({
        duplicates: { count: 1 },
        notes: [{ at: NOW, note: '{"n":1}' }],
      })
      expect(await found({})).toEqual([idOf(again), idOf(first)])
    })

    it('take nothing for a duplicate that came more than 25 h later', async () => {
      const first = record({ dedupKey: 'k' })
      const again = record({ dedupKey: 'k', outcome: 'duplicate', receivedAt: NOW + 26 * 3_600_000 })
      await write(first)
      await write(again)
      expect(await records.read(idOf(first))).toMatchObject({ duplicates: { count: 0, lastAt: undefined } })
      expect(await records.read(idOf(again))).toMatchObject({ original: undefined })
    })

    it('know nothing of a text that is no delivery’s id', async () => {
      for (const text of ['', '\0', '\ud800', '01NEVER']) expect(await records.read(text)).toBeUndefined()
    })

    it('are removed when they are too old, a part at a time, the oldest first, with what became of them', async () => {
      const entries = [record(), record(), record(), record()]
      const [first = '', , third, fourth] = entries.map(idOf)
      for (const entry of entries) await write(entry)
      await records.write({ block: undefined, notes: [{ delivery: first, at: 1, note: '{}' }] })
      const limits = { ...NO_LIMITS, before: Date.parse(entries[3]?.story.received_at ?? ''), limit: 2 }
      expect(await records.sweep(limits)).toEqual({ removed: 2 })
      expect(await found({})).toEqual([fourth, third])
      expect(await records.sweep(limits)).toEqual({ removed: 1 })
      expect(await records.sweep(limits)).toEqual({ removed: 0 })
      expect(await found({})).toEqual([fourth])
      await write(record({ id: first }))
      expect(await records.read(first)).toMatchObject({ notes: [] })
    })

    it('are removed when they are too much, until there is room again', async () => {
      const body = () => Array.from({ length: 500 }, () => ulid()).join(' ')
      const entries = Array.from({ length: 10 }, () =>
        record({ content: { headers: {}, body: body(), bytes: 1, cut: false } }),
      )
      // What is written twice is there once.
      for (let time = 0; time < 2; time++)
        for (const [at, entry] of entries.entries()) await writeBlock(`b${at}`, [entry])
      expect(await records.sweep({ ...NO_LIMITS, maxBytes: 150_000 })).toEqual({ removed: 0 })
      const { removed } = await records.sweep({ ...NO_LIMITS, maxBytes: 50_000 })
      expect(removed).toBeGreaterThan(2)
      expect(removed).toBeLessThan(9)
      expect(await found({})).toEqual(entries.map(idOf).toReversed().slice(0, -removed))
      expect(await records.sweep({ ...NO_LIMITS, maxBytes: 50_000 })).toEqual({ removed: 0 })
      await records.sweep({ ...NO_LIMITS, maxBytes: 0 })
      // Nothing is left over in the account.
      await writeBlock('last', [record()])
      expect(await records.sweep({ ...NO_LIMITS, maxBytes: 2000 })).toEqual({ removed: 0 })
    })

    it('are erased of one integration and no other, with what became of them', async () => {
      const [own, others] = [record({ integration: '7' }), record()]
      await writeBlock('both', [own, others], [{ delivery: idOf(own), at: 1, note: '{}' }])
      await writeBlock('own', [record({ integration: '7' })])
      expect(await records.erase(SEVEN)).toEqual({ removed: 2 })
      expect(await records.erase(SEVEN)).toEqual({ removed: 0 })
      expect(await found({})).toEqual([idOf(others)])
      expect(await records.read(idOf(own))).toBeUndefined()
      await write(own)
      expect(await records.read(idOf(own))).toMatchObject({ notes: [] })
    })

    it.each([
      ['', null, true],
      ['', 'A1', true],
      ['A1', 'A1', true],
      ['A1', null, true],
      ['A1', 'A2', false],
    ])('are erased where nobody knew whose it was, of app %j by %j: %s', async (appId, app_id, isErased) => {
      const came = { ...CAME, external_id: 'T7', app_id }
      await write(record({ integration: null, installation: 'T7', came }))
      const others = [
        record({ integration: '8', installation: 'T7', came }),
        record({ integration: null, came: { ...came, provider: 'other' }, installation: 'T7' }),
        record({ integration: null }),
      ]
      await write(...others)
      const installation = { provider: 'slack', appId, externalId: 'T7' }
      expect(await records.erase({ integration: '7', installation })).toEqual({ removed: isErased ? 1 : 0 })
      expect(await found({ until: Date.parse(others[2]?.story.received_at ?? '') + 1 })).toHaveLength(isErased ? 3 : 4)
    })

    it('are erased where they came for the integration by its id, and nobody asked the directory for it', async () => {
      const came = { ...CAME, integration_id: '7' }
      await write(record({ integration: null, installation: 'slack:integration:7', came }))
      const installation = { provider: 'slack', appId: '', externalId: 'T7' }
      expect(await records.erase({ integration: '7', installation })).toEqual({ removed: 1 })
    })

    it('are erased in steps, between which others are written', async () => {
      for (let block = 0; block < 150; block++) await write(record({ integration: '7' }))
      const order: string[] = []
      const erasing = records.erase(SEVEN).then(({ removed }) => order.push(`erased ${removed}`))
      await write(record()).then(() => order.push('written'))
      await erasing
      expect(order).toEqual(['written', 'erased 150'])
    })

    it('stay erased when their block is written again: what has come since belongs into another', async () => {
      const [own, others, since] = [record({ integration: '7' }), record(), record()]
      await writeBlock('grows', [own, others])
      await records.erase(SEVEN)
      expect(await writeBlock('grows', [own, others, since])).toEqual({ isTaken: false })
      expect(await writeBlock('next', [since])).toEqual({ isTaken: true })
      expect(await found({})).toEqual([idOf(since), idOf(others)])
    })

    it('are all kept when several write at once', async () => {
      const batches = Array.from({ length: 8 }, () => Array.from({ length: 20 }, () => record()))
      await Promise.all(batches.map((entries) => write(...entries)))
      expect(await found({})).toHaveLength(160)
    })
  })
}
