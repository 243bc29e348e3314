import { z } from 'zod'
import type { AuditLog } from '../audit/audit-log.ts'
import type { DeadLetterFilter, Mailboxes } from '../spool/spool.ts'
import type { Process } from './process.ts'
import { findServer, type Server } from './server.ts'
import { COMMAND_LINE, withDirectory, withSpool } from './stores.ts'

/** What can be changed of mailboxes. Each change is audited. */
export type MailboxChanges = Pick<Mailboxes, 'pause' | 'resume' | 'replay'>

/** Hands over to the gateway that runs, so that changes are in effect there at once, or to the store. */
export async function withMailboxChanges<Result>(
  io: Pick<Process, 'stderr'>,
  run: (mailboxes: MailboxChanges) => Promise<Result>,
): Promise<Result> {
  return await withDirectory(async (store) => {
    const server = await findServer(io, store)
    if (server !== undefined) return await run(changesBy(server))
    return await withSpool((spool) => run(changesIn(spool, store.audit)))
  })
}

function changesBy(server: Server): MailboxChanges {
  const isThere = async (path: string, body: object): Promise<boolean> =>
    (await server.ask('POST', path, { body, allow: [404] })).status !== 404
  return {
    pause: (id, reason) => isThere(`/api/mailboxes/${id}/pause`, { reason }),
    resume: (id) => isThere(`/api/mailboxes/${id}/resume`, {}),
    async replay({ id, mailbox: mailbox_id, integration: integration_id, ...filter }) {
      if (id !== undefined) {
        const { status, body } = await server.ask('POST', `/api/dead-letters/${id}/replay`, { allow: [404] })
        return status === 404 ? 0 : replayed.parse(body).replayed
      }
      const given = { mailbox_id, integration_id, ...filter }
      const isAll = Object.values(given).every((value) => value === undefined)
      const { body } = await server.ask('POST', '/api/dead-letters/replay', { body: isAll ? { all: true } : given })
      return replayed.parse(body).replayed
    },
  }
}

const replayed = z.object({ replayed: z.int() })

function changesIn(spool: Mailboxes, audit: Pick<AuditLog, 'record'>): MailboxChanges {
  const record = (action: string, subject: string, details: Record<string, unknown>) =>
    audit.record({ author: COMMAND_LINE, action, subject, details })
  return {
    async pause(id, reason) {
      const isThere = await spool.pause(id, reason)
      if (isThere) await record('mailbox.pause', `mailbox ${id}`, { reason })
      return isThere
    },
    async resume(id) {
      const isThere = await spool.resume(id)
      if (isThere) await record('mailbox.resume', `mailbox ${id}`, {})
      return isThere
    },
    async replay(filter: DeadLetterFilter) {
      const replayed = await spool.replay(filter)
      await record('dead_letters.replay', 'dead letters', { filter, replayed })
      return replayed
    },
  }
}
