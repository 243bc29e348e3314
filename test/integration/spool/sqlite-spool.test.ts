import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeSync, closeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NO_PROGRESS, LEASE_MS, type NewOwedAnswer, type NewRow, type Spool } from '../../../src/spool/spool.ts'
import { openSqliteSpool, type FromThread, type ThreadOptions } from '../../../src/spool/sqlite/sqlite-spool.ts'
import { migrateFile } from '../../../src/database/migrations.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'

const sources = join(import.meta.dirname, '../../../src')

let folder: string
let path: string
let clock: ManualClock
let threadSource: URL
let thread: Worker
let opened: Spool[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spool-'))
  path = join(folder, 'gateway.db')
  clock = createManualClock()
  threadSource = pathToFileURL(join(sources, 'spool/sqlite/spool-thread.ts'))
  opened = []
})
afterEach(async () => {
  for (const spool of opened) await spool.close()
  await rm(folder, { recursive: true })
})

async function open(more: Partial<ThreadOptions> = {}, tables?: Promise<unknown>): Promise<Spool> {
  const startThread = (workerData: ThreadOptions) => {
    thread = new Worker(threadSource, { workerData: { ...workerData, ...more }, execArgv: [] })
    return thread
  }
  const spool = await openSqliteSpool(path, { clock, instance: 'a', startThread, tables })
  opened.push(spool)
  return spool
}

const row = (name: string, bytes = 10): NewRow => ({
  mailbox: { kind: 'region', provider: 'slack', integration: '1', region: 'us' },
  delivery: name,
  dedupKey: name,
  organizations: ['1'],
  receivedAt: 1,
  payload: { keyId: undefined, bytes: Buffer.alloc(bytes, 7) },
  maxSpoolBytes: undefined,
  state: { kind: 'waiting', ...NO_PROGRESS },
})
const append = (spool: Spool, ...rows: NewRow[]) => spool.append(rows, { giveUpAt: clock.monotonic() + 1000 })

async function depth(spool: Spool): Promise<number> {
  const [only] = await spool.list()
  return only?.depth ?? 0
}

/** Resolves when the thread has run into another process's lock. */
function stuck(): Promise<void> {
  return new Promise((resolve) => {
    thread.on('message', function told({ locked }: FromThread) {
      if (!locked) return
      thread.off('message', told)
      resolve()
    })
  })
}

function lockedByAnother() {
  const other = new DatabaseSync(path)
  other.exec('BEGIN EXCLUSIVE')
  return { release: () => other.close() }
}

/** The frames that end a transaction, of which each was synced: https://sqlite.org/fileformat2.html#walformat */
function commits(): number {
  const wal = readFileSync(`${path}-wal`)
  const frame = 24 + wal.readUInt32BE(8)
  let found = 0
  for (let at = 32; at + frame <= wal.length; at += frame) {
    const isCurrent = wal.compare(wal, 16, 24, at + 8, at + 16) === 0
    if (isCurrent && wal.readUInt32BE(at + 4) > 0) found += 1
  }
  return found
}

describe('a file whose tables somebody else makes', () => {
  it('is opened by a thread that starts meanwhile', async () => {
    const tables = Promise.withResolvers<void>()
    const opening = open({}, tables.promise)
    await once(thread, 'online')
    await migrateFile(path, clock)
    tables.resolve()
    expect(await depth(await opening)).toBe(0)
  })

  it('is not opened where they cannot be made, and no thread is left', async () => {
    const tables = Promise.withResolvers<void>()
    const opening = open({}, tables.promise)
    const ended = once(thread, 'exit')
    tables.reject(new Error('no tables'))
    await expect(opening).rejects.toThrow('no tables')
    await ended
  })
})

