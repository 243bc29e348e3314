import type { MailboxAddress, NewRow } from '../../../src/spool/spool.ts'
import { waitingRow } from '../../support/spool-rows.ts'

/** One whose delivery and payload, sealed with `k1`, say its name as well. */
export const namedRow = (name: string, mailbox: MailboxAddress, more: Partial<NewRow> = {}): NewRow =>
  waitingRow(name, mailbox, {
    delivery: `delivery ${name}`,
    payload: { keyId: 'k1', bytes: Buffer.from(`payload ${name}`) },
    ...more,
  })
