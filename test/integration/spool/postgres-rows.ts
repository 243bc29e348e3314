import type { PostgresDatabase } from '../../../src/database/postgres.ts'
import {
  NO_PROGRESS,
  type Claim,
  type MailboxAddress,
  type NewOwedAnswer,
  type NewRow,
  type Spool,
} from '../../../src/spool/spool.ts'

export const box = (integration = '1', region = 'us'): MailboxAddress => ({
  kind: 'region',
  provider: 'slack',
  integration,
  region,
})

export const row = (name: string, more: Partial<NewRow> = {}): NewRow => ({
  mailbox: box(),
  delivery: name,
  dedupKey: name,
  organizations: ['1'],
  receivedAt: 1,
  payload: { keyId: undefined, bytes: Buffer.from(`payload ${name}`) },
  maxSpoolBytes: 1_000_000_000,
  state: { kind: 'waiting', ...NO_PROGRESS },
  ...more,
})

export const answer = (delivery: string): NewOwedAnswer => ({
  delivery,
  provider: 'slack',
  integration: '1',
  receivedAt: 1,
  request: { keyId: undefined, bytes: Buffer.from('x') },
  message: undefined,
})

export const databaseAt = (url: string): PostgresDatabase => ({
  kind: 'postgres',
  url,
  poolMax: 10,
  statementTimeoutMs: 2000,
})

/** Delivers everything in a mailbox, and says what came in which order. */
export async function drain(spool: Spool, mailbox: number): Promise<string[]> {
  const names: string[] = []
  for (let next = await spool.next(mailbox); next.kind === 'row'; next = await spool.next(mailbox)) {
    names.push(next.row.dedupKey)
    const claim: Claim = { kind: 'mailbox', mailbox, fence: next.fence, row: next.row.id }
    await spool.settle(claim, { kind: 'delivered' })
  }
  return names
}

/** Asks again and again, in real time, until something is so. */
export async function becomes(isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 20_000
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) throw new Error('it never came to this')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