describe('writes of many callers', () => {
  it('of one turn share one sync', async () => {
    const spool = await open()
    const before = commits()
    const results = await Promise.all(Array.from({ length: 50 }, (_, n) => append(spool, row(`${n}`))))
    expect(results.flat().every(({ kind }) => kind === 'stored')).toBe(true)
    expect(commits() - before).toBe(1)
  })

  it('that come while another process writes share one as well', async () => {
    const spool = await open()
    const other = lockedByAnother()
    const blocked = stuck()
    const writes = [append(spool, row('first'))]
    await blocked
    for (let n = 0; n < 10; n++) {
      writes.push(append(spool, row(`${n}`)))
      await setImmediate()
    }
    const before = commits()
    other.release()
    await Promise.all(writes)
    expect(commits() - before).toBeLessThan(writes.length / 2)
  })

  it('fail for the one at fault alone', async () => {
    const spool = await open()
    const bad: NewRow = {
      ...row('bad'),
      mailbox: { kind: 'region', provider: 'slack', integration: 'x', region: 'us' },
    }
    const results = await Promise.allSettled([append(spool, row('1')), append(spool, bad), append(spool, row('2'))])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await depth(spool)).toBe(2)
  })

  it('are there when the process that made them is gone', async () => {
    const script = `
      const { openSqliteSpool } = await import(${JSON.stringify(pathToFileURL(join(sources, 'spool/sqlite/sqlite-spool.ts')))})
      const { systemClock: clock } = await import(${JSON.stringify(pathToFileURL(join(sources, 'clock.ts')))})
      const spool = await openSqliteSpool(${JSON.stringify(path)}, { clock, instance: 'gone' })
      const payload = { keyId: undefined, bytes: new Uint8Array(10) }
      await spool.append([{ ...${JSON.stringify(row('1'))}, payload }], { giveUpAt: clock.monotonic() + 5000 })
      process.kill(process.pid, 'SIGKILL')`
    const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect([signal, stderr]).toEqual(['SIGKILL', ''])
    expect(await depth(await open())).toBe(1)
  })
})

describe('an open spool', () => {
  it('does not keep its process alive', () => {
    const script = `
      const { openSqliteSpool } = await import(${JSON.stringify(pathToFileURL(join(sources, 'spool/sqlite/sqlite-spool.ts')))})
      const { systemClock: clock } = await import(${JSON.stringify(pathToFileURL(join(sources, 'clock.ts')))})
      const spool = await openSqliteSpool(${JSON.stringify(path)}, { clock, instance: 'idle' })
      console.log((await spool.list()).length)`
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    })
    expect([status, stdout, stderr]).toEqual([0, '0\n', ''])
  })

  it('takes nothing once it is closed', async () => {
    const spool = await open()
    await spool.close()
    opened = []
    await expect(append(spool, row('1'))).rejects.toThrow(`the database ${path} is closed`)
  })

  it('goes on in a new thread when its own has ended', async () => {
    const spool = await open()
    await append(spool, row('1'))
    const lost = append(spool, row('2'))
    const failed = lost.catch(String)
    await setImmediate()
    await thread.terminate()
    expect(await failed).toContain('has failed: it was ended')
    expect(await append(spool, row('3'))).toMatchObject([{ kind: 'stored' }])
    expect(await spool.usage()).toBeDefined()
  })

  it('stores nothing that was called just before its thread ended, and was told so', async () => {
    const spool = await open()
    let refused: Promise<unknown> | undefined
    thread.prependOnceListener('exit', () => {
      refused = append(spool, row('1')).catch(String)
    })
    await thread.terminate()
    expect(await refused).toContain('has failed: it was ended')
    await spool.renew()
    expect(await depth(spool)).toBe(0)
  })

  it('has nothing to undo of what it was asked for while no thread could start', async () => {
    const spool = await open()
    await thread.terminate()
    const source = threadSource
    threadSource = new URL('data:text/javascript,')
    for (const name of ['1', '2']) await expect(append(spool, row(name))).rejects.toThrow('has failed: it was ended')
    const owing = spool.owe(owed, { giveUpAt: clock.monotonic() + 1000 })
    await expect(owing).rejects.toThrow('has failed: it was ended')
    await setImmediate()
    expect(clock.pending()).toBe(0)
    threadSource = source
  })

  it('cannot be opened where no file can be', async () => {
    path = join(folder, 'missing', 'gateway.db')
    await expect(open()).rejects.toThrow(`cannot open the database ${path}: unable to open database file`)
  })
})

/** How long what is given up is waited for where it may just be written. */
const LAST_SYNC_MS = 80

const owed: NewOwedAnswer = {
  delivery: 'd',
  provider: 'slack',
  integration: '1',
  receivedAt: 1,
  request: { keyId: undefined, bytes: Buffer.from('x') },
  message: undefined,
}

