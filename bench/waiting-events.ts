import { hash } from 'node:crypto'
import { systemClock } from '../src/clock.ts'
import { pack } from '../src/delivery/kept.ts'
import { forwardable } from '../src/dispatch/forward.ts'
import { createIds } from '../src/ids.ts'
import { createSealer, readSpoolKeys } from '../src/spool/seal.ts'
import { NO_PROGRESS, type NewRow, type Spool } from '../src/spool/spool.ts'
import { openDirectSpool } from '../src/spool/sqlite/direct-spool.ts'
import { EVENTS_PATH, eventBody, slackHeaders } from './slack-event.ts'

/** Rows that share a commit. */
const BATCH = 2000

/** Puts events into a store that no gateway has open, as a gateway would have: as many in each mailbox. */
export async function fill(
  database: string,
  { events, mailboxes, regionOf, spoolKeys }: FillOptions & { spoolKeys: string },
): Promise<void> {
  const sealer = createSealer(readSpoolKeys(spoolKeys).keys)
  const ids = createIds()
  await withSpool(database, async (spool) => {
    for (let from = 0; from < events; from += BATCH) {
      const rows = Array.from({ length: Math.min(BATCH, events - from) }, (_, at): NewRow => {
        const mailbox = (from + at) % mailboxes
        const body = eventBody(mailbox, Math.floor((from + at) / mailboxes))
        const receivedAt = Date.now()
        const delivery = ids.delivery(receivedAt)
        const idempotencyKey = hash('sha256', body, 'base64url')
        const webhook = {
          delivery,
          requestId: delivery,
          method: 'POST',
          target: EVENTS_PATH,
          rawHeaders: slackHeaders(body).flat(),
          headers: {},
          body: Buffer.from(body),
          receivedAt,
          startedAt: 0,
          deadline: 0,
          peer: { forwardedFor: '127.0.0.1', proto: 'http', host: 'localhost', user: undefined },
        }
        const what = forwardable(webhook, { idempotencyKey, cookies: false }, ids)
        const region = regionOf(mailbox)
        const integration = integrationOf(mailbox)
        return {
          mailbox: { kind: 'region', provider: 'slack', integration, region },
          delivery,
          dedupKey: idempotencyKey,
          organizations: [integration],
          receivedAt,
          payload: sealer.seal(pack({ what, signedBy: '' }), { delivery, region }),
          maxSpoolBytes: undefined,
          state: { kind: 'waiting', ...NO_PROGRESS },
        }
      })
      const stored = await spool.append(rows, { giveUpAt: Number.POSITIVE_INFINITY })
      if (stored.some(({ kind }) => kind !== 'stored')) throw new Error('The store did not take what was put into it')
    }
  })
}

export interface FillOptions {
  readonly events: number
  readonly mailboxes: number
  readonly regionOf: (mailbox: number) => string
}

/** How many deliveries a store holds, whoever else has it open. */
export async function countIn(database: string): Promise<{ waiting: number; dead: number }> {
  return await withSpool(database, async (spool) => {
    const sums = { waiting: 0, dead: 0 }
    for (const { depth, deadLetters } of await spool.list()) {
      sums.waiting += depth
      sums.dead += deadLetters
    }
    return sums
  })
}

/** The directory's id of a mailbox's integration, which is its organization's too. */
export function integrationOf(mailbox: number): string {
  return String(mailbox + 1)
}

async function withSpool<Result>(database: string, use: (spool: Spool) => Promise<Result>): Promise<Result> {
  const spool = await openDirectSpool(database, { clock: systemClock })
  try {
    return await use(spool)
  } finally {
    await spool.close()
  }
}
