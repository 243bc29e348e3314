import { statSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../clock.ts'
import { isBusy, sqliteCode } from '../../database/sqlite.ts'
import type { FromThread, Reply, ThreadOptions, ToThread } from './sqlite-spool.ts'
import { connectSpool, transact, type SpoolCall, type SpoolConnection } from './transaction.ts'

/*
 * The thread that owns the spool's connection: it may wait for a sync or a lock, where the main thread never does.
 * All calls that have come meanwhile share the next transaction, and so its sync.
 */

/**
 * The least time from the beginning of one transaction to that of the next. One that has been idle begins at once;
 * under load, where a sync is done before two calls have come, this is what gives calls company: a third less CPU.
 */
const PERIOD_MS = 2

/** After that long behind another process's lock it looks who has given up meanwhile. */
const WAIT_MS = 250

// https://sqlite.org/rescode.html
const [ERROR, READONLY, FULL, TOOBIG, CONSTRAINT, MISMATCH, RANGE] = [1, 8, 13, 18, 19, 20, 25]

/** Errors of one call, beside which others may well succeed: deleting is possible where inserting is not. */
const ofOneCall: ReadonlySet<number | undefined> = new Set([
  undefined,
  ERROR,
  FULL,
  TOOBIG,
  CONSTRAINT,
  MISMATCH,
  RANGE,
])

interface Opened extends SpoolConnection {
  /** Which file it is, whatever its name now stands for. */
  readonly file: string
}

class Gone extends Error {}
class Replaced extends Error {}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- sqlite-spool.ts starts it with this
const { path, instance, maxPages, newTables } = workerData as ThreadOptions

if (parentPort === null) throw new Error('this is no main program')
const port = parentPort
const inFile = path !== ':memory:'
const waiting = new Map<number, SpoolCall>()
/** Never written to: what is waited for is the time. */
const still = new Int32Array(new SharedArrayBuffer(4))
let opened: Opened | undefined
let begunAt = 0
let working = false
let ending = false
let handedOver: { monotonic: number; now: number } | undefined

port.on('message', (message: ToThread) => {
  take(message)
  if (!working) void work()
})

function take({ calls, givenUp, time, end }: ToThread): void {
  for (const { id, call } of calls) waiting.set(id, call)
  const dropped = givenUp.filter((id) => waiting.delete(id))
  // Whatever waits for so long waits for a lock: everything else is carried out or refused at once.
  const error = `the database ${path} is locked by another process`
  if (dropped.length > 0) post({ replies: dropped.map((id) => ({ id, error })), locked: true })
  handedOver = time
  ending ||= end
}

function post(message: FromThread): void {
  port.postMessage(message)
}

const moment = () => {
  const { monotonic, now } = handedOver ?? { monotonic: systemClock.monotonic(), now: systemClock.now() }
  return { monotonic, now, instance }
}

async function work(): Promise<void> {
  working = true
  // How many of those that wait are carried out one by one, since one of them is at fault.
  let apart = 0
  while (waiting.size > 0) {
    if (apart === 0) gather()
    const batch = [...waiting].slice(0, apart > 0 ? 1 : undefined)
    const wasOpen = opened !== undefined
    const done = (reply: (id: number, index: number) => Reply): void => {
      for (const [id] of batch) waiting.delete(id)
      apart = Math.max(0, apart - 1)
      post({ replies: batch.map(([id], index) => reply(id, index)), locked: false })
    }
    try {
      opened ??= await connect()
      const results = carryOut(opened, batch)
      done((id, index) => ({ id, result: results[index] }))
    } catch (error) {
      if (isBusy(error)) {
        post({ replies: [], locked: true })
        await nextTurn()
      } else if (opened !== undefined && isOfOneCall(error)) {
        if (batch.length > 1) apart = batch.length
        else done((id) => ({ id, error: explain(error) }))
      } else if (error instanceof Replaced || (wasOpen && inFile)) {
        // What was wrong may have been put right since this connection was opened: a new one has to fail as well.
        disconnect()
      } else {
        if (inFile) disconnect()
        done((id) => ({ id, error: explain(error) }))
      }
    }
    // What has come while this batch was written is the next one.
    takeAll()
  }
  working = false
  if (!ending) return
  disconnect()
  port.close()
}

/** Waits until the next transaction may begin, and takes what comes until then. */
function gather(): void {
  const early = begunAt + PERIOD_MS - performance.now()
  if (inFile && early > 0) {
    Atomics.wait(still, 0, 0, early)
    takeAll()
  }
  begunAt = performance.now()
}

function takeAll(): void {
  for (let more = received(); more !== undefined; more = received()) take(more)
}

function received(): ToThread | undefined {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- sqlite-spool.ts sends nothing else
  return receiveMessageOnPort(port)?.message as ToThread | undefined
}

function carryOut(connection: Opened, batch: readonly (readonly [number, SpoolCall])[]): unknown[] {
  const calls = batch.map(([, call]) => call)
  return transact(connection, moment, calls, () => checkFile(connection.file))
}

function isOfOneCall(error: unknown): boolean {
  return !(error instanceof Gone || error instanceof Replaced) && ofOneCall.has(sqliteCode(error))
}

async function connect(): Promise<Opened> {
  identityOf(path)
  const connection = await connectSpool(path, { waitMs: WAIT_MS, newTables })
  if (maxPages !== undefined) connection.database.exec(`PRAGMA max_page_count = ${maxPages}`)
  return { ...connection, file: identityOf(path) }
}

function disconnect(): void {
  const connection = opened
  opened = undefined
  try {
    connection?.database.close()
  } catch {
    // It is left because it fails; its file is closed with it.
  }
}

/** SQLite goes on writing to a file that has lost its name; what is written there is gone. */
function checkFile(file: string): void {
  if (identityOf(path) !== file) throw new Replaced()
}

function identityOf(path: string): string {
  if (path === ':memory:') return path
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  if (found === undefined) throw new Gone()
  return `${found.dev} ${found.ino}`
}

function explain(error: unknown): string {
  if (error instanceof Gone) return `the database ${path} is gone`
  const code = sqliteCode(error)
  if (code === FULL) return `the database ${path} is full`
  if (code === READONLY) return `the database ${path} is read-only`
  return `the database ${path} failed: ${error instanceof Error ? error.message : String(error)}`
}
