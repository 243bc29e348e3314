import { z } from 'zod'
import type { AuditLog } from '../audit/audit-log.ts'
import { label, word } from '../directory/row-fields.ts'
import { Refusal } from '../errors.ts'
import type { DeadLetter, DeadLetterFilter, MailboxAddress, MailboxListing, Mailboxes } from '../spool/spool.ts'
import { everyMailbox } from './every-mailbox.ts'
import { flag, id, idOut, idText, isoTime, pageOf, paging, readPage, rowId, rowIdIn } from './fields.ts'
import { fromStore } from './from-store.ts'
import { route, type Route } from './route.ts'

export interface MailboxRoutesParts {
  readonly spool: Pick<Mailboxes, 'list' | 'pause' | 'resume' | 'deadLetters' | 'replay'>
  readonly audit: Pick<AuditLog, 'record'>
  /** Has this process look at what was changed: others notice by themselves. */
  readonly look: () => Promise<void>
  /** Erases all that is kept of an integration; undefined: nobody knows it, and nothing was kept of it. */
  readonly erase: (integration: string) => Promise<Erased | undefined>
}

const kind = z.enum(['region', 'held', 'unresolved'])

/** Whose mailbox it is; what is not known of its kind is null. */
const whose = {
  kind: kind.describe(
    'region: of one region. held: of an organization, until it is released. unresolved: until it is known whose it is.',
  ),
  provider: z.string(),
  integration_id: idOut.nullable(),
  region: z.string().nullable(),
  organization_id: idOut.nullable(),
  installation: z.string().nullable().describe('The key by which it came.'),
}

const mailboxOut = z.object({
  id: idOut,
  ...whose,
  depth: z.int().describe('Deliveries that wait.'),
  bytes: z.int(),
  paused: z.string().nullable().describe('Why it is paused.'),
  retry_at: isoTime.nullable().describe('When its first delivery is tried again.'),
  oldest_at: isoTime.nullable().describe('Since when its first delivery waits.'),
  head_attempts: z.int().describe('How often its first delivery was tried.'),
  dead_letters: z.int(),
})

export type MailboxNow = z.output<typeof mailboxOut>

const deadLetterOut = z.object({
  id: idOut,
  mailbox_id: idOut,
  ...whose,
  delivery: z.string(),
  reason: z.string(),
  attempts: z.int(),
  received_at: isoTime,
  died_at: isoTime,
})

export type DeadLetterOut = z.output<typeof deadLetterOut>

const erasedOut = z.object({
  erased: z.int().describe('How much waited: deliveries, dead letters and owed answers.'),
  records: z.int().describe('How many records of deliveries there were.'),
})

export type Erased = z.output<typeof erasedOut>

const replayedOut = z.object({ replayed: z.int().describe('How many wait again.') })

