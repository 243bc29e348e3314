import type { RoutedRegion } from '../resolve/route.ts'
import type { BreakerState } from './breaker.ts'

/** A region's complete reply: status below 500, body read to its end. `rawHeaders` is a flat name, value, … list. */
export interface RegionReply {
  readonly status: number
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

/** Milliseconds after the webhook's first byte; absent where that step was never reached. */
export interface AttemptTiming {
  readonly startedMs: number
  /** When one of the region's slots was ours: until then the call stood in the region's queue. */
  readonly slotMs?: number
  /** When it had a connection and was written to it. */
  readonly sentMs?: number
  readonly firstByteMs?: number
  readonly endedMs: number
}

/** Why a region was not called at all. */
export type RefusedReason =
  | 'region_down'
  | 'region_draining'
  | 'unknown_region'
  | 'queue_full'
  | 'circuit_open'
  /** It was to wait in the region's mailbox, and that could not be written, or has no room left. */
  | 'not_stored'
  | 'spool_full'
  /** All that it was to be asked for are held. */
  | 'held'
  /** Those that it was to be asked for again live elsewhere by now. */
  | 'moved'
  /** Nobody could say where they live by now. */
  | 'directory_away'
  /** By the time of its turn somebody else may have had the right to make this attempt. */
  | 'lease_lapsed'
  /** It has to be signed anew, and the secret for that is gone. */
  | 'no_signing_secret'

/** Why a call that was made, or at least begun, failed. A status of 500 and above is `http_<status>`. */
export type FailedReason =
  | 'connect_refused'
  | 'connect_failed'
  | 'connect_timeout'
  | 'connection_reset'
  | 'dns_failed'
  | 'tls_failed'
  | 'invalid_request'
  | 'invalid_response'
  | 'response_too_large'
  | `http_${number}`

/** What became of one planned region. Every planned region has exactly one. */
export type RegionResult = {
  readonly region: string
  readonly timing: AttemptTiming
  /** The breaker's, when the call began; absent where none was asked. */
  readonly breaker?: BreakerState
} & (
  | { readonly kind: 'answered'; readonly reply: RegionReply }
  /**
   * `sent`: it may have been carried out. Without it, it has not: there never was a connection to send it on. `cause`
   * is the error's code; never its message, which may name an address, and a host application reads these.
   */
  | {
      readonly kind: 'failed'
      readonly reason: FailedReason
      readonly sent: boolean
      readonly cause?: string
      /** Those of a complete answer with a status of 500 and above. */
      readonly rawHeaders?: readonly string[]
    }
  | { readonly kind: 'timed_out'; readonly sent: boolean }
  | { readonly kind: 'refused'; readonly reason: RefusedReason }
  /** It waits in the region's mailbox: behind what came before it, or for the end of an attempt that is not told of here. */
  | { readonly kind: 'spooled' }
)

export type AnsweredResult = Extract<RegionResult, { kind: 'answered' }>

/** What may be passed on to the caller: a 2xx only, or any reply (which is below 500, or it is a failure). */
export type Wins = 'success' | 'reply'

/** `lost`: nothing that may be passed on; one result per planned region says why. */
export type Outcome =
  | { readonly kind: 'won'; readonly winner: AnsweredResult }
  | { readonly kind: 'lost'; readonly results: readonly RegionResult[] }

export interface Dispatched {
  /** One call per planned region, in plan order. */
  readonly calls: readonly { readonly region: RoutedRegion; readonly result: Promise<RegionResult> }[]
  /** Resolves as soon as it can be decided, while other calls may go on. */
  readonly outcome: Promise<Outcome>
  /** One result per planned region, in plan order, once the last of them has come to its end. */
  readonly settled: Promise<readonly RegionResult[]>
}

export function isSuccess(result: RegionResult): result is AnsweredResult {
  return result.kind === 'answered' && result.reply.status >= 200 && result.reply.status < 300
}

/** It had the request, and nobody has heard what became of it. */
export function wasSentInVain(result: RegionResult): boolean {
  if (result.kind === 'timed_out') return result.sent
  return result.kind === 'failed' && result.sent && result.rawHeaders === undefined
}

/** The stable word for a result that was not good enough, as it stands in logs and in the problem document. */
export function reasonOf(result: RegionResult): string {
  switch (result.kind) {
    case 'answered':
      return `http_${result.reply.status}`
    case 'timed_out':
      return 'timeout'
    case 'spooled':
      return 'spooled'
    case 'failed':
    case 'refused':
      return result.reason
  }
}