/** Holds up this thread, which so is not told of it before its next turn. */
function untilStored(...tables: string[]): void {
  using other = new DatabaseSync(path)
  const stored = other.prepare(tables.map((table) => `SELECT 1 FROM ${table}`).join(' UNION ALL '))
  while (stored.get() === undefined);
}

/** Stores a row too late for its caller: `refused` is what that is told. */
async function storedTooLate(spool: Spool, one: NewRow): Promise<{ refused: Promise<unknown> }> {
  const refused = append(spool, one).catch(String)
  await setImmediate()
  untilStored('waiting', 'dead_letters')
  clock.advance(1000 + LAST_SYNC_MS)
  return { refused }
}

describe('what is given up', () => {
  it('is not stored while another process has the lock, nor later', async () => {
    const spool = await open()
    const other = lockedByAnother()
    const blocked = stuck()
    const lost = append(spool, row('1'))
    await blocked
    const refused = lost.catch(String)
    clock.advance(999)
    clock.advance(1)
    expect(await refused).toContain(`the database ${path} is locked by another process`)
    other.release()
    expect(await append(spool, row('2'))).toMatchObject([{ kind: 'stored' }])
    expect(await depth(spool)).toBe(1)
  })

  it('is not stored when it never got as far as the thread', async () => {
    const spool = await open()
    const lost = append(spool, row('1'))
    const refused = lost.catch(String)
    clock.advance(1000 + LAST_SYNC_MS)
    expect(await refused).toContain('did not take it in time')
    expect(await depth(spool)).toBe(0)
  })

  it('is taken back when the thread was just done with it', async () => {
    const spool = await open()
    const { refused } = await storedTooLate(spool, row('1'))
    expect(await refused).toContain('did not take it in time')
    await spool.renew()
    expect(await spool.list()).toMatchObject([{ depth: 0, bytes: 0 }])
    expect(await spool.usage()).toEqual(new Map())
  })

  it('stays where it is a dead letter, on which a repetition may rely', async () => {
    const spool = await open()
    const letter: NewRow = { ...row('1'), state: { kind: 'dead', reason: 'x', attempts: 1 } }
    const { refused } = await storedTooLate(spool, letter)
    const again = spool.append([{ ...letter, delivery: '2' }], { giveUpAt: Infinity })
    expect(await refused).toContain('did not take it in time')
    expect(await again).toEqual([{ kind: 'duplicate' }])
    await spool.renew()
    expect(await spool.list()).toMatchObject([{ depth: 0, deadLetters: 1 }])
  })

  it.each(['', ', and was sent again'])(
    'is nobody else whose row has the same id in a file that has replaced this one%s',
    async (sentAgain) => {
      const before = await open()
      await before.close()
      opened = []
      copyFileSync(path, `${path}.copy`)
      const spool = await open()
      const { refused } = await storedTooLate(spool, row('1'))
      renameSync(`${path}.copy`, path)
      rmSync(`${path}-wal`)
      rmSync(`${path}-shm`)
      const other: NewRow = { ...row('2'), state: { kind: 'held' } }
      const others = [other, ...(sentAgain === '' ? [] : [{ ...other, delivery: '3' }])]
      const appended = spool.append(others, { giveUpAt: Infinity })
      expect(await refused).toContain('did not take it in time')
      const [stored] = await appended
      expect(stored).toMatchObject({ kind: 'stored', id: 1 })
      const [mailbox] = await spool.open()
      expect(mailbox).toMatchObject({ isEmpty: false })
      expect(await spool.next(mailbox!.id)).toEqual({ kind: 'held' })
    },
  )

  it('is no answer that is owed', async () => {
    const spool = await open()
    const lost = spool.owe(owed, { giveUpAt: clock.monotonic() + 1000 })
    const refused = lost.catch(String)
    await setImmediate()
    untilStored('owed_answers')
    clock.advance(1000 + LAST_SYNC_MS)
    expect(await refused).toContain('did not take it in time')
    await spool.renew()
    expect(await spool.posting('d', owed.request)).toBe(false)
  })
})

