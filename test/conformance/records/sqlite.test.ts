import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ulid } from 'ulid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { openDirectory } from '../../../src/directory/store.ts'
import { compress, packBlock } from '../../../src/records/block.ts'
import type { Entry } from '../../../src/records/story.ts'
import { pagesConformance } from './pages.ts'
import { NOW, recordOf } from './record-of.ts'
import { recordStoreConformance } from './record-store.ts'

let folder: string
let files = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'records-'))
})
afterAll(() => rm(folder, { recursive: true }))

recordStoreConformance('SQLite in memory', async () => ({ kind: 'sqlite', path: ':memory:' }))
recordStoreConformance('a SQLite file', async () => ({ kind: 'sqlite', path: join(folder, `${files++}.db`) }))
pagesConformance('SQLite in memory', async () => ({ kind: 'sqlite', path: ':memory:' }))

describe('records that are erased of a SQLite file', () => {
  it('are not in it any more once it is closed, nor is what was there while their block grew', async () => {
    const path = join(folder, 'erased.db')
    const store = await openDirectory({ kind: 'sqlite', path }, { clock: systemClock })
    const entries: Entry[] = []
    const written: Buffer[] = []
    const body = () => Array.from({ length: 30 }, () => ulid()).join(' ')
    for (let at = 0; at < 40; at++) {
      const content = { headers: {}, body: body(), bytes: 1, cut: false }
      entries.push(recordOf({ receivedAt: NOW + at, integration: '7', content }))
      const block = packBlock('grows', entries)
      await store.records.write({ block, notes: [] })
      written.push(Buffer.from(compress(block.body).subarray(200, 260)))
    }
    await store.records.erase({ integration: '7', installation: undefined })
    await store.close()
    const file = await readFile(path)
    expect(written.filter((part) => file.includes(part))).toEqual([])
  })
})
