import * as fc from 'fast-check'
import { encodeTime } from 'ulid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { openDirectory, type Database, type DirectoryStore } from '../../../src/directory/store.ts'
import { packBlock } from '../../../src/records/block.ts'
import type { Entry } from '../../../src/records/story.ts'
import type { RecordFilter } from '../../../src/records/words.ts'
import { NOW, recordOf } from './record-of.ts'

/** Some of them come in the same millisecond, and a filter's time is often that of one of them. */
const MILLISECONDS = 20
const MOST_BLOCKS = 60

/** What is found, page after page, against a list of all that was written, however it lies in blocks. */
export function pagesConformance(name: string, database: () => Promise<Database>, { runs = 40 } = {}): void {
  describe(`pages of records on ${name}`, () => {
    let store: DirectoryStore
    beforeAll(async () => {
      store = await openDirectory(await database(), { clock: systemClock })
    })
    afterAll(() => store.close())

    it('hold each record that is wanted once, as it was told last, the newest first, and come to an end', async () => {
      await fc.assert(
        fc.asyncProperty(
          webhooks,
          fc.integer({ min: 1, max: MOST_BLOCKS }),
          filters,
          fc.integer({ min: 1, max: 9 }),
          async (...given) => {
            const [came, blocks, filter, limit] = given
            const { records } = store
            await records.sweep({ before: NOW * 2, maxBytes: 0, limit: 1000 })
            const told = came.map((one, at) => ({
              ...one,
              id: `${encodeTime(NOW + one.at)}${String(at).padStart(16, '0')}`,
            }))
            const written = new Map<number, Map<string, Entry>>()
            const tell = (block: number, entry: Entry): void => {
              const name = block % blocks
              written.set(name, (written.get(name) ?? new Map<string, Entry>()).set(entry.story.id, entry))
            }
            for (const one of told) if (one.earlierIn !== undefined) tell(one.earlierIn, entryOf(one, true))
            for (const one of told) tell(one.in, entryOf(one, false))
            for (const [block, entries] of written) {
              await records.write({ block: packBlock(`b${block}`, [...entries.values()]), notes: [] })
            }

            const wanted = told
              .filter((one) => isIn(one, filter))
              .map(({ id }) => id)
              .toSorted()
              .toReversed()
            const found: string[] = []
            let before: string | undefined
            let pages = 0
            do {
              const page = await records.list(filter, { limit, before })
              expect(page.rows.length).toBeLessThanOrEqual(limit)
              found.push(...page.rows.map(({ story }) => story.id))
              expect(page.rows.filter(({ story }) => story.running)).toEqual([])
              before = page.next
              pages += 1
            } while (before !== undefined && pages < 1000)
            expect(before).toBeUndefined()
            expect(found).toEqual(wanted)
          },
        ),
        { numRuns: runs },
      )
    })
  })
}

interface Came {
  at: number
  type: string
  installation: string
  /** As it was told last. */
  failed: boolean
  /** It was told before, while it was running, when it had not failed. */
  earlierIn: number | undefined
  in: number
}

const webhook: fc.Arbitrary<Came> = fc.record({
  at: fc.integer({ min: 0, max: MILLISECONDS }),
  type: fc.constantFrom('a', 'b'),
  installation: fc.constantFrom('T1', 'T2'),
  failed: fc.boolean(),
  earlierIn: fc.option(fc.nat({ max: MOST_BLOCKS - 1 }), { nil: undefined }),
  in: fc.nat({ max: MOST_BLOCKS - 1 }),
})
/** Few are easily understood where one fails; of many, more blocks lie across a place than one page opens. */
const webhooks = fc.oneof(fc.array(webhook, { maxLength: 10 }), fc.array(webhook, { minLength: 240, maxLength: 240 }))

const time = fc.option(fc.integer({ min: NOW, max: NOW + MILLISECONDS }), { nil: undefined, freq: 1 })
const filters: fc.Arbitrary<RecordFilter> = fc.record({
  type: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
  installation: fc.option(fc.constantFrom('T1', 'T2'), { nil: undefined }),
  failed: fc.option(fc.boolean(), { nil: undefined }),
  text: fc.option(fc.constantFrom('t1', 'nowhere'), { nil: undefined }),
  from: time,
  until: time,
})

function entryOf({ id, at, type, installation, failed }: Came & { id: string }, running: boolean): Entry {
  return recordOf({ id, receivedAt: NOW + at, type, installation, running, failed: failed && !running })
}

function isIn(
  { id, at, ...is }: Came & { id: string },
  { type, installation, failed, text, from, until }: RecordFilter,
) {
  const wanted = { type, installation, failed }
  return (
    (['type', 'installation', 'failed'] as const).every(
      (name) => wanted[name] === undefined || wanted[name] === is[name],
    ) &&
    (text === undefined || [id, is.type, is.installation].some((one) => one.toLowerCase().includes(text))) &&
    NOW + at >= (from ?? 0) &&
    NOW + at < (until ?? Infinity)
  )
}
