import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll } from 'vitest'
import { openSqlite } from '../../../src/database/sqlite-connections.ts'
import { openDirectory } from '../../../src/directory/store.ts'
import { directoryImportConformance } from './directory-import.ts'
import { directoryStoreConformance } from './directory-store.ts'

let folder: string
let files = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sqlite-'))
})
afterAll(() => rm(folder, { recursive: true }))

directoryStoreConformance('SQLite in memory', (clock) => openDirectory({ kind: 'sqlite', path: ':memory:' }, { clock }))
directoryStoreConformance('a SQLite file', (clock) =>
  openDirectory({ kind: 'sqlite', path: join(folder, `${files++}.db`) }, { clock }),
)

directoryImportConformance('a SQLite file', async (clock) => ({
  connections: await openSqlite(join(folder, `${files++}.db`), clock),
  async waits() {
    while (clock.pending() === 0) await setImmediate()
  },
}))
