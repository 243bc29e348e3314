import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createMailboxWorker } from '../../../src/delivery/mailboxes.ts'
import { regionOf, type MailboxAddress, type NewRow, type Spool } from '../../../src/spool/spool.ts'
import { directSpool } from '../../../src/spool/sqlite/direct-spool.ts'
import { connectSpool, type SpoolConnection } from '../../../src/spool/sqlite/transaction.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { mailboxIn, waitingRow } from '../../support/spool-rows.ts'
import { easy } from './mailbox-world.ts'

let connection: SpoolConnection
beforeAll(async () => {
  connection = await connectSpool(':memory:', { waitMs: 0 })
})
afterAll(() => connection.database.close())

const homeless: MailboxAddress = { kind: 'unresolved', provider: 'slack', installation: 'T1' }
const home = mailboxIn('eu')
const rowIn = (mailbox: MailboxAddress): NewRow => waitingRow('d1', mailbox)

/** A worker whose unresolved deliveries find their home at once. */
function createWorld() {
  connection.tables.clear()
  const broken: Partial<Record<keyof Spool, number>> = {}
  const clock = createManualClock()
  const sound = directSpool(connection, { clock, instance: 'one' })
  const fails = (operation: keyof Spool): boolean => {
    const left = broken[operation] ?? 0
    broken[operation] = left - 1
    return left > 0
  }
  const spool: Spool = {
    ...sound,
    settle: (...args) => (fails('settle') ? Promise.reject(new Error('no disk')) : sound.settle(...args)),
    open: () => (fails('open') ? Promise.reject(new Error('no disk')) : sound.open()),
  }
  const delivered: string[] = []
  const worker = createMailboxWorker({
    ...easy,
    spool,
    clock,
    attempt(address, { delivery }) {
      if (address.kind === 'unresolved') return Promise.resolve({ kind: 'moved', rows: [rowIn(home)] })
      delivered.push(`${delivery} to ${regionOf(address)}`)
      return Promise.resolve({ kind: 'judged', judgement: { kind: 'delivered' } })
    },
  })
  return {
    delivered,
    async run(ms: number): Promise<void> {
      for (const end = clock.monotonic() + ms; clock.monotonic() < end; clock.advance(100)) await nextTurn()
    },
    /** Puts one where it has no home, once the store is about to fail. */
    async beginAsStoreFails(operation: keyof Spool): Promise<void> {
      await worker.start()
      broken[operation] = 1
      await worker.append([rowIn(homeless)], { giveUpAt: clock.monotonic() + 1000 })
    },
    stop: () => worker.stop(),
  }
}

it.each(['settle', 'open'] as const)(
  'delivers what has moved although the store failed in between (%s)',
  async (what) => {
    const world = createWorld()
    await world.beginAsStoreFails(what)
    await world.run(5000)
    expect(world.delivered).toEqual(['d1 to eu'])
    await world.stop()
  },
)
