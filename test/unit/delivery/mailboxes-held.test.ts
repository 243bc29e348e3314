import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createMailboxWorker, type MailboxWorker } from '../../../src/delivery/mailboxes.ts'
import { regionOf, type MailboxAddress, type NewRow } from '../../../src/spool/spool.ts'
import { directSpool } from '../../../src/spool/sqlite/direct-spool.ts'
import { connectSpool, type SpoolConnection } from '../../../src/spool/sqlite/transaction.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { mailboxIn, waitingRow } from '../../support/spool-rows.ts'
import { easy } from './mailbox-world.ts'

let connection: SpoolConnection
beforeAll(async () => {
  connection = await connectSpool(':memory:', { waitMs: 0 })
})
beforeEach(() => connection.tables.clear())
afterAll(() => connection.database.close())
const workers: MailboxWorker[] = []
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop()
})

const slack = { provider: 'slack', integration: '1' } as const
const eu = mailboxIn('eu')
const own = (organization = '10'): MailboxAddress => ({ ...slack, kind: 'held', organization })
/** A worker for organizations that are held until `release`; what waits for them then goes to `eu`, which takes it. */
async function start() {
  const clock = createManualClock()
  const seen = { asked: 0, claimed: 0, delivered: [] as string[] }
  let held = true
  const sound = directSpool(connection, { clock, instance: 'one' })
  const worker = createMailboxWorker({
    ...easy,
    spool: {
      ...sound,
      next(mailbox) {
        seen.claimed += 1
        return sound.next(mailbox)
      },
    },
    clock,
    attempt(address, { delivery }) {
      if (address.kind === 'held') return Promise.resolve({ kind: 'moved', rows: [waitingRow(delivery, eu)] })
      seen.delivered.push(`${delivery} to ${regionOf(address)}`)
      return Promise.resolve({ kind: 'judged', judgement: { kind: 'delivered' } })
    },
    isHeld() {
      seen.asked += 1
      return Promise.resolve(held)
    },
  })
  workers.push(worker)
  await worker.start()
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await nextTurn()
  }
  return {
    seen,
    worker,
    spool: sound,
    settled,
    release: () => void (held = false),
    put: async (...rows: NewRow[]): Promise<void> => {
      await worker.append(rows, { giveUpAt: Infinity })
      await settled()
    },
    pass: async (ms: number): Promise<void> => {
      for (const end = clock.monotonic() + ms; clock.monotonic() < end; clock.advance(100)) await settled()
      await settled()
    },
  }
}

describe('what waits for an organization that is held', () => {
  it('costs the store nothing, and the directory a look a second', async () => {
    const { put, pass, seen, worker } = await start()
    await put(waitingRow('1', own()), waitingRow('2', own()))
    await pass(10_000)
    expect(seen).toMatchObject({ claimed: 0, delivered: [] })
    expect(seen.asked).toBeLessThanOrEqual(12)
    expect(worker.mustWait(own())).toBe(true)
  })

  it('costs the directory fifty looks a second however many are held', async () => {
    const { put, pass, seen } = await start()
    await put(...Array.from({ length: 500 }, (_, at) => waitingRow(`${at}`, own(`${at}`))))
    seen.asked = 0
    await pass(20_000)
    expect(seen.asked).toBeLessThanOrEqual(1100)
  })

  it('does not keep anybody else waiting', async () => {
    const { put, seen, worker } = await start()
    await put(waitingRow('1', own()), waitingRow('2', eu))
    expect(seen.delivered).toEqual(['2 to eu'])
    expect(worker.mustWait(eu)).toBe(false)
    expect(worker.mustWait(own('11'))).toBe(false)
  })

  it('is delivered within a second of its release, in its order, though nobody says so here', async () => {
    const { put, pass, seen, release, worker } = await start()
    await put(waitingRow('1', own()), waitingRow('2', own()), waitingRow('3', own()))
    release()
    await pass(1100)
    expect(seen.delivered).toEqual(['1 to eu', '2 to eu', '3 to eu'])
    expect(worker.mustWait(own())).toBe(false)
  })

  it('is waited for while it is being moved here, though nothing is known yet to be there', async () => {
    const { spool, worker, put, release, seen, settled } = await start()
    await put(waitingRow('1', own()))
    release()
    const [waiting] = await spool.waitingFor(own(), '10', { limit: 1 })
    const moved = await worker.filling([own(), eu], async () => {
      expect(worker.mustWait(eu)).toBe(true)
      return await spool.relocate([{ row: waiting?.id ?? 0, rows: [waitingRow('1', eu)] }])
    })
    expect(moved).toBe(1)
    expect(worker.mustWait(eu)).toBe(true)
    await settled()
    expect(seen.delivered).toEqual(['1 to eu'])
    expect(worker.mustWait(eu)).toBe(false)
    await expect(worker.filling([own(), eu], () => Promise.reject(new Error('no disk')))).rejects.toThrow('no disk')
    expect(worker.mustWait(eu)).toBe(false)
  })

  it('is delivered at once where it was moved here, and what comes then does not wait for it', async () => {
    const { put, spool, seen, release, worker, settled } = await start()
    await put(waitingRow('1', own()))
    release()
    const [waiting] = await spool.waitingFor(own(), '10', { limit: 1 })
    await spool.relocate([{ row: waiting?.id ?? 0, rows: [waitingRow('1', eu)] }])
    expect(worker.mustWait(own())).toBe(true)
    await worker.filling([own(), eu], () => Promise.resolve())
    await settled()
    expect(seen.delivered).toEqual(['1 to eu'])
    expect(worker.mustWait(own())).toBe(false)
  })
})
