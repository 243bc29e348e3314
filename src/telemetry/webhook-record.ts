import type { InstallationKey } from '../directory/directory.ts'
import type { Plan } from '../dispatch/dispatch.ts'
import { reasonOf, type RegionResult } from '../dispatch/region-result.ts'
import type { Door, Provider, ReceivedWebhook, RoutableRequest } from '../provider.ts'
import type { Resolution } from '../resolve/resolve.ts'

/** One webhook's story: what an operator asks about it afterwards. Times are milliseconds after its first byte. */
export interface WebhookRecord {
  delivery: string
  requestId: string
  /** Where traces are exported and this one is recorded. */
  traceId?: string
  surface: string
  type?: string
  /** The installation's key, and where in the request it was found. */
  installation?: string
  foundIn?: string
  verdict?: string
  directoryAgeMs?: number
  integration?: string
  organizations?: readonly string[]
  hint?: string
  plan?: 'first' | 'all'
  regions?: readonly RegionRecord[]
  status?: number
  answeredMs: number
  /** How it ended, as one word: the rule, the error's code, or the kind of ending. */
  outcome: string
  /** The rule by which the control silo answered by itself. */
  rule?: string
  /** The region whose reply was passed on. */
  answeredFrom?: string
  /** The error's. */
  code?: string
}

export interface RegionRecord {
  readonly region: string
  /** `answered`, or the reason why not. */
  readonly result: string
  readonly status?: number
  /** The code of the error that ended the call. */
  readonly cause?: string
  /** The breaker's state when the call began. */
  readonly breaker?: string
  readonly startedMs: number
  /** When it had a slot, until when it stood in the region's queue. */
  readonly slotMs?: number
  readonly sentMs?: number
  readonly firstByteMs?: number
  readonly endedMs: number
}

/**
 * All that is to be recorded of a webhook, by reference: it costs the webhook next to nothing, and is put into words
 * when it is written down. What it holds is not what a record may show: a request knows secrets. A webhook has one,
 * which has changed when it is told again: whoever is told takes out at once what is to stay as it is. The recorder reads
 * it later, so all of it changes in one go, right before it is told.
 */
export interface Happened {
  readonly provider: Pick<Provider, 'name' | 'planRule' | 'promise' | 'disclosure'>
  readonly door: Door
  /** Unix milliseconds of the first byte. */
  readonly receivedAt: number
  /** How long after the first byte the provider had to be answered. */
  readonly budgetMs: number
  /** Whoever does not show it lets go of it. */
  webhook: ReceivedWebhook | undefined
  readonly request: RoutableRequest | undefined
  readonly idempotencyKey: string | undefined
  readonly resolution: Resolution | undefined
  readonly plan: Plan | undefined
  readonly record: WebhookRecord
  /** Somebody went without. */
  failed: boolean
  /** False: a region has not come to its end, and the record is told again when it has. */
  isOver: boolean
  /** It is the provider's, by its signature or by the link of a page. */
  readonly isProven: boolean
  /** It came from nobody knows whom, and there are more of those than something is kept of. */
  readonly isOneTooMany: boolean
  /** Nobody's but the recorder's, while it waits to be written. */
  waiting?: Waiting | undefined
  /** Nobody's but the recorder's: into which block it was put last, and where in it. */
  place?: { readonly block: string; readonly at: number } | undefined
}

export interface Waiting {
  /** Of its body. */
  readonly heldBytes: number
  /** It has been put into words since it was told last. */
  isRead: boolean
}

/** An installation's key as one text. */
export function keyText(key: InstallationKey): string {
  return key.by === 'id' ? `${key.provider}:integration:${key.id}` : `${key.provider}:${key.appId}:${key.externalId}`
}

/** What became of one call. */
export function regionRecord(result: RegionResult): RegionRecord {
  const { startedMs, slotMs, sentMs, firstByteMs, endedMs } = result.timing
  return {
    region: result.region,
    result: result.kind === 'answered' ? 'answered' : reasonOf(result),
    ...(result.kind === 'answered' && { status: result.reply.status }),
    ...(result.kind === 'failed' && result.cause !== undefined && { cause: result.cause }),
    ...(result.breaker !== undefined && { breaker: result.breaker }),
    startedMs: round(startedMs),
    ...(slotMs !== undefined && { slotMs: round(slotMs) }),
    ...(sentMs !== undefined && { sentMs: round(sentMs) }),
    ...(firstByteMs !== undefined && { firstByteMs: round(firstByteMs) }),
    endedMs: round(endedMs),
  }
}

const round = (ms: number): number => Math.round(ms * 100) / 100
