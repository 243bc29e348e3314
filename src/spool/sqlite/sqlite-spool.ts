import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { systemClock, type Clock } from '../../clock.ts'
import { migrateFile, newTables } from '../../database/migrations.ts'
import { storedOf } from '../rules.ts'
import type { Sealed, Spool } from '../spool.ts'
import { spoolOf } from './direct-spool.ts'
import type { Arguments, Operation, Result, SpoolCall } from './transaction.ts'

export interface ThreadOptions {
  readonly path: string
  readonly instance: string
  /** The statements that make the tables of a database in memory. */
  readonly newTables?: readonly string[]
  /** So that a test can have a full database. */
  readonly maxPages?: number
}

/** What is to be done since the last turn of the event loop. */
export interface ToThread {
  readonly calls: readonly { readonly id: number; readonly call: SpoolCall }[]
  /** Calls that are not to be carried out, if they have not been. */
  readonly givenUp: readonly number[]
  /** Undefined: the thread reads the system's clock itself, at the last moment. */
  readonly time: { readonly monotonic: number; readonly now: number } | undefined
  /** Nothing comes after this. */
  readonly end: boolean
}

export type Reply = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string })

export interface FromThread {
  readonly replies: readonly Reply[]
  /** Whether it waits for another process. */
  readonly locked: boolean
}

interface SqliteSpoolOptions {
  readonly clock: Clock
  /** Unique to this process's life. */
  readonly instance: string
  /** Resolves when somebody else has brought the file's tables up to date. Default: it does so itself. */
  readonly tables?: Promise<unknown> | undefined
  readonly startThread?: (options: ThreadOptions) => Worker
}

/** How long a call that has no time of its own waits for another process's lock. */
const WAIT_MS = 5000

/**
 * How long a call that is given up may still turn out to have been carried out: the sync that was under way then has to
 * end, or the caller says that nothing was stored of what is. Less than the 100 ms by which an answer may be late.
 */
const LAST_SYNC_MS = 80

/** How long after it has failed something is undone again: a database that is full or gone says so at once. */
const UNDO_AGAIN_MS = 1000

interface Call {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
  readonly stopTimer: () => void
  /**
   * What is to be done when it was carried out after all, though its caller has been told otherwise. Without a result
   * nobody knows whether it was.
   */
  readonly undo: ((result?: unknown) => void) | undefined
}

/**
 * Opens the spool in a file that the directory may share, or in memory for `:memory:`. A thread does all the work; no
 * call holds up this one. A call that fails says whether the database is locked, full, read-only or gone; the first
 * one after that has passed works again.
 * @throws an error that names the database when it cannot be opened.
 */
