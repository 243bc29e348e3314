import { randomUUID } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { migrateFile } from '../../database/migrations.ts'
import { replayAll } from '../replay-all.ts'
import type { Spool } from '../spool.ts'
import {
  connectSpool,
  transact,
  type Arguments,
  type Operation,
  type Result,
  type SpoolConnection,
} from './transaction.ts'

/** How long a command waits for another process's write. */
const WAIT_MS = 5000

/**
 * The spool without a thread: each call is one transaction, carried out before it returns. For commands, and where
 * nothing may happen by itself.
 */
export async function openDirectSpool(
  path: string,
  { clock, instance = randomUUID() }: { clock: Clock; instance?: string },
): Promise<Spool> {
  if (path !== ':memory:') await migrateFile(path, clock)
  const connection = await connectSpool(path, { waitMs: WAIT_MS })
  const spool = directSpool(connection, { clock, instance })
  return {
    ...spool,
    async close() {
      try {
        await spool.close()
      } finally {
        connection.database.close()
      }
    },
  }
}

/** The same over a connection that several instances share, which stays its opener's to close. */
export function directSpool(
  connection: SpoolConnection,
  { clock, instance }: { clock: Clock; instance: string },
): Spool {
  const moment = () => ({ monotonic: clock.monotonic(), now: clock.now(), instance })
  return spoolOf(async (operation, args) => {
    const [result] = transact(connection, moment, [{ operation, args }])
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the result of the operation that was called
    return result as never
  })
}

/** The port over anything that can carry out one operation. */
export function spoolOf(
  call: <Named extends Operation>(
    operation: Named,
    args: Arguments<Named>,
    options?: { giveUpAt: number },
  ) => Promise<Result<Named>>,
): Spool {
  return {
    renew: () => call('renew', []),
    close: () => call('giveBack', []),
    append: (rows, options) => call('append', [rows], options),
    next: (mailbox) => call('next', [mailbox]),
    settle: (claim, settlement) => call('settle', [claim, settlement]),
    release: (mailbox, fence) => call('release', [mailbox, fence]),
    open: () => call('open', []),
    waitingFor: (mailbox, organization, page) => call('waitingFor', [mailbox, organization, page]),
    relocate: (moves, options) => call('relocate', [moves, options]),
    at: (addresses) => call('at', [addresses]),
    changed: () => call('changed', []),
    list: (page) => call('list', [page]),
    usage: () => call('usage', []),
    totals: () => call('totals', []),
    pause: (mailbox, reason) => call('pause', [mailbox, reason]),
    resume: (mailbox) => call('resume', [mailbox]),
    deadLetters: (filter, page) => call('deadLetters', [filter, page]),
    replay: (filter) => replayAll((part) => call('replay', [filter, part])),
    erase: (target) => call('erase', [target]),
    sweep: (before) => call('sweep', [before]),
    owe: (answer, options) => call('owe', [answer], options),
    posting: (delivery, message) => call('posting', [delivery, message]),
    unposted: (delivery) => call('unposted', [delivery]),
    paid: (delivery) => call('paid', [delivery]),
    takeOver: () => call('takeOver', []),
  }
}
