import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { systemClock } from '../clock.ts'
import type { DeadLetter, DeadLetterFilter, MailboxAddress, Mailboxes } from '../spool/spool.ts'
import { withMailboxChanges, type MailboxChanges } from './change-mailboxes.ts'
import { deadLetterLines, mailboxLines } from './mailbox-lines.ts'
import type { ExitCode, Process } from './process.ts'
import { withSpool } from './stores.ts'

/** Dead letters are read so many at a time: there may be more of them than fit in memory. */
const PAGE = 1000

export async function listMailboxes(io: Process, options: { json?: true }): Promise<ExitCode> {
  return await withSpool<ExitCode>(async (mailboxes) => {
    const listed = await mailboxes.list()
    const now = systemClock.now()
    if (options.json === true) {
      const described = listed.map(({ address, paused = null, oldestAt, ...mailbox }) => ({
        ...mailbox,
        ...flat(address),
        paused,
        oldestAt: oldestAt ?? null,
        oldestAgeMs: oldestAt === undefined ? null : Math.max(0, now - oldestAt),
      }))
      io.stdout.write(`${JSON.stringify(described)}\n`)
    } else if (listed.length === 0) {
      io.stdout.write('No mailbox has anything in it, and none is paused.\n')
    } else {
      io.stdout.write(`${mailboxLines(listed, now).join('\n')}\n`)
    }
    return 0
  })
}

/** The newest first. */
export async function listDeadLetters(io: Process, options: { json?: true }): Promise<ExitCode> {
  return await withSpool<ExitCode>(async (mailboxes) => {
    const parts = options.json === true ? deadLettersAsJson(mailboxes) : deadLetterTable(mailboxes)
    // Once nobody reads any more, no further page is asked for.
    await pipeline(Readable.from(parts), io.stdout, { end: false })
    return 0
  })
}

async function* deadLettersAsJson(mailboxes: Pick<Mailboxes, 'deadLetters'>): AsyncGenerator<string> {
  let before = '['
  for await (const letters of pagesOf(mailboxes)) {
    const described = letters.map(({ address, ...letter }) => JSON.stringify({ ...letter, ...flat(address) }))
    yield before + described.join(',')
    before = ','
  }
  yield before === '[' ? '[]\n' : ']\n'
}

async function* deadLetterTable(mailboxes: Pick<Mailboxes, 'deadLetters'>): AsyncGenerator<string> {
  const now = systemClock.now()
  let isFirst = true
  for await (const letters of pagesOf(mailboxes)) {
    const lines = deadLetterLines(letters, now)
    yield `${(isFirst ? lines : lines.slice(1)).join('\n')}\n`
    isFirst = false
  }
  if (isFirst) yield 'There are no dead letters.\n'
}

/** Puts dead letters back at the ends of their mailboxes. */
export async function replayDeadLetters(
  io: Process,
  chosen: DeadLetterFilter,
  options: { json?: true | undefined },
): Promise<ExitCode> {
  return await withMailboxChanges<ExitCode>(io, async (mailboxes) => {
    const replayed = await mailboxes.replay(chosen)
    if (chosen.id !== undefined && replayed === 0) {
      io.stderr.write(`There is no such dead letter ${chosen.id}: mailbox list --dead shows those there are.\n`)
      return 1
    }
    io.stdout.write(
      options.json === true
        ? `${JSON.stringify({ replayed })}\n`
        : `Replayed ${replayed} dead ${replayed === 1 ? 'letter' : 'letters'}.\n`,
    )
    return 0
  })
}

export async function pauseMailbox(
  io: Process,
  id: number,
  { reason, json }: { reason: string; json?: true },
): Promise<ExitCode> {
  const pause = (mailboxes: MailboxChanges) => mailboxes.pause(id, reason)
  return await changeMailbox(io, id, pause, json ? JSON.stringify({ id, paused: reason }) : `Mailbox ${id} is paused.`)
}

export async function resumeMailbox(io: Process, id: number, { json }: { json?: true }): Promise<ExitCode> {
  const resume = (mailboxes: MailboxChanges) => mailboxes.resume(id)
  return await changeMailbox(io, id, resume, json ? JSON.stringify({ id, paused: null }) : `Mailbox ${id} goes on.`)
}

/** `change` resolves to whether there is such a mailbox. */
async function changeMailbox(
  io: Process,
  id: number,
  change: (mailboxes: MailboxChanges) => Promise<boolean>,
  line: string,
): Promise<ExitCode> {
  return await withMailboxChanges<ExitCode>(io, async (mailboxes) => {
    if (!(await change(mailboxes))) {
      io.stderr.write(`There is no mailbox ${id}: mailbox list shows those there are.\n`)
      return 1
    }
    io.stdout.write(`${line}\n`)
    return 0
  })
}

async function* pagesOf(mailboxes: Pick<Mailboxes, 'deadLetters'>): AsyncGenerator<DeadLetter[]> {
  let beforeId: number | undefined
  do {
    const page = await mailboxes.deadLetters({}, { limit: PAGE, ...(beforeId !== undefined && { beforeId }) })
    if (page.length > 0) yield page
    beforeId = page.length < PAGE ? undefined : page.at(-1)?.id
  } while (beforeId !== undefined)
}

/** What is not known of one kind of mailbox is null, so that every entry has the same keys. */
function flat(address: MailboxAddress) {
  return { installation: null, integration: null, region: null, organization: null, ...address }
}
