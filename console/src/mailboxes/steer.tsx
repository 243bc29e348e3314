import { post } from '../api.ts'
import { confirm } from '../parts/confirm.tsx'
import { notify, notifyFailure } from '../parts/notices.tsx'
import type { MailboxNow } from '../shapes.ts'
import { asApiError } from '../use-resource.ts'

/** Asks for a reason and pauses a mailbox. Resolves when it is done, or is not to be done. Never rejects. */
export async function pause({ id, depth }: MailboxNow): Promise<void> {
  let reason = ''
  const isMeant = await confirm({
    title: `Pause mailbox ${id}?`,
    text: (
      <>
        <p>
          What waits in it ({depth}) and what comes for it goes on waiting, in its order, until it is resumed. What
          waits too long becomes a dead letter.
        </p>
        <label class="field">
          <span>Why, for whoever looks at the list</span>
          <input maxLength={1000} onInput={({ currentTarget }) => (reason = currentTarget.value)} />
        </label>
      </>
    ),
    act: 'Pause',
  })
  if (!isMeant) return
  await done(`Mailbox ${id}`, 'is paused', () =>
    post(`/api/mailboxes/${id}/pause`, reason.trim() === '' ? {} : { reason: reason.trim() }),
  )
}

/** The same the other way round. */
export async function resume({ id, depth, paused }: MailboxNow): Promise<void> {
  const isMeant = await confirm({
    title: `Resume mailbox ${id}?`,
    text: (
      <p>
        It is paused: {paused}. What waits in it ({depth}) is sent again, one after the other, as the region takes it.
      </p>
    ),
    act: 'Resume',
  })
  if (isMeant) await done(`Mailbox ${id}`, 'goes on', () => post(`/api/mailboxes/${id}/resume`))
}

async function done(what: string, is: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act()
    notify(`${what} ${is}`)
  } catch (error) {
    notifyFailure(`${what} is as it was`, asApiError(error))
  }
}
