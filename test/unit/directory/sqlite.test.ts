import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { openDirectory, type Database, type DirectoryStore } from '../../../src/directory/store.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'

const T1 = { by: 'external', provider: 'slack', appId: '', externalId: 'T1' } as const
const knownRegions = new Set(['us'])

let clock: ManualClock
let folder: string
let database: Database & { kind: 'sqlite' }
let rows: string
beforeEach(async () => {
  clock = createManualClock()
  folder = await mkdtemp(join(tmpdir(), 'sqlite-'))
  database = { kind: 'sqlite', path: join(folder, 'gateway.db') }
  rows = join(folder, 'rows.ndjson')
  await writeFile(rows, '{"id":1,"provider":"slack","external_id":"T1"}\n')
})
afterEach(() => rm(folder, { recursive: true }))

describe('a directory in a SQLite file', () => {
  it('is there again after it was closed', async () => {
    const before = await openDirectory(database, { clock })
    await before.importFile(rows, { author: 'test', knownRegions })
    await before.close()
    const after = await openDirectory(database, { clock })
    expect((await after.find(T1)).installation?.integration.id).toBe('1')
    await after.close()
  })

  it('shows at once what another connection has imported', async () => {
    const server = await openDirectory(database, { clock })
    expect((await server.find(T1)).installation).toBeUndefined()
    const command = await openDirectory(database, { clock })
    await command.importFile(rows, { author: 'test', knownRegions })
    await command.close()
    expect((await server.find(T1)).installation?.integration.id).toBe('1')
    await server.close()
  })

  it('answers look-ups while another connection is in the middle of an import', async () => {
    const server = await openDirectory(database, { clock })
    const command = await openDirectory(database, { clock })
    await writeFile(rows, Array.from({ length: 2001 }, (_, n) => `{"id":${n + 1},"slug":"a","region":"us"}`).join('\n'))
    const during: Promise<unknown>[] = []
    await command.importFile(rows, {
      author: 'test',
      knownRegions,
      onProgress: () => during.push(server.find(T1), server.ping()),
    })
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

/** Another process in the middle of a write, as far as SQLite can tell. */
function lockedByAnother(path: string) {
  const other = new DatabaseSync(path)
  other.exec('begin immediate')
  const release = () => other.close()
  return { holds: () => other.isTransaction, release, [Symbol.dispose]: release }
}

/** Lets everything run that waits for nothing but its turn. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await setImmediate()
}

describe('while another process writes', () => {
  const ada = { integrationId: '1', externalUserId: 'U1', user: 'ada' }
  let store: DirectoryStore
  beforeEach(async () => {
    store = await openDirectory(database, { clock })
    await store.importFile(rows, { author: 'test', knownRegions })
  })
  afterEach(() => store.close())

  it('a link is stored once the other is done, and look-ups do not wait for it', async () => {
    const order: string[] = []
    const other = lockedByAnother(database.path)
    const link = store.identities.link(ada).then(() => order.push('linked'))
    await settled()
    expect((await store.find(T1)).installation?.integration.id).toBe('1')
    expect(await store.identities.find('1', 'U1')).toBeUndefined()
    await store.ping()
    order.push('looked up')
    other.release()
    await settled()
    clock.advance(100)
    await link
    expect(order).toEqual(['looked up', 'linked'])
    expect(await store.identities.find('1', 'U1')).toEqual(ada)
  })

  it('a link is given up after five seconds, with the reason', async () => {
    using other = lockedByAnother(database.path)
    const link = store.identities.link(ada).catch((error: unknown) => String(error))
    await settled()
    clock.advance(4999)
    await settled()
    expect(clock.pending()).toBe(1)
    clock.advance(100)
    expect(await link).toBe(`Error: the database ${database.path} has been locked by another process for 5 s`)
    expect(clock.pending()).toBe(0)
    expect(other.holds()).toBe(true)
  })

  it('an import waits longer than that', async () => {
    const other = lockedByAnother(database.path)
    await writeFile(rows, '{"id":2,"provider":"slack","external_id":"T2"}\n')
    const imported = store.importFile(rows, { author: 'test', knownRegions })
    while (clock.pending() === 0) await settled()
    clock.advance(60_000)
    await settled()
    expect(clock.pending()).toBe(1)
    other.release()
    clock.advance(100)
    expect(await imported).toMatchObject({ counts: { integrations: 1 } })
  })

  it('a directory whose tables are up to date opens all the same', async () => {
    using other = lockedByAnother(database.path)
    const second = await openDirectory(database, { clock })
    expect(other.holds()).toBe(true)
    expect((await second.find(T1)).installation?.integration.id).toBe('1')
    await second.close()
  })

  it('a directory without tables opens once the other is done', async () => {
    const path = join(folder, 'new.db')
    const other = lockedByAnother(path)
    const opened = openDirectory({ kind: 'sqlite', path }, { clock })
    while (clock.pending() === 0) await settled()
    other.release()
    clock.advance(100)
    const second = await opened
    expect((await second.find(T1)).installation).toBeUndefined()
    await second.close()
  })
})

describe('in one process', () => {
  it('look-ups are answered in the middle of an import', async () => {
    const store = await openDirectory(database, { clock })
    let found: Promise<unknown> | undefined
    const order: string[] = []
    await writeFile(rows, Array.from({ length: 2001 }, (_, n) => `{"id":${n + 1},"slug":"a","region":"us"}`).join('\n'))
    await store
      .importFile(rows, {
        author: 'test',
        knownRegions,
        onProgress() {
          found ??= store.find(T1).then(() => order.push('looked up'))
        },
      })
      .then(() => order.push('imported'))
    await found
    expect(order).toEqual(['looked up', 'imported'])
    await store.close()
  })

  it('look-ups and links are answered in the middle of an export', async () => {
    const store = await openDirectory(database, { clock })
    await store.importFile(rows, { author: 'test', knownRegions })
    let release: (() => void) | undefined
    const slow = new Writable({
      write(_chunk, _encoding, done) {
        if (release === undefined) release = done
        else done()
      },
    })
    const exporting = store.exportTo(slow)
    await settled()
    expect((await store.find(T1)).installation?.integration.id).toBe('1')
    await store.identities.link({ integrationId: '1', externalUserId: 'U1', user: 'ada' })
    release!()
    await exporting
    await store.close()
  })

  it('ten that open the same new file at once all find its tables', async () => {
    const opening = Array.from({ length: 10 }, () => openDirectory(database, { clock: systemClock }))
    const stores = await Promise.all(opening)
    await expect(Promise.all(stores.map((store) => store.ping()))).resolves.toHaveLength(10)
    await Promise.all(stores.map((store) => store.close()))
  })
})

describe('a ping', () => {
  it('fails where the tables are gone', async () => {
    const store = await openDirectory(database, { clock })
    const other = new DatabaseSync(database.path)
    other.exec('pragma foreign_keys = off; drop table integrations')
    other.close()
    await expect(store.ping()).rejects.toThrow('no such table: integrations')
    await store.close()
  })

  it('fails where the file is broken', async () => {
    const before = await openDirectory(database, { clock })
    await before.importFile(rows, { author: 'test', knownRegions })
    await before.close()
    const store = await openDirectory(database, { clock })
    const file = await open(database.path, 'r+')
    const { size } = await file.stat()
    await file.write(Buffer.alloc(size - 4096, 0xff), 0, size - 4096, 4096)
    await file.close()
    await expect(store.ping()).rejects.toThrow(/malformed|not a database/)
    await store.close()
  })
})
