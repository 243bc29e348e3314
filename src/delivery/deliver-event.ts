import type { Clock } from '../clock.ts'
import type { Id, Organization } from '../directory/directory.ts'
import { dispatch, type CallRegion, type Plan } from '../dispatch/dispatch.ts'
import { isSuccess, type RegionResult } from '../dispatch/region-result.ts'
import { SiloClientError } from '../errors.ts'
import type { RoutedRegion } from '../resolve/route.ts'
import type { Sealer } from '../spool/seal.ts'
import {
  NO_PROGRESS,
  regionOf,
  type Appended,
  type MailboxAddress,
  type NewRow,
  type NewRowState,
} from '../spool/spool.ts'
import { packUnresolved, type Unresolved } from './attempt.ts'
import { HELD_SPOOL_BYTES, mailboxesBefore } from './home.ts'
import { judge, type Judgement } from './judge.ts'
import { pack, type Kept } from './kept.ts'
import { progressAfterFirst } from './conclude.ts'
import type { HeldRow, MailboxWorker } from './mailboxes.ts'
import { writeDownAt } from './write-ahead.ts'

/** Where the time was used up before there was anything to write, a commit still gets this long. */
export const LEAST_WRITE_MS = 50

/** A call that rejects is a fault of our own: the delivery is tried again, after a while. */
const FAULT: Judgement = { kind: 'transient', reason: 'internal_error', why: 'unreachable', retryAfterMs: undefined }

export interface EventParts {
  readonly clock: Clock
  readonly random: () => number
  readonly mailboxes: Pick<MailboxWorker, 'mustWait' | 'append' | 'settleHeld' | 'taken'>
  readonly sealer: Sealer
}

/** A webhook that has to arrive. */
export interface Event {
  readonly provider: string
  readonly kept: Kept
  readonly dedupKey: string
  readonly startedAt: number
  readonly deadline: number
  /** No region is asked now: all of it is delivered from the mailboxes. */
  readonly allWait?: boolean
}

export interface Delivering {
  /**
   * Resolves when it is certain that every planned region gets the event: the region has taken it, or it is on disk in
   * the region's mailbox, or among the dead letters because the region refused it. Rejects with a `SiloClientError`
   * (503) when a region neither has it nor could it be stored: then the provider sends it again.
   */
  readonly safe: Promise<Safe>
  /**
   * One result per planned region, in plan order, once the last of them has come to its end. Rejects only as `call`
   * does.
   */
  readonly settled: Promise<readonly RegionResult[]>
}

export interface Safe {
  /** The first planned region that has taken it at once. */
  readonly takenBy: string | undefined
}

type NotKept = 'not_stored' | 'spool_full'

/** A planned region, asked for those of its organizations that are there; what comes for the others waits for them. */
interface Share {
  readonly region: RoutedRegion
  readonly held: readonly Organization[]
}

/**
 * Delivers an event to every planned region, now or later. A first attempt that is still running when the event is safe
 * goes on, and settles its row. Regions whose mailbox is not empty are not asked: what comes now waits behind what came
 * before, also where that is still to follow an organization that has moved. The same goes for organizations that are
 * held, or have just been released: it waits in their own mailboxes, from where everything follows them in its order.
 */
