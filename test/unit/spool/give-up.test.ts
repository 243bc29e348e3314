import { EventEmitter } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/clock.ts'
import { openSqliteSpool, type Reply, type ToThread } from '../../../src/spool/sqlite/sqlite-spool.ts'
import { connectSpool, transact, type SpoolConnection } from '../../../src/spool/sqlite/transaction.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { mailboxIn, waitingRow } from '../../support/spool-rows.ts'

const GIVE_UP_MS = 1000
const answer = {
  delivery: 'd1',
  provider: 'slack',
  integration: '1',
  receivedAt: 0,
  request: { keyId: undefined, bytes: Buffer.from('request') },
  message: undefined,
} as const

/** Does everything at once, but for what is owed: that is written when a test says so. */
class SlowThread extends EventEmitter {
  readonly done: string[] = []
  isFull = false
  private owing: number | undefined

  ref(): void {}
  unref(): void {}

  postMessage({ calls, end }: ToThread): void {
    for (const { id, call } of calls) {
      this.done.push(call.operation)
      if (call.operation === 'owe') this.owing = id
      else if (this.isFull) this.tell({ id, error: 'it is full' })
      else this.reply(id)
    }
    if (end) queueMicrotask(() => this.emit('exit'))
  }

  write(): void {
    if (this.owing !== undefined) this.reply(this.owing)
  }

  private reply(id: number): void {
    this.tell({ id, result: undefined })
  }

  private tell(reply: Reply): void {
    queueMicrotask(() => this.emit('message', { replies: [reply], locked: false }))
  }
}

/** Carries everything out on the tables at once, but says so only when a test does: until then it syncs. */
class SyncingThread extends EventEmitter {
  private said: Reply[] = []
  private came: ToThread['calls'] = []
  private readonly connection: SpoolConnection
  private readonly clock: Clock

  constructor(connection: SpoolConnection, clock: Clock) {
    super()
    this.connection = connection
    this.clock = clock
  }

  ref(): void {}
  unref(): void {}
  isSlow = false

  postMessage({ calls, end }: ToThread): void {
    this.came = [...this.came, ...calls]
    if (this.said.length === 0) this.carryOut()
    if (!this.isSlow) this.sayAll()
    if (end) queueMicrotask(() => this.emit('exit'))
  }

  sayAll(): void {
    while (this.said.length > 0) {
      const replies = this.said
      queueMicrotask(() => this.emit('message', { replies, locked: false }))
      this.carryOut()
    }
  }

  /** What has come while the last was synced is the next transaction. */
  private carryOut(): void {
    const calls = this.came
    this.came = []
    this.said = []
    if (calls.length === 0) return
    const moment = () => ({ monotonic: this.clock.monotonic(), now: this.clock.now(), instance: 'i1' })
    const results = transact(
      this.connection,
      moment,
      calls.map(({ call }) => call),
    )
    this.said = calls.map(({ id }, at) => ({ id, result: results[at] }))
  }
}

/** Something that is owed, given up while the thread is still at it. */
async function givenUp() {
  const clock = createManualClock()
  const thread = new SlowThread()
  const spool = await openSqliteSpool(':memory:', {
    clock,
    instance: 'i1',
    startThread: () => thread as unknown as Worker,
  })
  const fate: string[] = []
  void spool.owe(answer, { giveUpAt: GIVE_UP_MS }).then(
    () => fate.push('owed'),
    () => fate.push('not owed'),
  )
  await nextTurn()
  clock.advance(GIVE_UP_MS)
  await nextTurn()
  return { clock, thread, spool, fate }
}

describe('what is given up while it is being written', () => {
  it('is stored where the sync under way ends a moment later: nobody is told that it is not', async () => {
    const { clock, thread, spool, fate } = await givenUp()
    clock.advance(50)
    thread.write()
    await nextTurn()
    expect(fate).toEqual(['owed'])
    expect(thread.done).not.toContain('paid')
    await spool.close()
  })

  it('is not stored where that takes longer, and taken back when it is carried out after all', async () => {
    const { clock, thread, spool, fate } = await givenUp()
    clock.advance(100)
    await nextTurn()
    expect(fate).toEqual(['not owed'])
    thread.write()
    await nextTurn()
    await nextTurn()
    expect(thread.done).toContain('paid')
    await spool.close()
  })

  it('is taken back later where that fails, for as long as the process lives', async () => {
    const { clock, thread, spool } = await givenUp()
    clock.advance(100)
    await nextTurn()
    thread.isFull = true
    thread.write()
    const takings = () => thread.done.filter((operation) => operation === 'paid').length
    for (let second = 0; second < 10; second++) {
      await nextTurn()
      await nextTurn()
      clock.advance(1000)
    }
    await nextTurn()
    await nextTurn()
    expect(takings()).toBe(11)
    thread.isFull = false
    clock.advance(1000)
    await nextTurn()
    clock.advance(10_000)
    await nextTurn()
    expect(takings()).toBe(12)
    await spool.close()
  })

  it('stays where the same has come again by then, and was told that it is there', async () => {
    const clock = createManualClock()
    const connection = await connectSpool(':memory:', { waitMs: 0 })
    const thread = new SyncingThread(connection, clock)
    const spool = await openSqliteSpool(':memory:', {
      clock,
      instance: 'i1',
      startThread: () => thread as unknown as Worker,
    })
    const row = { ...waitingRow('d1', mailboxIn('eu', '1')), state: { kind: 'held' } } as const
    thread.isSlow = true
    const first = spool.append([row], { giveUpAt: GIVE_UP_MS })
    const firstFate = first.then(
      () => 'stored',
      () => 'given up',
    )
    await nextTurn()
    clock.advance(GIVE_UP_MS)
    await nextTurn()
    clock.advance(100)
    expect(await firstFate).toBe('given up')
    const again = spool.append([{ ...row, delivery: 'd2' }], { giveUpAt: Infinity })
    await nextTurn()
    thread.isSlow = false
    thread.sayAll()
    expect(await again).toMatchObject([{ kind: 'duplicate' }])
    for (let turn = 0; turn < 4; turn++) await nextTurn()
    const [mailbox] = await spool.open()
    expect(mailbox).toMatchObject({ isEmpty: false })
    // And nobody is on it who is not there any more.
    expect(await spool.next(mailbox?.id ?? 0)).toMatchObject({ kind: 'row', row: { delivery: 'd1' } })
    await spool.close()
    connection.database.close()
  })
})