/** What waits for regions, and what was given up. */
export function mailboxRoutes({ spool, audit, look, erase }: MailboxRoutesParts): Route[] {
  const params = z.strictObject({ id: rowId })

  async function done(entry: { author: string; action: string; subject: string; details: Record<string, unknown> }) {
    await look()
    await fromStore(audit.record(entry))
  }

  async function replay(filter: DeadLetterFilter, author: string, subject: string) {
    const replayed = await fromStore(spool.replay(filter))
    await done({ author, action: 'dead_letters.replay', subject, details: { filter, replayed } })
    return { status: 200, body: { replayed } } as const
  }

  return [
    route({
      method: 'get',
      path: '/api/mailboxes',
      summary: 'Every mailbox in which something has ever waited, in the order of their ids',
      writes: false,
      query: z.strictObject({
        ...paging,
        kind: kind.optional(),
        provider: word.optional(),
        integration_id: idText.optional(),
        region: word.optional(),
        paused: flag.optional(),
      }),
      responses: { 200: { description: 'A page of mailboxes', body: pageOf(mailboxOut) } },
      async handle({ query: { limit, cursor, ...filter } }) {
        const { rows, next_cursor } = await readPage({ limit, cursor }, z.int(), idOf, async ({ limit, after = 0 }) => {
          const wanted: MailboxListing[] = []
          for await (const mailbox of everyMailbox(spool, { after, open: filter.paused === true })) {
            if (isWanted(mailbox, filter)) wanted.push(mailbox)
            if (wanted.length === limit) break
          }
          return wanted
        })
        return { status: 200, body: { items: rows.map(mailboxJson), next_cursor } }
      },
    }),
    route({
      method: 'post',
      path: '/api/mailboxes/{id}/pause',
      summary: 'Lets what is in a mailbox wait, and what comes, until it is resumed',
      writes: true,
      params,
      body: z
        .strictObject({ reason: label.min(1).default('by hand').describe('Why, for whoever looks at the list.') })
        .prefault({}),
      responses: { 200: { description: 'It is paused', body: z.object({ id: idOut, paused: z.string() }) } },
      problems: ['not_found'],
      async handle({ params: { id }, body: { reason }, author }) {
        if (!(await fromStore(spool.pause(id, reason)))) throw noSuchMailbox()
        await done({ author, action: 'mailbox.pause', subject: `mailbox ${id}`, details: { reason } })
        return { status: 200, body: { id: String(id), paused: reason } }
      },
    }),
    route({
      method: 'post',
      path: '/api/mailboxes/{id}/resume',
      summary: 'Delivers again what waits in a mailbox that is paused',
      writes: true,
      params,
      responses: { 200: { description: 'It goes on', body: z.object({ id: idOut, paused: z.null() }) } },
      problems: ['not_found'],
      async handle({ params: { id }, author }) {
        if (!(await fromStore(spool.resume(id)))) throw noSuchMailbox()
        await done({ author, action: 'mailbox.resume', subject: `mailbox ${id}`, details: {} })
        return { status: 200, body: { id: String(id), paused: null } }
      },
    }),
    route({
      method: 'get',
      path: '/api/dead-letters',
      summary: 'What was given up, the newest first',
      writes: false,
      query: z.strictObject({
        ...paging,
        mailbox_id: rowId.optional(),
        provider: word.optional(),
        integration_id: idText.optional(),
        region: word.optional(),
        reason: word.optional(),
      }),
      responses: { 200: { description: 'A page of dead letters', body: pageOf(deadLetterOut) } },
      async handle({ query: { limit, cursor, ...filter } }) {
        const { rows, next_cursor } = await readPage({ limit, cursor }, z.int(), idOf, ({ limit, after }) =>
          fromStore(spool.deadLetters(filterOf(filter), { limit, ...(after !== undefined && { beforeId: after }) })),
        )
        return { status: 200, body: { items: rows.map(deadLetterJson), next_cursor } }
      },
    }),
    route({
      method: 'post',
      path: '/api/dead-letters/{id}/replay',
      summary: 'Puts one dead letter back at the end of its mailbox',
      writes: true,
      params,
      responses: { 200: { description: '0 where the same waits already', body: replayedOut } },
      problems: ['not_found'],
      async handle({ params: { id }, author }) {
        if ((await fromStore(spool.deadLetters({ id }, { limit: 1 }))).length === 0) {
          throw new Refusal('not_found', 'There is no such dead letter.')
        }
        return await replay({ id }, author, `dead letter ${id}`)
      },
    }),
    route({
      method: 'post',
      path: '/api/dead-letters/replay',
      summary: 'Puts dead letters back at the ends of their mailboxes, in the order in which they came',
      writes: true,
      body: z
        .strictObject({
          all: z.literal(true).optional().describe('Every one there is; else say what they have in common.'),
          mailbox_id: rowIdIn.optional(),
          provider: word.optional(),
          integration_id: id.optional(),
          region: word.optional(),
          reason: word.optional(),
        })
        .refine(({ all, ...filter }) => (all === true) !== Object.values(filter).some((value) => value !== undefined), {
          error: 'must have a filter, or {"all": true} for every one there is',
        }),
      responses: { 200: { description: 'They wait again', body: replayedOut } },
      async handle({ body, author }) {
        const { all: _all, ...filter } = body
        return await replay(filterOf(filter), author, 'dead letters')
      },
    }),
    route({
      method: 'delete',
      path: '/api/integrations/{id}/data',
      summary:
        'Erases what waits for an integration (deliveries, dead letters and owed answers) and what is recorded of it',
      writes: true,
      params: z.strictObject({ id: idText }),
      responses: { 200: { description: 'It is erased', body: erasedOut } },
      problems: ['not_found'],
      async handle({ params: { id }, author }) {
        const erased = await fromStore(erase(id))
        if (erased === undefined) {
          throw new Refusal(
            'not_found',
            'There is no such integration, and nothing waits for one or is recorded of it.',
          )
        }
        await done({ author, action: 'integration.erase', subject: `integration ${id}`, details: erased })
        return { status: 200, body: erased }
      },
    }),
  ]
}

interface MailboxFilter {
  readonly kind?: MailboxAddress['kind'] | undefined
  readonly provider?: string | undefined
  readonly integration_id?: string | undefined
  readonly region?: string | undefined
  readonly paused?: boolean | undefined
}

function isWanted({ address, paused }: MailboxListing, filter: MailboxFilter): boolean {
  const { kind, provider, integration_id, region } = whoseJson(address)
  const is = { kind, provider, integration_id, region, paused: paused !== undefined }
  return (['kind', 'provider', 'integration_id', 'region', 'paused'] as const).every(
    (name) => filter[name] === undefined || filter[name] === is[name],
  )
}

function filterOf({
  mailbox_id: mailbox,
  integration_id: integration,
  ...rest
}: {
  readonly mailbox_id?: number | undefined
  readonly provider?: string | undefined
  readonly integration_id?: string | undefined
  readonly region?: string | undefined
  readonly reason?: string | undefined
}): DeadLetterFilter {
  const given = Object.entries({ mailbox, integration, ...rest }).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given)
}

function whoseJson(address: MailboxAddress) {
  return {
    kind: address.kind,
    provider: address.provider,
    integration_id: address.kind === 'unresolved' ? null : address.integration,
    region: address.kind === 'region' ? address.region : null,
    organization_id: address.kind === 'held' ? address.organization : null,
    installation: address.kind === 'unresolved' ? address.installation : null,
  }
}

function mailboxJson(mailbox: MailboxListing): MailboxNow {
  const { id, address, depth, bytes, paused, retryAt, oldestAt, headAttempts, deadLetters } = mailbox
  return {
    id: String(id),
    ...whoseJson(address),
    depth,
    bytes,
    paused: paused ?? null,
    retry_at: retryAt === 0 ? null : iso(retryAt),
    oldest_at: oldestAt === undefined ? null : iso(oldestAt),
    head_attempts: headAttempts,
    dead_letters: deadLetters,
  }
}

function deadLetterJson(letter: DeadLetter): DeadLetterOut {
  const { id, mailbox, address, delivery, reason, attempts, receivedAt, diedAt } = letter
  return {
    id: String(id),
    mailbox_id: String(mailbox),
    ...whoseJson(address),
    delivery,
    reason,
    attempts,
    received_at: iso(receivedAt),
    died_at: iso(diedAt),
  }
}

const idOf = ({ id }: { readonly id: number }): number => id

function iso(unixMs: number): string {
  return new Date(unixMs).toISOString()
}

function noSuchMailbox(): Refusal {
  return new Refusal('not_found', 'There is no such mailbox.')
}
