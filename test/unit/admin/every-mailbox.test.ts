import { expect, it } from 'vitest'
import { everyMailbox } from '../../../src/admin/every-mailbox.ts'
import type { MailboxListing, MailboxPage } from '../../../src/spool/spool.ts'

const listing = (id: number): MailboxListing => ({
  id,
  address: { kind: 'region', provider: 'slack', integration: String(id), region: 'us' },
  paused: undefined,
  isEmpty: true,
  retryAt: 0,
  depth: 0,
  bytes: 0,
  oldestAt: undefined,
  headAttempts: 0,
  deadLetters: 0,
})

/** So many mailboxes, and how many were read of them. */
function storeOf(count: number) {
  const all = Array.from({ length: count }, (_, at) => listing(at + 1))
  const store = {
    read: 0,
    list({ limit = Infinity, after = 0 }: Partial<MailboxPage> = {}) {
      const page = all.filter(({ id }) => id > after).slice(0, limit)
      store.read += page.length
      return Promise.resolve(page)
    },
  }
  return store
}

it.each([0, 1, 499, 500, 501, 1000, 1203])('%i mailboxes are each read once, in their order', async (count) => {
  const ids: number[] = []
  for await (const { id } of everyMailbox(storeOf(count), {})) ids.push(id)
  expect(ids).toEqual(Array.from({ length: count }, (_, at) => at + 1))
})

it('no more mailboxes are read than a page beyond what is wanted', async () => {
  const store = storeOf(100_000)
  for await (const { id } of everyMailbox(store, { after: 10 })) if (id === 20) break
  expect(store.read).toBeLessThanOrEqual(1000)
})
