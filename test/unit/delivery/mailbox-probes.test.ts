import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Judgement } from '../../../src/delivery/judge.ts'
import { createMailboxWorker } from '../../../src/delivery/mailboxes.ts'
import type { Lane } from '../../../src/delivery/turns.ts'
import { directSpool } from '../../../src/spool/sqlite/direct-spool.ts'
import { connectSpool } from '../../../src/spool/sqlite/transaction.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { mailboxIn, waitingRow } from '../../support/spool-rows.ts'
import { easy } from './mailbox-world.ts'

it('sends the mailboxes of a region as its probes by turns: one bad head does not keep the others waiting', async () => {
  const { database, tables } = await connectSpool(':memory:', { waitMs: 0 })
  const clock = createManualClock()
  const failed: Judgement = { kind: 'transient', reason: 'http_500', why: 'answered', retryAfterMs: undefined }
  const tried: string[] = []
  let breaker: Lane['breaker'] = 'closed'
  const worker = createMailboxWorker({
    ...easy,
    spool: directSpool({ database, tables }, { clock, instance: 'one' }),
    clock,
    random: () => 1,
    attempt(_, { delivery }) {
      tried.push(delivery)
      return Promise.resolve({ kind: 'judged', judgement: failed })
    },
    lane: () => ({ atMost: 4, breaker }),
  })
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await nextTurn()
  }
  await worker.start()
  for (const integration of ['1', '2', '3'])
    await worker.append([waitingRow(`d${integration}`, mailboxIn('eu', integration))], { giveUpAt: Infinity })
  await settled()

  breaker = 'half_open'
  tried.length = 0
  for (let probe = 0; probe < 4; probe++) {
    worker.watch('eu').probeDue()
    await settled()
  }

  expect(tried).toEqual(['d1', 'd2', 'd3', 'd1'])
  await worker.stop()
  database.close()
})
