import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../clock.ts'
import type { Pool } from '../../database/postgres.ts'
import { LEASE_MS } from '../spool.ts'
import { carryOut, fitsTogether, type Call, type Carried } from './batch.ts'
import { CommitUnknown, connect, explain, remedyFor, type Connection } from './connection.ts'
import type { MetMailbox } from './known.ts'
import { statements, timeOf } from './statements.ts'

/** How long a call that has no time of its own waits for the database. */
const WAIT_MS = 5000

/**
 * How long a call that is given up may still turn out to have been carried out: the commit that was under way then has
 * to end, or the caller says that nothing was stored of what is. Less than the 100 ms by which an answer may be late.
 */
const LAST_SYNC_MS = 80

/** Some megabytes of what commonly waits: more would keep the first of them waiting. */
const CALLS_AT_ONCE = 500
/** Bytes that wait in one statement: they are doubled as text, here and in the server. */
const BYTES_AT_ONCE = 8 * 1_048_576
/** Who loses a deadlock is unlikely to lose it again; a server that ends connections does it for longer. */
const ATTEMPTS = 5
/** How often a database that was lost during a commit is asked what came of it. */
const FIND_OUT_MS = 250
export interface CallOptions {
  /** Monotonic. */
  readonly giveUpAt?: number
  /**
   * Takes back what was carried out after all, though its caller has been told otherwise; `transaction` is that which
   * did it.
   */
  readonly undo?: (result: unknown, transaction: string) => void
}

/**
 * Carries out what renews the lease: one transaction at a time, of all the calls that have come meanwhile. A second
 * writer would gain nothing: what is appended for a region has to wait for the commit of what was appended before.
 */
export interface Writer {
  call(call: Call, options?: CallOptions): Promise<unknown>
  /** Resolves when everything that was called before has come to its end. */
  settled(): Promise<void>
  /** Takes no more calls, and refuses those that wait. */
  end(): Promise<void>
}

interface Parts {
  readonly pool: Pool
  readonly clock: Clock
  readonly instance: string
  /** Which database, in words. */
  readonly place: string
  /** The time that leases are measured on, in milliseconds; null: the database's own. */
  readonly time: () => number | null
  /** Told of mailboxes as this instance has left or found them. */
  readonly onMet: (mailboxes: readonly MetMailbox[]) => void
}

interface Waiting {
  readonly call: Call
  readonly undo: CallOptions['undo']
  readonly settle: (outcome: { readonly result: unknown } | { readonly error: Error }) => void
  stopTimer: () => void
  state: 'waiting' | 'committing' | 'over'
}

