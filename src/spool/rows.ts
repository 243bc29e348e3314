import { toStored } from '../directory/id.ts'
import {
  isHeldRegion,
  regionOf,
  type DeadLetter,
  type DeadLetterFilter,
  type MailboxAddress,
  type MailboxListing,
  type OpenMailbox,
  type OrphanedAnswer,
  type RegionTotals,
  type WaitingRow,
} from './spool.ts'

/*
 * The rows of the spool's tables, as every database has them, and what they are on this side.
 */

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written from ids
export const idsOf = (stored: string) => JSON.parse(stored) as string[]
export const allOf = (stored: string, more: readonly string[]) =>
  JSON.stringify([...new Set([...idsOf(stored), ...more])])

export function storedId(id: string): bigint {
  const stored = toStored(id)
  if (stored === undefined) throw new Error(`no integration has the id ${id}`)
  return stored
}

/** As the unique index has them. */
export function columnsOf(address: MailboxAddress): [bigint, string, string, string] {
  return address.kind === 'unresolved'
    ? [0n, address.provider, address.installation, regionOf(address)]
    : [storedId(address.integration), address.provider, '', regionOf(address)]
}

export interface AddressColumns {
  readonly provider: string
  /** A digit string; '0' where it is unresolved. */
  readonly integration: string
  readonly installation: string
  readonly region: string
}

function addressOf({ provider, integration, installation, region }: AddressColumns): MailboxAddress {
  if (integration === '0') return { kind: 'unresolved', provider, installation }
  return isHeldRegion(region)
    ? { kind: 'held', provider, integration, organization: region.slice(1) }
    : { kind: 'region', provider, integration, region }
}

export interface MailboxColumns extends AddressColumns {
  readonly id: number
  readonly paused: string | null
  readonly depth: number
  readonly retry_at: number | null
}

export interface ListingColumns {
  readonly bytes: number
  readonly spooled_at: number | null
  readonly attempts: number | null
  readonly dead_letters: number
}

export const openMailboxOf = (row: MailboxColumns): OpenMailbox => ({
  id: row.id,
  address: addressOf(row),
  paused: row.paused ?? undefined,
  isEmpty: row.depth === 0,
  retryAt: row.retry_at ?? 0,
})

export const listingOf = (row: MailboxColumns & ListingColumns): MailboxListing => ({
  ...openMailboxOf(row),
  depth: row.depth,
  bytes: row.bytes,
  oldestAt: row.spooled_at ?? undefined,
  headAttempts: row.attempts ?? 0,
  deadLetters: row.dead_letters,
})

export interface TotalsColumns {
  readonly region: string
  readonly depth: number
  readonly bytes: number
  readonly oldest: number | null
  readonly paused: number
}

export interface LettersColumns {
  readonly region: string
  readonly letters: number
}

export function totalsOf(
  waiting: readonly TotalsColumns[],
  dead: readonly LettersColumns[],
): ReadonlyMap<string, RegionTotals> {
  const nothing: RegionTotals = { depth: 0, bytes: 0, oldestAt: undefined, paused: 0, deadLetters: 0 }
  const regions = new Map<string, RegionTotals>()
  for (const { region, depth, bytes, oldest, paused } of waiting) {
    regions.set(region, { depth, bytes, oldestAt: oldest ?? undefined, paused, deadLetters: 0 })
  }
  for (const { region, letters } of dead) {
    regions.set(region, { ...(regions.get(region) ?? nothing), deadLetters: letters })
  }
  return regions
}

export interface RowColumns {
  readonly id: number
  readonly delivery: string
  readonly dedup_key: string
  readonly organizations: string
  readonly received_at: number
  readonly spooled_at: number
  readonly held_by: string | null
  readonly attempts: number
  readonly answered_failures: number
  readonly failing_ms: number
  readonly retry_at: number
  readonly asked: number
  readonly key_id: string | null
  readonly payload: Uint8Array
}

/** Where a row that gives its place to others has been waiting, and since when. */
export interface Former {
  readonly place: number
  readonly spooled_at: number
}

export const waitingRowOf = (row: RowColumns): WaitingRow => ({
  id: row.id,
  delivery: row.delivery,
  dedupKey: row.dedup_key,
  organizations: idsOf(row.organizations),
  receivedAt: row.received_at,
  spooledAt: row.spooled_at,
  attempts: row.attempts,
  answeredFailures: row.answered_failures,
  failingMs: row.failing_ms,
  retryAt: row.retry_at,
  isAsked: row.asked === 1,
  payload: { keyId: row.key_id ?? undefined, bytes: row.payload },
})

export interface DeadLetterColumns extends AddressColumns {
  readonly id: number
  readonly mailbox_id: number
  readonly delivery: string
  readonly reason: string
  readonly attempts: number
  readonly received_at: number
  readonly died_at: number
}

export const deadLetterOf = (row: DeadLetterColumns): DeadLetter => ({
  id: row.id,
  mailbox: row.mailbox_id,
  address: addressOf(row),
  delivery: row.delivery,
  reason: row.reason,
  attempts: row.attempts,
  receivedAt: row.received_at,
  diedAt: row.died_at,
})

export interface AnswerColumns {
  readonly delivery: string
  readonly provider: string
  readonly integration: string
  readonly received_at: number
  readonly state: 'waiting' | 'ready' | 'posting'
  readonly posts: number
  readonly request_key_id: string | null
  readonly request: Uint8Array
  readonly message_key_id: string | null
  readonly message: Uint8Array | null
}

export function orphanOf(row: AnswerColumns): OrphanedAnswer {
  const { delivery, provider, integration, received_at: receivedAt, posts } = row
  const request = { keyId: row.request_key_id ?? undefined, bytes: row.request }
  const common = { delivery, provider, integration, receivedAt, request }
  if (row.state === 'posting') return { ...common, state: { kind: 'posting' } }
  if (row.state === 'waiting' || row.message === null) return { ...common, state: { kind: 'waiting' } }
  const message = { keyId: row.message_key_id ?? undefined, bytes: row.message }
  return { ...common, state: { kind: 'ready', message, posts } }
}

/** What a dead letter's columns have to be; `letter` is its table, and `box` its mailbox's. */
export function conditionsOf(filter: DeadLetterFilter): { column: string; value: string | number | bigint }[] {
  const conditions = [
    ['letter.id', filter.id],
    ['letter.mailbox_id', filter.mailbox],
    ['box.provider', filter.provider],
    // One that no integration can have finds none.
    ['box.integration_id', filter.integration === undefined ? undefined : (toStored(filter.integration) ?? -1)],
    ['box.region', filter.region],
    ['letter.reason', filter.reason],
  ] as const
  return conditions.flatMap(([column, value]) => (value === undefined ? [] : [{ column, value }]))
}
