import type { Clock } from '../clock.ts'
import {
  isSuccess,
  wasSentInVain,
  type RefusedReason,
  type RegionReply,
  type RegionResult,
} from '../dispatch/region-result.ts'
import type { LateMessage } from '../provider.ts'
import { judge } from './judge.ts'
import type { AskedRegion } from './late-case.ts'
import { mayTryAgain } from './pause.ts'

/** How long an act that was never sent may still be sent: whoever asked for it has not turned away yet. */
const NEVER_SENT_MS = 60_000
/** How long anything may be asked again or posted: the provider stops listening after half an hour. */
export const ANSWERABLE_MS = 1_500_000

/**
 * An act is not sent after somebody who has left, nor kept for when they, or their region, are back: who waits for its
 * answer would wait for an operator.
 */
const endings: ReadonlySet<RefusedReason> = new Set([
  'moved',
  'held',
  'region_down',
  'region_draining',
  'unknown_region',
])

export function isLeft(result: RegionResult): boolean {
  return result.kind === 'refused' && endings.has(result.reason)
}

/** What the regions asked have made of it. */
export type Heard =
  | { readonly kind: 'message'; readonly message: LateMessage }
  /** A region has done it, and there is nothing to tell of it. */
  | { readonly kind: 'nothing_to_say' }
  | { readonly kind: 'none'; readonly why: 'failed' | 'unknown' }
  /** Told to stop while a region might still have been asked again by whoever comes next. */
  | { readonly kind: 'left' }

export interface Asking {
  /** The webhook's arrival, monotonic. */
  readonly startedAt: number
  /** The number of the attempt that each region of `calls` is at. */
  readonly attempt: number
  readonly ask: (region: AskedRegion, attempt: number) => Promise<RegionResult>
  /** False: somebody else may have taken the answer over by now, and told it. */
  readonly mayAsk: () => boolean
  readonly idempotent: (regionName: string) => boolean
  readonly lateMessage: (reply: RegionReply) => LateMessage | undefined
  /** Told of a call that rejected, which no region can make it do. */
  readonly onFault: (error: unknown) => void
  readonly stop: AbortSignal
  readonly clock: Clock
  readonly random: () => number
}

export interface Call {
  readonly region: AskedRegion
  readonly result: Promise<RegionResult>
}

/**
 * Waits for the first 2xx that says something. When every call has ended without any 2xx, regions are asked again: each
 * that never got the request for 60 s after the webhook came, and each that is idempotent and failed for 25 min; an
 * answer below 500 is an end, and so is that nobody whom it was asked for lives there any more, or that nothing is sent
 * there but what waits in mailboxes. Nobody is asked any more once a 2xx has come, or once somebody else may be asking.
 * `ended`: all calls are over as well.
 */
export function hearAnswer(
  calls: readonly Call[],
  asking: Asking,
): { answer: Promise<Heard>; ended: Promise<unknown> } {
  const { clock, idempotent, stop } = asking
  const success = new AbortController()
  const noMore = AbortSignal.any([success.signal, stop])
  const message = Promise.withResolvers<Heard>()
  const ended = askAll()
  return { answer: Promise.race([message.promise, ended]), ended }

  async function askAll(): Promise<Heard> {
    const results = await Promise.all(calls.map(({ result }) => listen(result)))
    const ends = await Promise.all(calls.map(({ region }, at) => askAgain(region, results[at])))
    if (success.signal.aborted) return { kind: 'nothing_to_say' }
    if (ends.includes('left')) return { kind: 'left' }
    return { kind: 'none', why: ends.includes('unknown') ? 'unknown' : 'failed' }
  }

  async function listen(call: Promise<RegionResult>): Promise<RegionResult | undefined> {
    let result: RegionResult
    try {
      result = await call
    } catch (error) {
      asking.onFault(error)
      return undefined
    }
    if (isSuccess(result)) {
      success.abort()
      // The first that says something has said it, also where nothing can be made of it: nobody else is heard then.
      if (result.reply.body.length > 0) {
        const says = asking.lateMessage(result.reply)
        message.resolve(says === undefined ? { kind: 'nothing_to_say' } : { kind: 'message', message: says })
      }
    }
    return result
  }

  async function askAgain(
    region: AskedRegion,
    first: RegionResult | undefined,
  ): Promise<'failed' | 'unknown' | 'left'> {
    let result = first
    let isUnknown = false
    for (let failures = 1; ; failures++) {
      if (result === undefined) return 'unknown'
      isUnknown ||= wasSentInVain(result)
      const until = askableUntil(region, result)
      if (until === undefined) return isUnknown ? 'unknown' : 'failed'
      const retryAfterMs = retryAfter(result)
      if (!(await mayTryAgain({ failures, retryAfterMs, until }, asking, noMore))) {
        // Whoever comes next asks idempotent regions only, so of any other this is the end of it.
        if (stop.aborted && idempotent(region.name)) return 'left'
        return isUnknown ? 'unknown' : 'failed'
      }
      if (!asking.mayAsk()) return isUnknown ? 'unknown' : 'failed'
      result = await listen(asking.ask(region, asking.attempt + failures))
    }
  }

  /** Until when (monotonic) a region with this result may be asked again; undefined: not at all. */
  function askableUntil({ name }: AskedRegion, result: RegionResult): number | undefined {
    if (result.kind === 'answered' || result.kind === 'spooled') return undefined
    if (judge(result, clock.now()).kind === 'refused') return undefined
    if (isLeft(result)) return undefined
    if (idempotent(name)) return asking.startedAt + ANSWERABLE_MS
    const sent = result.kind !== 'refused' && result.sent
    return sent ? undefined : asking.startedAt + NEVER_SENT_MS
  }

  function retryAfter(result: RegionResult): number | undefined {
    const judgement = judge(result, clock.now())
    return judgement.kind === 'transient' ? judgement.retryAfterMs : undefined
  }
}
