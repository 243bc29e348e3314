import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { pagesConformance } from './pages.ts'
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