export function deliverEvent(
  event: Event,
  plan: Plan,
  integration: Id,
  call: (region: RoutedRegion, goesOn: () => boolean) => Promise<RegionResult>,
  { clock, random, mailboxes, sealer }: EventParts,
): Delivering {
  const { provider, kept, dedupKey, startedAt, deadline } = event
  const { delivery, receivedAt } = kept.what
  const addressOf = ({ name: region }: RoutedRegion): MailboxAddress => ({
    kind: 'region',
    provider,
    integration,
    region,
  })
  const ownAddressOf = ({ id }: Organization): MailboxAddress => ({
    kind: 'held',
    provider,
    integration,
    organization: id,
  })
  const shares = plan.regions.map(shareOf)
  const planned = shares.map(({ region }) => region)
  const waits = new Set(
    shares.flatMap(({ region, held }) =>
      event.allWait === true || isAllHeld(region, held) || mustWait(region) ? [region] : [],
    ),
  )
  const [first, ...others] = planned.filter((region) => !waits.has(region))

  const held = new Set<RoutedRegion>()
  const ended = new Map<RoutedRegion, RegionResult>()
  const ask: CallRegion = (region) => call(region, () => held.has(region))
  const dispatched =
    first && dispatch({ kind: 'all', wins: 'success', preferBodyForMs: 0, regions: [first, ...others] }, ask, clock)
  const calls = dispatched?.calls ?? []
  for (const { region, result } of calls) result.then((end) => ended.set(region, end)).catch(() => {})
  const unkept = new Map<RoutedRegion, RegionResult>()
  const safe = makeSafe()
  const settled = Promise.all(planned.map(resultOf))
  // A fault of our own may come long before anybody asks for this.
  settled.catch(() => {})
  return { safe, settled }

  /**
   * What must be written down is written in one go, once a region has taken the event, all have ended or there is no more
   * time. Row by row, what follows an organization elsewhere would not find there what is still to come; and sooner, what
   * runs would need rows as well, and what comes next would wait behind those although the region takes it.
   */
  async function makeSafe(): Promise<Safe> {
    if (dispatched !== undefined) await firstOf(dispatched.outcome, clock, writeDownAt(event) - clock.monotonic())
    const states = shares.map((share) => ({ ...share, state: stateNow(share.region) }))
    const takenBy = states.flatMap(({ region, state }) => (state.kind === 'taken' ? [region] : []))
    for (const region of takenBy) mailboxes.taken(addressOf(region))
    const rows = states.flatMap(({ region, held, state }) => {
      const own = held.map((organization) => ({ region, row: heldRowFor(organization) }))
      if (state.kind === 'taken' || isAllHeld(region, held)) return own
      return [{ region, row: rowFor(region, state) }, ...own]
    })
    if (rows.length > 0) await store(rows)
    return { takenBy: takenBy[0]?.name }
  }

  function mustWait(region: RoutedRegion): boolean {
    return mailboxesBefore(region, { provider, integration }).some((address) => mailboxes.mustWait(address))
  }

  function shareOf(region: RoutedRegion): Share {
    const held = region.organizations.filter((one) => one.held || mailboxes.mustWait(ownAddressOf(one)))
    if (held.length === 0) return { region, held }
    const organizations = region.organizations.filter((one) => !held.includes(one))
    return { region: { ...region, organizations }, held }
  }

  function rowFor(region: RoutedRegion, state: NewRowState): NewRow {
    return rowIn(addressOf(region), region.organizations, state, region.region?.maxSpoolBytes)
  }

  function heldRowFor(organization: Organization): NewRow {
    return rowIn(ownAddressOf(organization), [organization], { kind: 'waiting', ...NO_PROGRESS }, HELD_SPOOL_BYTES)
  }

  function rowIn(
    mailbox: MailboxAddress,
    organizations: readonly Organization[],
    state: NewRowState,
    maxSpoolBytes: number | undefined,
  ): NewRow {
    return {
      mailbox,
      delivery,
      dedupKey,
      organizations: organizations.map(({ id }) => id),
      receivedAt,
      payload: sealer.seal(pack(kept), { delivery, region: regionOf(mailbox) }),
      maxSpoolBytes,
      state,
    }
  }

  /** What is to be written of a region, unless it has taken the event. */
  function stateNow(region: RoutedRegion): NewRowState | { readonly kind: 'taken' } {
    if (waits.has(region)) return { kind: 'waiting', ...NO_PROGRESS }
    const result = ended.get(region)
    if (result === undefined) return { kind: 'held' }
    const judgement = judge(result, clock.now())
    switch (judgement.kind) {
      case 'delivered':
        return { kind: 'taken' }
      case 'refused':
        return { kind: 'dead', reason: judgement.reason, attempts: 1 }
      case 'transient':
        return { kind: 'waiting', ...progressAfterFirst(judgement, { random, now: clock.now() }) }
    }
  }

  async function store(rows: readonly { region: RoutedRegion; row: NewRow }[]): Promise<void> {
    const giveUpAt = Math.max(deadline, clock.monotonic() + LEAST_WRITE_MS)
    let appended: Appended[]
    try {
      appended = await mailboxes.append(
        rows.map(({ row }) => row),
        { giveUpAt },
      )
    } catch (cause) {
      throw notStored(new Map(rows.map(({ region }) => [region, 'not_stored'])), cause)
    }
    for (const [at, { region, row }] of rows.entries()) {
      const stored = appended[at]
      if (row.state.kind !== 'held' || stored?.kind !== 'stored') continue
      held.add(region)
      void settleWhenEnded(region, { id: stored.id, delivery: row.delivery })
    }
    const lost = rows.flatMap(({ region }, at): [RoutedRegion, NotKept][] => {
      const kind = appended[at]?.kind
      if (kind === 'full') return [[region, 'spool_full']]
      return kind === 'blocked' ? [[region, 'not_stored']] : []
    })
    if (lost.length > 0) throw notStored(new Map(lost), undefined)
  }

  /** Never rejects. */
  async function settleWhenEnded(region: RoutedRegion, row: HeldRow): Promise<void> {
    const judgement = await resultOf(region).then(
      (result) => judge(result, clock.now()),
      () => FAULT,
    )
    await mailboxes.settleHeld(addressOf(region), row, judgement)
  }

  async function resultOf(region: RoutedRegion): Promise<RegionResult> {
    const asked = calls.find((running) => running.region === region)
    if (asked !== undefined) return await asked.result
    // What was to wait for it may not have been written down.
    await safe.catch(() => {})
    return unkept.get(region) ?? spooled(region)
  }

  /** Says of each planned region what has become of it so far: of those that neither have it nor will, why. */
  function notStored(lost: ReadonlyMap<RoutedRegion, NotKept>, cause: unknown): SiloClientError {
    const results = planned.map((region): RegionResult => {
      const result = ended.get(region)
      const reason = lost.get(region)
      if (reason === undefined) return result !== undefined && isSuccess(result) ? result : spooled(region)
      if (result !== undefined && !isSuccess(result)) return result
      const refused = { kind: 'refused', region: region.name, reason, timing: timingNow() } as const
      unkept.set(region, refused)
      return refused
    })
    return new SiloClientError(results, { status: 503, cause })
  }

  function spooled({ name: region }: RoutedRegion): RegionResult {
    return { kind: 'spooled', region, timing: timingNow() }
  }

  function timingNow() {
    const atMs = clock.monotonic() - startedAt
    return { startedMs: atMs, endedMs: atMs }
  }
}

