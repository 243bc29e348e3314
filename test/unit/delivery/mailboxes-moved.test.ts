import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { directSpool } from '../../../src/delivery/direct-spool.ts'
import { createMailboxWorker } from '../../../src/delivery/mailboxes.ts'
import { regionOf, type MailboxAddress, type NewRow, type Spool } from '../../../src/delivery/spool.ts'
import { connectSpool, type SpoolConnection } from '../../../src/delivery/spool-transaction.ts'
import { createCounters } from '../../../src/telemetry/counters.ts'
import { createManualClock } from '../../support/manual-clock.ts'

let connection: SpoolConnection
beforeAll(async () => {
  connection = await connectSpool(':memory:', { waitMs: 0 })
})
afterAll(() => connection.database.close())

const homeless: MailboxAddress = { kind: 'unresolved', provider: 'slack', installation: 'T1' }
const home: MailboxAddress = { kind: 'region', provider: 'slack', integration: '1', region: 'eu' }
const rowIn = (mailbox: MailboxAddress): NewRow => ({
  mailbox,
  delivery: 'd1',
  dedupKey: 'k1',
  organizations: [],
  receivedAt: 0,
  payload: { keyId: undefined, bytes: Buffer.from('x') },
  maxSpoolBytes: undefined,
  state: { kind: 'waiting', attempts: 0, answeredFailures: 0, failingMs: 0, retryAt: 0 },
})

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
    spool,
    clock,
    alarms: { raise() {} },
    counters: createCounters(),
    random: () => 0.5,
    attempt(address, { delivery }) {
      if (address.kind === 'unresolved') return Promise.resolve({ kind: 'moved', rows: [rowIn(home)] })
      delivered.push(`${delivery} to ${regionOf(address)}`)
      return Promise.resolve({ kind: 'judged', judgement: { kind: 'delivered' } })
    },
    isHeld: () => Promise.resolve(false),
    lane: () => ({ atMost: 4, breaker: 'closed' }),
    maxAgeMs: () => 86_400_000,
    deadLetterMs: () => 86_400_000,
    maxSpoolBytes: () => undefined,
    holdsMore: () => false,
    onDead() {},
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