describe('what a thread has stored that ended before it said so', () => {
  it.each(['by its end', 'in time'])('waits for no first attempt, where its caller was refused %s', async (when) => {
    const spool = await open()
    const refused = append(spool, { ...row('1'), state: { kind: 'held' } }).catch(String)
    await setImmediate()
    thread.removeAllListeners('message')
    untilStored('waiting')
    if (when === 'in time') clock.advance(1000 + LAST_SYNC_MS)
    await thread.terminate()
    expect(await refused).toContain(when === 'in time' ? 'did not take it in time' : 'has failed: it was ended')
    const [mailbox] = await spool.open()
    expect(await spool.next(mailbox!.id)).toMatchObject({ kind: 'row', row: { delivery: '1' } })
  })

  it('is no answer that is owed', async () => {
    const spool = await open()
    const refused = spool.owe(owed, { giveUpAt: clock.monotonic() + 1000 }).catch(String)
    await setImmediate()
    thread.removeAllListeners('message')
    untilStored('owed_answers')
    await thread.terminate()
    expect(await refused).toContain('has failed: it was ended')
    expect(await spool.posting('d', owed.request)).toBe(false)
  })
})

describe('a database that fails', () => {
  it('is locked for a call without a time of its own after five seconds', async () => {
    const spool = await open()
    const other = lockedByAnother()
    const blocked = stuck()
    const call = spool.renew()
    await blocked
    const refused = call.catch(String)
    clock.advance(5000)
    expect(await refused).toContain(`the database ${path} is locked by another process`)
    other.release()
    expect(await spool.renew()).toBe(clock.monotonic() + LEASE_MS)
  })

  it('is full for what adds to it, and takes more when there is room', async () => {
    const spool = await open({ maxPages: 100 })
    const large = Array.from({ length: 40 }, (_, n) => row(`${n}`, 8000))
    const results = await Promise.allSettled(large.map((one) => append(spool, one)))
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []))
    expect(new Set(failures)).toEqual(new Set([`Error: the database ${path} is full`]))
    const [box] = await spool.list()
    expect(box!.depth).toBe(large.length - failures.length)
    expect(box!.depth).toBeGreaterThan(0)
    await spool.erase({ provider: 'slack', integration: '1', installations: [] })
    expect(await append(spool, row('x', 8000))).toMatchObject([{ kind: 'stored' }])
  })

  it('is gone without its file, which is not made anew, and there when it is back', async () => {
    const spool = await open()
    await append(spool, row('1'))
    renameSync(path, `${path}.away`)
    await expect(append(spool, row('2'))).rejects.toThrow(`the database ${path} is gone`)
    await expect(spool.list()).rejects.toThrow(`the database ${path} is gone`)
    expect(existsSync(path)).toBe(false)
    renameSync(`${path}.away`, path)
    expect(await append(spool, row('3'))).toMatchObject([{ kind: 'stored' }])
    expect(await depth(spool)).toBe(2)
  })

  it('is another when another file has its name', async () => {
    const before = await open()
    await append(before, row('1'))
    await before.close()
    opened = []
    copyFileSync(path, `${path}.copy`)
    const spool = await open()
    await append(spool, row('2'), row('3'))
    renameSync(`${path}.copy`, path)
    rmSync(`${path}-wal`)
    rmSync(`${path}-shm`)
    expect(await append(spool, row('4'))).toMatchObject([{ kind: 'stored' }])
    expect(await depth(spool)).toBe(2)
  })

  it('is read-only as long as it is', async () => {
    const before = await open()
    await append(before, row('1'))
    await before.close()
    opened = []
    copyFileSync(path, `${path}.copy`)
    writeVersion(`${path}.copy`, 3)
    const spool = await open()
    renameSync(`${path}.copy`, path)
    rmSync(`${path}-wal`)
    rmSync(`${path}-shm`)
    await expect(append(spool, row('2'))).rejects.toThrow(`the database ${path} is read-only`)
    expect(await depth(spool)).toBe(1)
    writeVersion(path, 2)
    expect(await append(spool, row('3'))).toMatchObject([{ kind: 'stored' }])
  })
})

/** A file that a later SQLite may write and this one may only read, whoever it belongs to: fileformat2.html, section 1.3.3. */
function writeVersion(file: string, version: number): void {
  const descriptor = openSync(file, 'r+')
  writeSync(descriptor, Buffer.from([version]), 0, 1, 18)
  closeSync(descriptor)
}