export function createWriter({ pool, clock, instance, place, time, onMet }: Parts): Writer {
  let queue: Waiting[] = []
  let working: Promise<void> | undefined
  let isEnded = false
  /** Ends the wait for a database that was lost. */
  let wake = (): void => {}
  const pending = new Set<Promise<unknown>>()

  function call(what: Call, { giveUpAt = clock.monotonic() + WAIT_MS, undo }: CallOptions = {}): Promise<unknown> {
    if (isEnded) return Promise.reject(new Error(`the database ${place} is closed`))
    const result = new Promise<unknown>((resolve, reject) => {
      const one: Waiting = {
        call: what,
        undo,
        settle(outcome) {
          if (one.state === 'over') return
          one.state = 'over'
          one.stopTimer()
          if ('error' in outcome) reject(outcome.error)
          else resolve(outcome.result)
        },
        stopTimer: clock.after(Math.max(0, giveUpAt - clock.monotonic()), () => giveUp(one)),
        state: 'waiting',
      }
      queue.push(one)
    })
    const over = result.catch(() => {}).finally(() => pending.delete(over))
    pending.add(over)
    working ??= work()
    wake()
    return result
  }

  /** What is not being committed never will be; of what is, the caller is to know in a moment. */
  function giveUp(one: Waiting): void {
    const leave = (): void => one.settle({ error: new Error(`the database ${place} did not take it in time`) })
    if (one.state === 'committing') one.stopTimer = clock.after(LAST_SYNC_MS, leave)
    else leave()
  }

  async function work(): Promise<void> {
    try {
      for (;;) {
        // Whoever has just been answered asks for more in the same turn, and shares the next commit.
        await nextTurn()
        queue = queue.filter(({ state }) => state !== 'over')
        if (queue.length === 0) return
        await carry(queue.splice(0, howMany(queue)))
      }
    } finally {
      working = undefined
    }
  }

  async function carry(batch: readonly Waiting[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const calls = batch.filter(({ state }) => state !== 'over')
      if (calls.length === 0) return
      try {
        if (await commit(calls)) return
      } catch (error) {
        const remedy = remedyFor(error)
        if (remedy === 'again' && attempt < ATTEMPTS) continue
        if (remedy === 'apart' && calls.length > 1) {
          for (const one of calls) await carry([one])
        } else {
          for (const one of calls) one.settle({ error: explain(error, place) })
        }
        return
      }
    }
  }

  /** False: nothing was done, and what is still wanted of it is to be done again. */
  async function commit(calls: readonly Waiting[]): Promise<boolean> {
    const attempted = await attempt(calls)
    if (attempted === undefined) return false
    const { carried, transaction, lost } = attempted
    if (lost === undefined || (await findOut(transaction))) {
      conclude(calls, carried, transaction)
      return true
    }
    if (isEnded) for (const one of calls) one.settle({ error: explain(lost, place) })
    for (const one of calls) if (one.state === 'committing') one.state = 'waiting'
    return false
  }

  /** `lost`: why nobody knows whether it was committed. Undefined: it was not, since not all of it is wanted any more. */
  async function attempt(
    calls: readonly Waiting[],
  ): Promise<{ carried: Carried; transaction: string; lost?: CommitUnknown } | undefined> {
    const connection = await connect(pool)
    try {
      const tx = { instance, time: time(), now: clock.now(), ask: connection.ask }
      const sentAt = Math.floor(clock.monotonic())
      const transaction = await begin(connection, tx.time)
      const asked = calls.map((one) => one.call)
      const carried = await carryOut(tx, asked, sentAt)
      // Its caller has said that it is not stored.
      if (calls.some(({ state }) => state === 'over')) return undefined
      for (const one of calls) one.state = 'committing'
      try {
        await connection.commit()
      } catch (error) {
        if (error instanceof CommitUnknown) return { carried, transaction, lost: error }
        for (const one of calls) if (one.state === 'committing') one.state = 'waiting'
        throw error
      }
      return { carried, transaction }
    } finally {
      await connection.release()
    }
  }

  async function begin(connection: Connection, at: number | null): Promise<string> {
    const [begun] = await connection.begin<{ transaction: string }>(
      `insert into instances (id, lease_until) values (${quoted(instance)}, ${timeOf(String(at))} + ${LEASE_MS})
        on conflict (id) do update set lease_until = excluded.lease_until
        returning pg_current_xact_id()::text as transaction`,
    )
    return begun?.transaction ?? ''
  }

  function conclude(calls: readonly Waiting[], { results, met }: Carried, transaction: string): void {
    onMet(met)
    for (const [at, one] of calls.entries()) {
      const outcome = results[at] ?? { result: undefined }
      if (one.state === 'over' && 'result' in outcome) one.undo?.(outcome.result, transaction)
      one.settle(outcome)
    }
  }

  /**
   * Whether a commit took place whose answer was lost with its connection. Each transaction renews the lease, and no
   * other of this instance begins before this is known: so the lease's row is of that transaction, or it has failed.
   * (What the server says of a transaction's number is not enough: after a crash another may get the same one.)
   *
   * Nothing else is done until then, and nobody is told anything that may be wrong: who waits for this is told when it
   * is known, or that it was not stored; then it is taken back as soon as it is known that it was (`storedOf`). In between
   * the row may be delivered, and what the provider sends again after it is then a second delivery of it, with the same
   * key for the region to know it by; as long as the row waits, what is sent again is a duplicate of it, and touches it,
   * so that it is not taken back any more (`unstore`). Neither way is anything lost.
   */
  async function findOut(transaction: string): Promise<boolean> {
    for (;;) {
      try {
        const connection = await connect(pool)
        try {
          const [found] = await connection.ask<{ was_it: boolean }>(statements.lastRenewal, instance, transaction)
          return found?.was_it === true
        } finally {
          await connection.release()
        }
      } catch (error) {
        for (const one of queue.splice(0)) one.settle({ error: explain(error, place) })
        if (isEnded) return false
        await new Promise<void>((resolve) => {
          const stopTimer = clock.after(FIND_OUT_MS, resolve)
          wake = () => {
            stopTimer()
            resolve()
          }
        })
        wake = () => {}
      }
    }
  }

  return {
    call,
    async settled() {
      await Promise.all(pending)
    },
    async end() {
      isEnded = true
      wake()
      await working
    },
  }
}

function howMany(queue: readonly Waiting[]): number {
  let bytes = 0
  const few = queue.slice(0, CALLS_AT_ONCE).map(({ call }) => call)
  const upTo = few.findIndex((call) => {
    if (call.kind !== 'append') return false
    for (const { payload } of call.rows) bytes += payload.bytes.length
    return bytes > BYTES_AT_ONCE
  })
  return fitsTogether(upTo === -1 ? few : few.slice(0, Math.max(1, upTo)))
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`
