import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDirectory, type Database } from '../../../src/directory/store.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const clock = createManualClock()
const T1 = { by: 'external', provider: 'slack', appId: '', externalId: 'T1' } as const
const knownRegions = new Set(['us'])

let folder: string
let database: Database
let rows: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sqlite-'))
  database = { kind: 'sqlite', path: join(folder, 'gateway.db') }
  rows = join(folder, 'rows.ndjson')
  await writeFile(rows, '{"id":1,"provider":"slack","external_id":"T1"}\n')
})
afterEach(() => rm(folder, { recursive: true }))

describe('a directory in a SQLite file', () => {
  it('is there again after it was closed', async () => {
    const before = await openDirectory(database, { clock })
    await before.importFile(rows, { knownRegions })
    await before.close()
    const after = await openDirectory(database, { clock })
    expect((await after.find(T1))?.integration.id).toBe('1')
    await after.close()
  })

  it('shows at once what another connection has imported', async () => {
    const server = await openDirectory(database, { clock })
    expect(await server.find(T1)).toBeUndefined()
    const command = await openDirectory(database, { clock })
    await command.importFile(rows, { knownRegions })
    await command.close()
    expect((await server.find(T1))?.integration.id).toBe('1')
    await server.close()
  })

  it('answers look-ups while another connection is in the middle of an import', async () => {
    const server = await openDirectory(database, { clock })
    const command = await openDirectory(database, { clock })
    await writeFile(rows, Array.from({ length: 501 }, (_, n) => `{"id":${n + 1},"slug":"a","region":"us"}`).join('\n'))
    const during: Promise<unknown>[] = []
    await command.importFile(rows, { knownRegions, onProgress: () => during.push(server.find(T1), server.ping()) })
    expect(during.length).toBeGreaterThan(0)
    await expect(Promise.all(during)).resolves.toBeDefined()
    await Promise.all([server.close(), command.close()])
  })

  it('cannot be asked once it is closed', async () => {
    const store = await openDirectory(database, { clock })
    await store.close()
    await expect(store.find(T1)).rejects.toThrow(/destroyed|not open/)
    await expect(store.ping()).rejects.toThrow(/destroyed|not open/)
  })

  it('is refused by its name where no file can be', async () => {
    const nowhere = join(folder, 'missing', 'gateway.db')
    await expect(openDirectory({ kind: 'sqlite', path: nowhere }, { clock })).rejects.toThrow(
      `cannot open the database ${nowhere}: unable to open database file`,
    )
  })

  it('is refused by its name where the file is something else', async () => {
    const other = join(folder, 'other.db')
    await writeFile(other, 'not a database, but long enough to be taken for one '.repeat(100))
    await expect(openDirectory({ kind: 'sqlite', path: other }, { clock })).rejects.toThrow(
      `cannot open the database ${other}: file is not a database`,
    )
  })
})
