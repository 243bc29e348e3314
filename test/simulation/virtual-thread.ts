import { EventEmitter } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { LEASE_MS } from '../../src/spool/spool.ts'
import type { FromThread, Reply, ToThread } from '../../src/spool/sqlite/sqlite-spool.ts'
import {
  reading,
  transact,
  type Operation,
  type SpoolCall,
  type SpoolConnection,
} from '../../src/spool/sqlite/transaction.ts'
import type { Owner, VirtualTime } from './virtual-time.ts'

/** What becomes of the next transaction. */
export interface StoreWeather {
  readonly commitMs: number
  fails(operation: Operation): boolean
}

export interface ThreadParts {
  readonly owner: Owner
  readonly time: VirtualTime
  readonly connection: SpoolConnection
  readonly instance: string
  readonly weather: () => StoreWeather
  /** Told of every call that was committed. */
  readonly committed: (call: SpoolCall, result: unknown) => void
  /** Until when the process may believe that what it holds is its own. */
  readonly leased: (until: number) => void
}

export interface VirtualThread extends EventEmitter {
  /** The process dies: what has been handed over may just have been committed, and nobody hears of it. */
  die(wasCommitted: boolean): void
}

const REPLY_MS = 0.2

type Batch = readonly (readonly [id: number, call: SpoolCall])[]

/**
 * The spool's own SQL in the place of its thread: all calls that have come while one transaction was written share the
 * next one.
 */
export function startVirtualThread(parts: ThreadParts): VirtualThread & Worker {
  const { owner, time, connection, instance, weather, committed, leased } = parts
  const waiting = new Map<number, SpoolCall>()
  let writing = false
  let ending = false
  const emitter = new EventEmitter()

  const carryOut = (calls: Batch): Reply[] => {
    const today = weather()
    const bad = calls.filter(([, { operation }]) => today.fails(operation))
    const good = calls.filter(([, { operation }]) => !today.fails(operation))
    return [...bad.map(([id]) => ({ id, error: 'the disk is gone' })), ...transacted(good)]
  }

  /** In one transaction; where a single call is at fault, each in one of its own. */
  const transacted = (calls: Batch): Reply[] => {
    const moment = () => ({ monotonic: time.monotonic, now: time.now, instance })
    try {
      const done = transact(
        connection,
        moment,
        calls.map(([, call]) => call),
      )
      if (calls.some(([, { operation }]) => !reading.has(operation))) leased(Math.floor(time.monotonic) + LEASE_MS)
      return calls.map(([id, call], at) => {
        committed(call, done[at])
        return { id, result: done[at] }
      })
    } catch (error) {
      const [only, ...others] = calls
      if (only !== undefined && others.length === 0) return [{ id: only[0], error: String(error) }]
      return calls.flatMap((call) => transacted([call]))
    }
  }

  const write = (): void => {
    writing = true
    time.toProcess(owner, weather().commitMs, () => {
      const batch: Batch = [...waiting]
      waiting.clear()
      writing = false
      const message: FromThread = { replies: carryOut(batch), locked: false }
      const isLast = ending && waiting.size === 0
      // Between the commit and the word of it anything may happen to the process.
      time.toProcess(owner, REPLY_MS, () => {
        emitter.emit('message', message)
        if (isLast) emitter.emit('exit', 0)
      })
      if (waiting.size > 0) write()
    })
  }

  const thread = Object.assign(emitter, {
    postMessage({ calls, givenUp, end }: ToThread): void {
      for (const { id, call } of calls) waiting.set(id, call)
      const dropped = givenUp.filter((id) => waiting.delete(id))
      ending ||= end
      if (dropped.length > 0) {
        const replies = dropped.map((id) => ({ id, error: 'the database is locked by another process' }))
        time.toProcess(owner, 0, () => emitter.emit('message', { replies, locked: true } satisfies FromThread))
      }
      if (!writing && waiting.size > 0) write()
      else if (!writing && ending) time.toProcess(owner, REPLY_MS, () => emitter.emit('exit', 0))
    },
    ref() {},
    unref() {},
    die(wasCommitted: boolean): void {
      if (wasCommitted && waiting.size > 0) carryOut([...waiting])
      waiting.clear()
    },
  })
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of a worker that the spool makes use of
  return thread as unknown as VirtualThread & Worker
}
