import { NO_PROGRESS, type MailboxAddress, type NewRow } from '../../src/spool/spool.ts'

/** A mailbox of Slack's integration 1, if nothing else is said. */
export const mailboxIn = (region: string, integration = '1'): MailboxAddress & { kind: 'region' } => ({
  kind: 'region',
  provider: 'slack',
  integration,
  region,
})

/** A webhook by this name that waits there, and was never tried. */
export const waitingRow = (name: string, mailbox: MailboxAddress, more: Partial<NewRow> = {}): NewRow => ({
  mailbox,
  delivery: name,
  dedupKey: name,
  organizations: ['10'],
  receivedAt: 0,
  payload: { keyId: undefined, bytes: Buffer.from('x') },
  maxSpoolBytes: undefined,
  state: { kind: 'waiting', ...NO_PROGRESS },
  ...more,
})
