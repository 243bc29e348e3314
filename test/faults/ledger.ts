import type { Surface } from './surfaces.ts'
import type { RegionName, Team } from './teams.ts'

/** What Slack heard. */
export interface Heard {
  readonly status: number
  readonly body: string
  /** The gateway's own id of the request, by which its log speaks of it. */
  readonly requestId?: string | undefined
}

/** One time that Slack sent a webhook. Times are milliseconds of the harness's own monotonic clock. */
export interface Try {
  readonly startedAt: number
  readonly endedAt: number
  /** Undefined: the connection was refused or broke. */
  readonly heard: Heard | undefined
  /** What broke it, where nothing was heard and that is known. */
  readonly brokeBy?: string | undefined
}

export interface Sent {
  readonly mark: string
  readonly surface: Surface
  readonly team: Team
  readonly tries: Try[]
}

/** A request that reached a region whole, and, where the region sent a whole 2xx, when that was. */
export interface Execution {
  readonly mark: string
  readonly region: RegionName
  /** From a mailbox, or asked again: not the call for which Slack was waiting. */
  readonly deferred: boolean
  /** Slack's own signature, good now. */
  readonly signed: boolean
  /** When it had come whole. */
  readonly reachedAt: number
  takenAt: number | undefined
}

/** A message that reached the response_url server whole. `refused`: it was told so, and nobody has seen the message. */
export interface Message {
  readonly mark: string
  readonly body: string
  readonly refused: boolean
}

/**
 * A time in which gateways could not tell each other what waits where: their database was away. `team`: what waits for
 * this one was just moving to another mailbox, of which the others know within 1 s, and nothing is said of other teams.
 * Only what is given to a region at once may then go past what waits: what waits keeps its order through all of it.
 */
export interface Silence {
  readonly from: number
  readonly until: number
  readonly team?: Team
}

/** Everything that was sent, arrived and was said while one fault lasted and afterwards. */
export interface Ledger {
  readonly sent: Map<string, Sent>
  readonly executions: Execution[]
  readonly messages: Message[]
  /** Deliveries whose message may or may not have been posted, as the gateway says of itself after a crash. */
  readonly unknownPosts: Set<string>
  readonly silences: Silence[]
  /** What the reader of the table should know. */
  readonly notes: string[]
  /** Whatever else must not be. */
  readonly complaints: string[]
  /** When something last happened. */
  touchedAt: number
  nextMark(): string
}

export function openLedger(): Ledger {
  let marks = 0
  return {
    sent: new Map(),
    executions: [],
    messages: [],
    unknownPosts: new Set(),
    silences: [],
    notes: [],
    complaints: [],
    touchedAt: performance.now(),
    nextMark: () => `mark-${String(++marks).padStart(7, '0')}`,
  }
}

/** Whether a webhook was accepted: then it may not be lost. */
export function acceptedAt({ tries }: Sent): number | undefined {
  return tries.find(({ heard }) => heard !== undefined && heard.status >= 200 && heard.status < 300)?.endedAt
}
