import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { directSpool, openDirectSpool } from '../../../src/spool/sqlite/direct-spool.ts'
import { openSqliteSpool } from '../../../src/spool/sqlite/sqlite-spool.ts'
import { connectSpool } from '../../../src/spool/sqlite/transaction.ts'
import { movingConformance } from './moving.ts'
import { spoolConformance, type Adapter } from './spool.ts'

let folder: string
let files = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spool-'))
})
afterAll(() => rm(folder, { recursive: true }))

const newFile = () => join(folder, `${files++}.db`)
const close = () => Promise.resolve()

function conformance(name: string, adapter: Adapter): void {
  spoolConformance(name, adapter)
  movingConformance(name, adapter)
}

conformance('without a thread, instances on one connection', {
  shared: true,
  async open(clock) {
    const connection = await connectSpool(':memory:', { waitMs: 0 })
    return {
      instance: (instance, at = clock) => Promise.resolve(directSpool(connection, { clock: at, instance })),
      close: () => Promise.resolve(connection.database.close()),
    }
  },
})

conformance('without a thread, a file', {
  shared: true,
  open(clock) {
    const path = newFile()
    return Promise.resolve({
      instance: (instance, at = clock) => openDirectSpool(path, { clock: at, instance }),
      close,
    })
  },
})

conformance('a thread, a file', {
  shared: true,
  open(clock) {
    const path = newFile()
    return Promise.resolve({
      instance: (instance, at = clock) => openSqliteSpool(path, { clock: at, instance }),
      close,
    })
  },
})

conformance('a thread, in memory', {
  shared: false,
  open: (clock) =>
    Promise.resolve({
      instance: (instance, at = clock) => openSqliteSpool(':memory:', { clock: at, instance }),
      close,
    }),
})
