import { EventEmitter } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { openSqliteSpool, type Reply, type ToThread } from '../../../src/spool/sqlite/sqlite-spool.ts'
import { createManualClock } from '../../support/manual-clock.ts'

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
})