/**
 * Keeps an event whose organizations could not be looked up; it is resolved before it goes anywhere. Rejects with a
 * `SiloClientError` (503) when it could not be stored.
 */
export async function keepUnresolved(
  { provider, kept, dedupKey, deadline }: Event,
  unresolved: Unresolved,
  { clock, mailboxes, sealer }: EventParts,
): Promise<void> {
  const { delivery, receivedAt } = kept.what
  const row: NewRow = {
    mailbox: unresolvedMailbox(provider, unresolved),
    delivery,
    dedupKey,
    organizations: [],
    receivedAt,
    payload: sealer.seal(packUnresolved(unresolved, kept), { delivery, region: '' }),
    maxSpoolBytes: undefined,
    state: { kind: 'waiting', ...NO_PROGRESS },
  }
  try {
    await mailboxes.append([row], { giveUpAt: Math.max(deadline, clock.monotonic() + LEAST_WRITE_MS) })
  } catch (cause) {
    throw new SiloClientError([], { cause })
  }
}

/** Events of one installation key wait in one mailbox, whatever else they say. */
export function unresolvedMailbox(
  provider: string,
  { installation }: Pick<Unresolved, 'installation'>,
): MailboxAddress {
  return { kind: 'unresolved', provider, installation: JSON.stringify(installation) }
}

/** Nobody is left there to ask it for. */
function isAllHeld({ organizations }: RoutedRegion, held: readonly Organization[]): boolean {
  return held.length > 0 && organizations.length === 0
}

/** Waits for `work`, but not longer than `ms`. A rejection of `work` is one of this. */
async function firstOf(work: Promise<unknown>, clock: Clock, ms: number): Promise<void> {
  const timer = Promise.withResolvers<void>()
  const cancel = clock.after(Math.max(0, ms), timer.resolve)
  try {
    await Promise.race([work, timer.promise])
  } finally {
    cancel()
  }
}
