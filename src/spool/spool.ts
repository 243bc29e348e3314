import type { Id } from '../directory/directory.ts'

/**
 * Where what waits is kept: mailboxes, dead letters and the answers that are still owed. Everything here is on disk
 * when its promise resolves, and a rejected promise means that nothing of that call was done, but for what `append`
 * says of what is given up. Writes of many callers share one sync.
 *
 * An instance works under a lease of `LEASE_MS` that each of its writes renews; `renew` does so when there is nothing
 * else to write. When it lapses, its claims, its held rows and its owed answers may be taken over by others.
 */
export interface Spool extends Mailboxes, OwedAnswers {
  /** Until when, on the monotonic clock, the lease is good. Rejects when it could not be renewed. */
  renew(): Promise<number>
  /** Gives back every claim, held row and owed answer of this instance, so that others need not wait, and closes. */
  close(): Promise<void>
}

/**
 * What a process that is gone has left is to be gone on with within 5 s: so long does it take until nobody thinks any
 * more that it is alive, and the rest until somebody looks. It is renewed each second: three of them may fail.
 */
export const LEASE_MS = 4000

/** `keyId` undefined: not encrypted. The spool never looks inside. */
export interface Sealed {
  readonly keyId: string | undefined
  readonly bytes: Uint8Array
}

/**
 * One FIFO. `region`: what waits for one region of one integration. `held`: what waits for one organization until it is
 * released, wherever it will then live. `unresolved`: what came while the directory could not say whose it is, by the
 * text of its installation key; it is resolved before it goes anywhere.
 */
export type MailboxAddress =
  | { readonly kind: 'region'; readonly provider: string; readonly integration: Id; readonly region: string }
  | { readonly kind: 'held'; readonly provider: string; readonly integration: Id; readonly organization: Id }
  | { readonly kind: 'unresolved'; readonly provider: string; readonly installation: string }

/** The region that a mailbox's rows are counted and sealed for; no region's name begins with `@`, or is empty. */
export function regionOf(address: MailboxAddress): string {
  switch (address.kind) {
    case 'region':
      return address.region
    case 'held':
      return `@${address.organization}`
    case 'unresolved':
      return ''
  }
}

/** Whether it is one that `regionOf` gives for an organization that is held. */
export function isHeldRegion(region: string): boolean {
  return region.startsWith('@')
}

/** One delivery that waits, or has died, in one mailbox. */
export interface NewRow {
  readonly mailbox: MailboxAddress
  /** The webhook's id, the same in every mailbox. */
  readonly delivery: string
  /** With the region, what no two rows share: a webhook that the provider sends again is not kept twice. */
  readonly dedupKey: string
  readonly organizations: readonly Id[]
  /** Unix milliseconds. */
  readonly receivedAt: number
  readonly payload: Sealed
  /** Bytes that may wait for its region in all; undefined: any number. */
  readonly maxSpoolBytes: number | undefined
  readonly state: NewRowState
}

export type NewRowState =
  | ({ readonly kind: 'waiting' } & Progress)
  /** Its first attempt is still running, in this instance: nobody else sends it while the lease is good. */
  | { readonly kind: 'held' }
  | { readonly kind: 'dead'; readonly reason: string; readonly attempts: number }

/** What is known of a row's attempts so far. */
export interface Progress {
  readonly attempts: number
  /** How often in a row a region that could be reached has answered it with a failure, and over how long. */
  readonly answeredFailures: number
  readonly failingMs: number
  /** Unix milliseconds; not to be sent before. */
  readonly retryAt: number
  /** Whether the region has asked for so long a wait. What we wait of ourselves is worth as much as what we know of it. */
  readonly isAsked: boolean
}

/** Of what nobody has tried yet. */
export const NO_PROGRESS: Progress = { attempts: 0, answeredFailures: 0, failingMs: 0, retryAt: 0, isAsked: false }

/** The first attempt of a held row counts: where nobody is left to tell how it ended, the next one is the second. */
export function progressOf(state: NewRowState): Progress {
  if (state.kind === 'waiting') return state
  return state.kind === 'held' ? { ...NO_PROGRESS, attempts: 1 } : NO_PROGRESS
}

/**
 * `duplicate`: it waits already, for its organizations too from now on, or is one more dead letter of the same. `id`: the
 * row's, or the dead letter's. Nothing was kept of it: `full`, since its region's quota is used up; `blocked`, since it
 * waits there without some of its organizations and cannot take them along: it is just being sent, or it is another
 * integration's.
 */
export type Appended =
  | { readonly kind: 'stored'; readonly id: number; readonly mailbox: number }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'full' }
  | { readonly kind: 'blocked' }

export interface WaitingRow extends Progress {
  readonly id: number
  readonly delivery: string
  readonly dedupKey: string
  readonly organizations: readonly Id[]
  readonly receivedAt: number
  /** Unix milliseconds: since when it has been waiting, in whichever mailboxes. */
  readonly spooledAt: number
  readonly payload: Sealed
}

