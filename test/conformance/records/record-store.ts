import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ulid } from 'ulid'
import { systemClock } from '../../../src/clock.ts'
import type { Database, DirectoryStore } from '../../../src/directory/store.ts'
import { openDirectory } from '../../../src/directory/store.ts'
import type { RecordStore } from '../../../src/records/record-store.ts'
import type { RecordRow } from '../../../src/records/record-tables.ts'

const NOW = 1_750_000_000_000
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
    const record = (fields: Partial<RecordRow> = {}): RecordRow => {
      const received_at = fields.received_at ?? NOW + (made += 1) * 1000
      return {
        delivery: ulid(received_at),
        received_at,
        surface: 'event',
        type: 'app_mention',
        installation: 'T1',
        integration_id: '1',
        outcome: 'passed_on',
        status: 200,
        failed: 0,
        dedup_key: null,
        organizations: ' 10 11 ',
        regions: ' us eu ',
        story: '{}',
        ...fields,
      }
    }
    const write = (...rows: RecordRow[]) => records.write({ records: rows, notes: [] })
    const found = async (filter: Parameters<RecordStore['list']>[0]) =>
      (await records.list(filter, { limit: 100, before: undefined })).rows.map(({ delivery }) => delivery)

    it('are read as they were written', async () => {
      const story = JSON.stringify({ says: 'ä\0"\\\ud83d', deep: [null, 1.5] })
      const row = record({ story, integration_id: '9223372036854775807', type: 'grüß "dich"' })
      await write(row)
      expect(await records.read(row.delivery)).toMatchObject({ story, notes: [] })
      const { rows } = await records.list({}, { limit: 1, before: undefined })
      const { story: _, dedup_key: __, ...listed } = row
      expect(rows).toEqual([listed])
    })

    it('know nothing of a delivery that was never written', async () => {
      expect(await records.read('01NEVER')).toBeUndefined()
    })

    it('are replaced when they are told again', async () => {
      const row = record({ story: '{"running":true}' })
      await write(row)
      await write({ ...row, outcome: 'late', story: '{}' })
      expect(await records.read(row.delivery)).toMatchObject({ story: '{}' })
      expect(await found({ outcome: 'late' })).toEqual([row.delivery])
    })

    it('are listed from the newest on, page by page', async () => {
      const rows = [record(), record(), record()]
      await write(...rows)
      const newest = rows.map(({ delivery }) => delivery).toReversed()
      const first = await records.list({}, { limit: 2, before: undefined })
      expect(first.rows.map(({ delivery }) => delivery)).toEqual(newest.slice(0, 2))
      const second = await records.list({}, { limit: 2, before: first.next })
      expect(second.rows.map(({ delivery }) => delivery)).toEqual(newest.slice(2))
      expect(second.next).toBeUndefined()
    })

    it.each<[string, Partial<RecordRow>, Parameters<RecordStore['list']>[0]]>([
      ['surface', { surface: 'command' }, { surface: 'command' }],
      ['type', { type: '/silo' }, { type: '/silo' }],
      ['outcome', { outcome: 'late' }, { outcome: 'late' }],
      ['status', { status: 502 }, { status: 502 }],
      ['failure', { failed: 1 }, { failed: true }],
      ['installation', { installation: 'T2' }, { installation: 'T2' }],
      ['integration', { integration_id: '2' }, { integration: '2' }],
      ['organization', { organizations: ' 1 ' }, { organization: '1' }],
      ['region', { regions: ' ap ' }, { region: 'ap' }],
      ['time from on', { received_at: NOW + 9_000_000 }, { from: NOW + 9_000_000 }],
      ['time before', { received_at: NOW - 1 }, { until: NOW }],
      ['a part of a text, whatever its case', { type: 'Team_Rename' }, { text: 'team_ren' }],
      ['several at once', { surface: 'command', status: 503 }, { surface: 'command', status: 503 }],
    ])('are found by %s', async (_, fields, filter) => {
      const wanted = record(fields)
      await write(record(), wanted, record())
      expect(await found(filter)).toEqual([wanted.delivery])
    })

    it('are found however many others came since, a page being short before the end', async () => {
      const wanted = record({ surface: 'command' })
      await write(wanted)
      for (let batch = 0; batch < 5; batch++) await write(...Array.from({ length: 500 }, () => record()))
      const pages = []
      let before: string | undefined
      do {
        const page = await records.list({ surface: 'command' }, { limit: 10, before })
        pages.push(page.rows.map(({ delivery }) => delivery))
        before = page.next
      } while (before !== undefined)
      expect(pages).toEqual([[], [wanted.delivery]])
    })

    it('keep what became of a delivery since, in its order, whoever tells it first', async () => {
      const row = record()
      const note = (at: number) => ({ delivery: row.delivery, at: NOW + at, note: `{"n":${at}}` })
      await records.write({ records: [], notes: [note(2)] })
      await write(row)
      await records.write({ records: [], notes: [note(1), note(3)] })
      expect((await records.read(row.delivery))?.notes).toEqual([
        { at: NOW + 1, note: '{"n":1}' },
        { at: NOW + 2, note: '{"n":2}' },
        { at: NOW + 3, note: '{"n":3}' },
      ])
    })

    it('count duplicates, and lead from each to the first', async () => {
      const first = record({ dedup_key: 'k' })
      const again = [1, 2].map(() => record({ dedup_key: 'k', outcome: 'duplicate' }))
      await write(first, ...again, record({ dedup_key: 'other', outcome: 'duplicate' }))
      expect(await records.read(first.delivery)).toMatchObject({
        duplicates: { count: 2, lastAt: again[1]?.received_at },
        original: undefined,
      })
      expect(await records.read(again[0]?.delivery ?? '')).toMatchObject({
        duplicates: { count: 0 },
        original: first.delivery,
      })
    })

    it('are removed when they are too old, a part at a time, the oldest first, with what became of them', async () => {
      const rows = [record(), record(), record(), record()]
      const [first, , third, fourth] = rows.map(({ delivery }) => delivery)
      await records.write({ records: rows, notes: [{ delivery: first ?? '', at: 1, note: '{}' }] })
      const limits = { ...NO_LIMITS, before: rows[3]?.received_at ?? 0, limit: 2 }
      expect(await records.sweep(limits)).toEqual({ removed: 2 })
      expect(await found({})).toEqual([fourth, third])
      expect(await records.sweep(limits)).toEqual({ removed: 1 })
      expect(await records.sweep(limits)).toEqual({ removed: 0 })
      expect(await found({})).toEqual([fourth])
      await write(record({ delivery: first ?? '', received_at: NOW }))
      expect(await records.read(first ?? '')).toMatchObject({ notes: [] })
    })

    it('are removed when they are too much, until there is room again', async () => {
      const rows = Array.from({ length: 10 }, () => record({ story: JSON.stringify('x'.repeat(10_000)) }))
      await write(...rows)
      // What is written twice is there once.
      await write(...rows)
      expect(await records.sweep({ ...NO_LIMITS, maxBytes: 120_000 })).toEqual({ removed: 0 })
      expect(await records.sweep({ ...NO_LIMITS, maxBytes: 50_000 })).toEqual({ removed: 6 })
      expect(await found({})).toEqual(
        rows
          .map(({ delivery }) => delivery)
          .toReversed()
          .slice(0, 4),
      )
      expect(await records.sweep({ ...NO_LIMITS, maxBytes: 50_000 })).toEqual({ removed: 0 })
    })

    it('are all kept when several write at once', async () => {
      const batches = Array.from({ length: 8 }, () => Array.from({ length: 20 }, () => record()))
      await Promise.all(batches.map((rows) => write(...rows)))
      expect((await records.list({}, { limit: 1000, before: undefined })).rows).toHaveLength(160)
    })
  })
}