export async function openSqliteSpool(path: string, options: SqliteSpoolOptions): Promise<Spool> {
  const { clock, instance } = options
  const startThread = options.startThread ?? (await spoolThread(path, clock))
  const pending = new Map<number, Call>()
  const late = new Map<number, NonNullable<Call['undo']>>()
  /** What was carried out for nobody, and could not be undone yet. */
  const undoing = new Set<() => void>()
  let lastId = 0
  let worker: Worker | undefined
  let locked = false
  let ended = false
  let closed: Promise<void> | undefined
  let calls: { id: number; call: SpoolCall }[] = []
  let givenUp: number[] = []
  let flush: NodeJS.Immediate | undefined

  function thread(): Worker {
    if (worker !== undefined) return worker
    const started = startThread({ path, instance })
    let failure = 'it was ended'
    let hasSpoken = false
    started.on('message', (message: FromThread) => {
      hasSpoken = true
      locked = message.locked
      for (const reply of message.replies) settle(reply)
      if (pending.size === 0) started.unref()
    })
    started.on('error', (error: unknown) => {
      failure = messageOf(error)
    })
    started.on('exit', () => {
      worker = undefined
      // Who has called is about to be told that it failed: the next thread is not to carry it out.
      calls = []
      // One that has never answered has stored nothing: where none can start, there would be ever more to undo.
      const unknown = hasSpoken ? [...late.values(), ...Array.from(pending.values(), ({ undo }) => undo)] : []
      late.clear()
      for (const id of pending.keys()) settle({ id, error: `the thread that writes to ${path} has failed: ${failure}` })
      for (const undo of unknown) undo?.()
    })
    worker = started
    return started
  }

  function settle(reply: Reply): void {
    const undo = late.get(reply.id)
    late.delete(reply.id)
    if (undo !== undefined && 'result' in reply) undo(reply.result)
    const call = pending.get(reply.id)
    if (call === undefined) return
    pending.delete(reply.id)
    call.stopTimer()
    if ('result' in reply) call.resolve(reply.result)
    else call.reject(new Error(reply.error))
  }

  function giveUp(id: number): void {
    const call = pending.get(id)
    givenUp.push(id)
    flush ??= setImmediate(send)
    if (call?.undo === undefined) return
    const { undo } = call
    const leave = (): void => {
      const why = locked ? 'is locked by another process' : 'did not take it in time'
      settle({ id, error: `the database ${path} ${why}` })
      late.set(id, undo)
    }
    // Its caller has to answer, and cannot wait for a lock; for the end of a sync it can.
    if (locked) leave()
    else pending.set(id, { ...call, stopTimer: clock.after(LAST_SYNC_MS, leave) })
  }

  function send(end = false): void {
    flush = undefined
    const time = clock === systemClock ? undefined : { monotonic: clock.monotonic(), now: clock.now() }
    const message: ToThread = { calls, givenUp, time, end }
    calls = []
    givenUp = []
    try {
      const worker = thread()
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window, has no origin
      worker.postMessage(message)
      worker.ref()
    } catch (error) {
      for (const { id } of message.calls) settle({ id, error: `cannot write to ${path}: ${messageOf(error)}` })
    }
  }

  function enqueue<Named extends Operation>(
    operation: Named,
    args: Arguments<Named>,
    {
      giveUpAt = clock.monotonic() + WAIT_MS,
      undo,
    }: { giveUpAt?: number; undo?: (result?: Result<Named>) => void } = {},
  ): Promise<Result<Named>> {
    if (ended) return Promise.reject(new Error(`the database ${path} is closed`))
    lastId += 1
    const id = lastId
    return new Promise<Result<Named>>((resolve, reject) => {
      const stopTimer = clock.after(Math.max(0, giveUpAt - clock.monotonic()), () => giveUp(id))
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the thread answers with the operation's result
      pending.set(id, { resolve, reject, stopTimer, undo } as Call)
      calls.push({ id, call: { operation, args } })
      flush ??= setImmediate(send)
    })
  }

  /**
   * Until it is done a mailbox may wait for a first attempt that nobody makes, or an answer be owed that nobody gives:
   * so it is tried for as long as this process lives. What that leaves when it ends is sent, or taken over.
   */
  function undo<Named extends Operation>(operation: Named, args: Arguments<Named>): void {
    enqueue(operation, args).catch(() => {
      if (ended) return
      const cancel = clock.after(UNDO_AGAIN_MS, () => {
        undoing.delete(cancel)
        undo(operation, args)
      })
      undoing.add(cancel)
    })
  }

  async function shut(): Promise<void> {
    const gaveBack = enqueue('giveBack', [])
    try {
      await gaveBack
    } finally {
      await end()
    }
  }

  /** The thread closes the file behind everything that was sent to it before. */
  async function end(): Promise<void> {
    ended = true
    clearImmediate(flush)
    for (const cancel of undoing) cancel()
    if (worker === undefined) return
    const exited = once(worker, 'exit')
    send(true)
    await exited
  }

  const spool: Spool = {
    ...spoolOf(enqueue),
    append: (rows, { giveUpAt }) =>
      enqueue('append', [rows.map((row) => ({ ...row, payload: apart(row.payload) }))], {
        giveUpAt,
        undo: (results) => {
          if (results === undefined) {
            const held = rows.filter(({ state }) => state.kind === 'held')
            for (const delivery of new Set(held.map((row) => row.delivery))) undo('letGo', [delivery])
            return
          }
          const stored = storedOf(rows, results)
          if (stored.length > 0) undo('unstore', [stored])
        },
      }),
    owe: (answer, { giveUpAt }) => {
      const { request, message, delivery } = answer
      const sealed = { request: apart(request), message: message === undefined ? undefined : apart(message) }
      return enqueue('owe', [{ ...answer, ...sealed }], {
        giveUpAt,
        undo: () => undo('paid', [delivery]),
      })
    },
    posting: (delivery, message) => enqueue('posting', [delivery, apart(message)]),
    close: () => (closed ??= shut()),
  }
  const inFile = path !== ':memory:'
  // The thread takes as long to start as the file to be opened and looked at.
  if (inFile) send()
  try {
    // The thread makes no file: an empty one in the place of one that is missing would hide that everything in it is.
    await (options.tables ?? (inFile && migrateFile(path, clock)))
    await spool.renew()
  } catch (error) {
    await end()
    throw error
  }
  return spool
}

async function spoolThread(path: string, clock: Clock): Promise<(options: ThreadOptions) => Worker> {
  const inMemory = path === ':memory:' ? { newTables: await newTables(clock) } : undefined
  // The build leaves this name alone, and changes that of the file.
  const file = import.meta.url.endsWith('.ts') ? './spool-thread.ts' : './spool-thread.js'
  return (options) =>
    new Worker(new URL(file, import.meta.url), {
      workerData: { ...options, ...inMemory },
      execArgv: [],
      // What it holds between two messages is next to nothing, yet by default it keeps 40 MiB more for it.
      resourceLimits: { maxYoungGenerationSizeMb: 6 },
    })
}

/** A small buffer is a piece of a large one, all of which would be copied to the thread. */
function apart({ keyId, bytes }: Sealed): Sealed {
  return { keyId, bytes: bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes) }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