/** Which attempt's claim on a row it is that ends: a worker's on its mailbox's head, or a held first attempt's. */
export type Claim =
  | { readonly kind: 'mailbox'; readonly mailbox: number; readonly fence: number; readonly row: number }
  | { readonly kind: 'held'; readonly row: number }

export type Settlement =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'dead'; readonly reason: string; readonly attempts: number }
  /** It stays where it is; a held row waits from now on, and a mailbox is let go. */
  | ({ readonly kind: 'again' } & Progress)
  /**
   * Its place is taken by these rows, in their mailboxes: before all that came later than it did, and as old as it is.
   * One that waits there already takes their organizations along; while it is being sent, the row stays where it is for a
   * moment more.
   */
  | { readonly kind: 'moved'; readonly rows: readonly NewRow[] }

export type Next =
  /** The mailbox is this instance's, and this is its head. Not to be sent after `validUntil` (monotonic). */
  | { readonly kind: 'row'; readonly row: WaitingRow; readonly fence: number; readonly validUntil: number }
  | { readonly kind: 'empty' }
  /** The head's first attempt is still running. `forMs`: as below, where it is another's. */
  | { readonly kind: 'held'; readonly forMs?: number | undefined }
  | { readonly kind: 'paused' }
  /** Another instance works on it. `forMs`: how long its lease is still good, where that is known. */
  | { readonly kind: 'claimed'; readonly forMs?: number | undefined }

/** A mailbox that something waits in, or that is paused. */
export interface OpenMailbox {
  readonly id: number
  readonly address: MailboxAddress
  /** Why it is paused. */
  readonly paused: string | undefined
  readonly isEmpty: boolean
  /** Its head's, unix milliseconds; 0 where it is empty. */
  readonly retryAt: number
}

export interface MailboxListing extends OpenMailbox {
  readonly depth: number
  readonly bytes: number
  /** Unix milliseconds: since when its head has been waiting; undefined where it is empty. */
  readonly oldestAt: number | undefined
  readonly headAttempts: number
  readonly deadLetters: number
}

/** What waits for a region, as `regionOf` names it, and what has died on the way to it. */
export interface RegionTotals {
  readonly depth: number
  readonly bytes: number
  /** Unix milliseconds: since when the first of any mailbox has been waiting; undefined where nothing waits. */
  readonly oldestAt: number | undefined
  /** Mailboxes that are paused. */
  readonly paused: number
  readonly deadLetters: number
}

/** Counting more of them takes long enough to keep others waiting, and says nothing that these do not. */
export const LETTERS_COUNTED = 100_000

/** At most `limit` mailboxes, those whose id is higher than `after`; `open`: those that `open` would tell of. */
export interface MailboxPage {
  readonly limit: number
  readonly after?: number
  readonly open?: boolean
}

export interface DeadLetter {
  readonly id: number
  readonly mailbox: number
  readonly address: MailboxAddress
  readonly delivery: string
  readonly reason: string
  readonly attempts: number
  readonly receivedAt: number
  readonly diedAt: number
}

export interface DeadLetterFilter {
  readonly id?: number
  readonly mailbox?: number
  readonly provider?: string
  readonly integration?: Id
  readonly region?: string
  readonly reason?: string
}

/** A transaction of some 20 ms on a slow disk. */
export const REPLAYED_AT_ONCE = 500

/** Some of the dead letters that are to be replayed: `limit` of them, from a place in their order on. */
export interface ReplayPart {
  readonly limit: number
  /** Where the part before ended; undefined: from the first. */
  readonly from: ReplayPlace | undefined
}

/** `came` and `id`: of the last one that was looked at. `upTo`: the highest id that there was at the start. */
export interface ReplayPlace {
  readonly came: number
  readonly id: number
  readonly upTo: number
}

/** `rest`: where to go on, if there may be more. */
export interface Replayed {
  readonly replayed: number
  readonly rest: ReplayPlace | undefined
}

/** A row whose place others are to take. */
export interface Move {
  readonly row: number
  readonly rows: readonly NewRow[]
}

/** At most `limit` rows: those behind the row `after`, and before the place of the row `before`, wherever that waits. */
export interface WaitingPage {
  readonly limit: number
  readonly after?: number
  readonly before?: number
}

