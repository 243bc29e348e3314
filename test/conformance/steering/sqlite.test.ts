import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { openDirectory } from '../../../src/directory/store.ts'
import { systemClock } from '../../../src/clock.ts'
import { steeringConformance } from './steering-store.ts'

let folder: string
let files = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steering-'))
})
afterAll(() => rm(folder, { recursive: true }))

steeringConformance('SQLite in memory', async () => ({
  open: (clock) => openDirectory({ kind: 'sqlite', path: ':memory:' }, { clock }),
  isShared: false,
}))
steeringConformance('a SQLite file', async () => {
  const path = join(folder, `${files++}.db`)
  // Whoever waits for another's lock does so by the clock.
  return { open: () => openDirectory({ kind: 'sqlite', path }, { clock: systemClock }), isShared: true }
})
