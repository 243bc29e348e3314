import type { Id, Integration, Organization } from '../directory/directory.ts'
import type { Sealer } from '../spool/seal.ts'
import { NO_PROGRESS, regionOf, type MailboxAddress, type NewRow, type Spool, type WaitingRow } from '../spool/spool.ts'
import { formerHomesOf, homeOf, type Owner } from './home.ts'

/** Rows in one transaction: two pages are in memory at once, and each row may be as large as a webhook. */
const PAGE = 50
/** Gateways that have not heard of the move yet may go on storing: what comes after so many rounds follows when tried. */
const ROUNDS = 10
/** What a gateway had planned before it heard of a move is answered by then, though its clock may not agree with ours. */
const PLANNED_MS = 240_000

/** Where an organization's webhooks go. */
type Whereabouts = Pick<Organization, 'region' | 'held'>

/** An organization that has moved, is held from now on, or was released. */
export interface MovedOrganization {
  readonly id: Id
  readonly before: Whereabouts
  readonly after: Whereabouts
  /** All that it is linked to, whatever their status. */
  readonly integrations: readonly Pick<Integration, 'id' | 'provider'>[]
}

export interface FollowParts {
  readonly spool: Pick<Spool, 'waitingFor' | 'relocate'>
  readonly sealer: Sealer
  /** Within it mailboxes are filled from each other, of which whoever works on them here has to know. */
  readonly filling?: (mailboxes: readonly MailboxAddress[], work: () => Promise<Followed>) => Promise<Followed>
}

/** What became of the deliveries that waited. Those that have not moved follow when they are tried next. */
export interface Followed {
  readonly moved: number
  /** Just being sent, or waiting for the same webhook to be sent, or behind one of these. */
  readonly busy: number
  /** Sealed with a key that is not there, or not as it was sealed. */
  readonly unreadable: number
}

/**
 * Lets what waits for an organization follow it, in its order, once the directory says where it lives: to another
 * region's mailbox, to its own while it is held, or back from there. What waits for others as well stays with them.
 * Rejects when the store cannot be asked; what has moved by then stays moved, and the rest follows when it is tried.
 */
export async function followOrganization(moved: MovedOrganization, parts: FollowParts): Promise<Followed> {
  const { filling = (_, work) => work() } = parts
  const total = { moved: 0, busy: 0, unreadable: 0 }
  for (const { id: integration, provider } of moved.integrations) {
    const owner: Owner = { provider, integration }
    const from = homeOf({ id: moved.id, ...moved.before }, owner)
    const to = homeOf({ id: moved.id, ...moved.after }, owner)
    if (regionOf(from) === regionOf(to)) continue
    const followed = await filling([from, to], () => followInRounds(moved.id, from, to, parts))
    total.moved += followed.moved
    total.busy += followed.busy
    total.unreadable += followed.unreadable
  }
  return total
}

async function followInRounds(...[organization, from, to, parts]: Parameters<typeof followOnce>): Promise<Followed> {
  let moved = 0
  for (let round = 1; ; round++) {
    const now = await followOnce(organization, from, to, parts)
    moved += now.moved
    if (now.moved === 0 || round === ROUNDS) return { ...now, moved }
  }
}

/** `some`: they have come, and go first. `busy`: one is just being sent, or behind one that is. */
export type Fetched = 'nothing' | 'some' | 'busy'

interface FetchParts extends FollowParts {
  /** Unix milliseconds. */
  readonly now: number
  /** For how long a gateway may not have heard of a move. */
  readonly unheardMs: number
  /** As the directory's editor has it. */
  readonly forgetFormerHomes: (id: Id, until: number) => Promise<void>
  /** Whoever works here on mailboxes that something was fetched from has to know of it. */
  readonly lookInto: (mailboxes: readonly MailboxAddress[]) => Promise<void>
}

/**
 * Fetches from where an organization lived before what goes before a row that is to be sent where it lives now. Once no
 * gateway stores anything there any more, all of it; and when there is nothing, that it ever lived there is forgotten.
 */
