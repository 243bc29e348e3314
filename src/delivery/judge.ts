import { reasonOf, type RegionResult } from '../dispatch/region-result.ts'
import { retryAfterMs } from './retry-after.ts'

/** What a region's answer to a delivery that has to arrive says of it. */
export type Judgement =
  | { readonly kind: 'delivered' }
  /** The region will never have it, however often it is sent. */
  | { readonly kind: 'refused'; readonly reason: string }
  | {
      readonly kind: 'transient'
      readonly reason: string
      /**
       * `not_tried`: nothing was sent, and nothing is known of the region that was not known before. `unreachable`: there
       * never was a connection. `unanswered`: it was sent, and no complete answer came. `answered`: a region that can be
       * reached failed on this very delivery.
       */
      readonly why: 'not_tried' | 'unreachable' | 'unanswered' | 'answered'
      /** What the region asked for. */
      readonly retryAfterMs: number | undefined
    }

/** A request that is wrong stays wrong: these say so of the request, not of the moment. */
const refusing: ReadonlySet<number> = new Set([400, 409, 410, 413, 415, 422])

/** The same for a first attempt and for every later one. `now`: unix milliseconds, for a date in Retry-After. */
export function judge(result: RegionResult, now: number): Judgement {
  switch (result.kind) {
    case 'answered': {
      const { status, rawHeaders } = result.reply
      if (status >= 200 && status < 300) return { kind: 'delivered' }
      const reason = reasonOf(result)
      if (refusing.has(status)) return { kind: 'refused', reason }
      return { kind: 'transient', reason, why: 'answered', retryAfterMs: retryAfterMs(rawHeaders, now) }
    }
    case 'failed': {
      const { reason, rawHeaders } = result
      // It cannot even be written, which no region can help: it must not block what comes behind it.
      if (reason === 'invalid_request') return { kind: 'refused', reason }
      const answered = rawHeaders !== undefined || reason === 'response_too_large'
      const why = answered ? 'answered' : result.sent ? 'unanswered' : 'unreachable'
      return { kind: 'transient', reason, why, retryAfterMs: retryAfterMs(rawHeaders ?? [], now) }
    }
    case 'timed_out': {
      // One that never got a slot says something of our own queue only.
      const why = result.timing.slotMs === undefined ? 'not_tried' : result.sent ? 'unanswered' : 'unreachable'
      return { kind: 'transient', reason: reasonOf(result), why, retryAfterMs: undefined }
    }
    case 'refused':
    case 'spooled':
      return { kind: 'transient', reason: reasonOf(result), why: 'not_tried', retryAfterMs: undefined }
  }
}