export interface Mailboxes {
  /**
   * Stores rows, all or none of them but for those that are `duplicate`, `full` or `blocked`; results in the order of `rows`.
   * Rejects when they are not stored by `giveUpAt` (monotonic). What is given up is not stored later, and taken back if
   * it was stored at that very moment, unless a repetition was told meanwhile that it waits. A crash in between leaves
   * it; a repetition is then a duplicate of it. A dead letter always stays: a repetition may rely on it, and one too many
   * costs at most one replay with the same idempotency key.
   */
  append(rows: readonly NewRow[], options: { giveUpAt: number }): Promise<Appended[]>
  /** Claims a mailbox (or keeps it) and reads its head. With any other outcome than `row` the mailbox is let go. */
  next(mailbox: number): Promise<Next>
  /** Ends an attempt. False: the claim has gone to somebody else meanwhile, and nothing was changed. */
  settle(claim: Claim, settlement: Settlement): Promise<boolean>
  /** Lets a claimed mailbox go without an attempt. */
  release(mailbox: number, fence: number): Promise<void>
  /** Every mailbox with something in it, and every paused one. */
  open(): Promise<OpenMailbox[]>
  /**
   * What waits for an organization in a mailbox, in its order: what has to follow where the organization moves, held
   * rows and all.
   */
  waitingFor(mailbox: MailboxAddress, organization: Id, page: WaitingPage): Promise<WaitingRow[]>
  /**
   * Moves rows as the settlement `moved` does, without a claim, one after the other up to the first that has to stay:
   * it is just being sent, or `rows` leave out some of its organizations. Returns how many have moved; those that are
   * gone by now have not. `unsent`: a row whose mailbox the caller has claimed and sends nothing of until it has read
   * its head again: what waits there has not to be waited for.
   */
  relocate(moves: readonly Move[], options?: { readonly unsent?: number }): Promise<number>
  /** Those of these addresses that `open` would tell of. A change that somebody else has made is still to be told. */
  at(addresses: readonly MailboxAddress[]): Promise<OpenMailbox[]>
  /** As `open`, when somebody else has changed the store since the last call of this or `open`; else undefined. */
  changed(): Promise<OpenMailbox[] | undefined>

  /** Mailboxes in which something has ever waited, in the order of their ids; without a page every one. */
  list(page?: MailboxPage): Promise<MailboxListing[]>
  /** What waits for each region, in bytes; under the empty text what is unresolved. */
  usage(): Promise<ReadonlyMap<string, number>>
  /** Of each region of which anything is to be told. No more than `LETTERS_COUNTED` dead letters are counted. */
  totals(): Promise<ReadonlyMap<string, RegionTotals>>
  /** False: there is no such mailbox. One that nothing waits in can be paused as well. */
  pause(mailbox: number, reason: string): Promise<boolean>
  resume(mailbox: number): Promise<boolean>
  /** The newest first, at most `limit`, those before `beforeId`. */
  deadLetters(filter: DeadLetterFilter, page: { limit: number; beforeId?: number }): Promise<DeadLetter[]>
  /**
   * Puts dead letters at the ends of their mailboxes, in the order in which they came; returns how many. One of which
   * the same waits already is only removed. Those that die meanwhile stay dead. It is done a part at a time
   * (`REPLAYED_AT_ONCE`), so that nobody who writes waits for all of it; where it rejects, some may have been put back.
   */
  replay(filter: DeadLetterFilter): Promise<number>
  /** Removes everything that waits for an integration, its dead letters and its owed answers; returns how many. */
  erase(target: EraseTarget): Promise<number>
  /**
   * Lets rows die that have waited since before `waitingSince`, of `too_old` (not what is held, nor the heads of
   * mailboxes that somebody works on: they may be on their way), and removes dead letters that died
   * before `diedBefore`; both unix milliseconds, and at most `limit` of each.
   */
  sweep(before: { waitingSince: number; diedBefore: number; limit: number }): Promise<Swept>
}

/** Which rows have died, by their delivery and its region as `regionOf` names it, and how many dead letters are gone. */
export interface Swept {
  readonly died: readonly { readonly delivery: string; readonly region: string }[]
  readonly removed: number
}

/** The integration, and the texts of the installation keys by which it may be waiting unresolved. */
export interface EraseTarget {
  readonly provider: string
  readonly integration: Id
  readonly installations: readonly string[]
}

/** An answer that a provider is still owed after its empty 200. One per delivery, and never told twice. */
export interface NewOwedAnswer {
  readonly delivery: string
  readonly provider: string
  readonly integration: Id
  /** Unix milliseconds. */
  readonly receivedAt: number
  /** What it takes to ask again and to know where the answer goes. */
  readonly request: Sealed
  /** What is to be said, where that is known already. */
  readonly message: Sealed | undefined
}

/**
 * How far an owed answer had got when its instance went away. `posting`: it may or may not have been heard, so it is
 * not said again. `ready`: it has not.
 */
export type OrphanedAnswer = Omit<NewOwedAnswer, 'message'> & {
  readonly state:
    | { readonly kind: 'waiting' }
    | { readonly kind: 'ready'; readonly message: Sealed; readonly posts: number }
    | { readonly kind: 'posting' }
}

export interface OwedAnswers {
  /** Rejects like `append`. */
  owe(answer: NewOwedAnswer, options: { giveUpAt: number }): Promise<void>
  /** Recorded before each post; false: it is no longer this instance's to say. */
  posting(delivery: string, message: Sealed): Promise<boolean>
  /** The post was refused and may be tried again. */
  unposted(delivery: string): Promise<void>
  /** Nothing is owed any more. */
  paid(delivery: string): Promise<void>
  /** Takes over what instances have left whose lease has lapsed. */
  takeOver(): Promise<OrphanedAnswer[]>
}
