import type { MailboxListing, MailboxPage, Mailboxes } from '../spool/spool.ts'
import { fromStore } from './from-store.ts'

/** A page of them is read in some milliseconds; there may be a mailbox for each integration and region. */
const PAGE = 500

/** Mailboxes in the order of their ids, read as far as they are wanted. Throws `store_unavailable`. */
export async function* everyMailbox(
  spool: Pick<Mailboxes, 'list'>,
  which: Omit<MailboxPage, 'limit'>,
): AsyncGenerator<MailboxListing> {
  let { after = 0 } = which
  for (;;) {
    const page = await fromStore(spool.list({ ...which, after, limit: PAGE }))
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    after = last.id
  }
}