export async function fetchEarlier(
  organization: Organization,
  home: MailboxAddress & { kind: 'region' },
  row: WaitingRow,
  { now, unheardMs, forgetFormerHomes, lookInto, ...parts }: FetchParts,
): Promise<Fetched> {
  const { id, formerly } = organization
  if (formerly === undefined) return 'nothing'
  const isSettled = now >= formerly.until + unheardMs + PLANNED_MS
  const total = { moved: 0, busy: 0 }
  for (const from of formerHomesOf(organization, home)) {
    const { moved, busy } = await followOnce(id, from, home, parts, { head: row.id, isSettled })
    total.moved += moved
    total.busy += busy
    if (moved > 0) await lookInto([from])
  }
  if (total.moved > 0) return 'some'
  if (total.busy > 0) return 'busy'
  // What came from there by itself, since this row was the first.
  if ((await parts.spool.waitingFor(home, id, { limit: 1, before: row.id })).length > 0) return 'some'
  // Somebody may be writing for minutes, an import say; until it is forgotten, the next one looks there in vain too.
  if (isSettled) await forgetFormerHomes(id, formerly.until).catch(() => {})
  return 'nothing'
}

/**
 * From the first to the last that waits. With `head`, of the mailbox that it goes to, which is claimed: until it is
 * settled that nothing more comes, to the last that goes before this row.
 */
async function followOnce(
  organization: Id,
  from: MailboxAddress,
  to: MailboxAddress,
  { spool, sealer }: FollowParts,
  claimed?: { readonly head: number; readonly isSettled: boolean },
): Promise<Followed> {
  const read = (after?: WaitingRow): Promise<WaitingRow[]> =>
    spool.waitingFor(from, organization, {
      limit: PAGE,
      ...(after && { after: after.id }),
      ...(claimed?.isSettled === false && { before: claimed.head }),
    })
  let moved = 0
  let tried = 0
  let unreadable = 0
  for (let page = await read(); page.length > 0;) {
    // Read before this one moves: by then the row that it begins after is somewhere else.
    const next = page.length < PAGE ? [] : await read(page.at(-1))
    const moves = page.flatMap((row) => {
      const rows = rowsInPlaceOf(row, organization, from, to, sealer)
      return rows === undefined ? [] : [{ row: row.id, rows }]
    })
    unreadable += page.length - moves.length
    // Behind one that has to stay they are only counted: none may go past it.
    const isFree = moved === tried
    tried += moves.length
    if (isFree && moves.length > 0) moved += await spool.relocate(moves, claimed && { unsent: claimed.head })
    page = next
  }
  return { moved, busy: tried - moved, unreadable }
}

/** Undefined: it cannot be opened, and only whoever opens it can seal it for elsewhere. */
function rowsInPlaceOf(
  row: WaitingRow,
  organization: Id,
  from: MailboxAddress,
  to: MailboxAddress,
  sealer: Sealer,
): NewRow[] | undefined {
  const { delivery, dedupKey, receivedAt, payload, attempts, answeredFailures, failingMs, retryAt, isAsked } = row
  const opened = sealer.open(payload, { delivery, region: regionOf(from) })
  if (opened.kind !== 'opened') return undefined
  // It was let in when it came; a quota that is full by now must not lose it.
  const common = { delivery, dedupKey, receivedAt, maxSpoolBytes: undefined }
  const moved: NewRow = {
    ...common,
    mailbox: to,
    organizations: [organization],
    payload: sealer.seal(opened.plain, { delivery, region: regionOf(to) }),
    state: { kind: 'waiting', ...NO_PROGRESS },
  }
  const others = row.organizations.filter((id) => id !== organization)
  if (others.length === 0) return [moved]
  const progress = { attempts, answeredFailures, failingMs, retryAt, isAsked }
  return [moved, { ...common, mailbox: from, organizations: others, payload, state: { kind: 'waiting', ...progress } }]
}
