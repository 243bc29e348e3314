import type { Clock } from '../clock.ts'
import { codeOf } from '../dispatch/failure-reason.ts'
import type { LateMessage } from '../provider.ts'
import type { Sealer } from '../spool/seal.ts'
import type { OwedAnswers } from '../spool/spool.ts'
import { ANSWERABLE_MS } from './hear-answer.ts'
import { packMessage, SEALED_FOR } from './late-case.ts'
import { mayTryAgain } from './pause.ts'
import type { AnswerPoster } from './post-answer.ts'

/** One message on its way to whoever is owed an answer. */
export interface Telling {
  readonly delivery: string
  readonly to: string
  readonly message: LateMessage
  /** How often it has been posted in vain before. */
  readonly posts: number
  /** The webhook's arrival, monotonic. */
  readonly startedAt: number
  /** Whether it may be posted there, asked before each post: the configuration may have changed meanwhile. */
  readonly allowed: () => boolean
  /** Whose turn it is to say anything, as far as this process knows. */
  readonly turn: Turn
  readonly stop: AbortSignal
}

export interface Turn {
  /** Somebody else has said something, or may have. */
  lost: boolean
  /** What the store calls `posting` is, or may be, of this process. */
  posting: boolean
}

export type Told =
  | { readonly kind: 'posted' }
  /** Told to stop; it stays owed. */
  | { readonly kind: 'left' }
  | {
      readonly kind: 'post_unknown' | 'post_refused' | 'post_gave_up' | 'taken_over' | 'not_allowed'
      readonly reason?: string
    }

type OneTry = Told | { readonly kind: 'again'; readonly reason: string; readonly retryAfterMs?: number }

export interface TellParts {
  readonly owed: Pick<OwedAnswers, 'posting' | 'unposted'>
  readonly sealer: () => Sealer
  readonly poster: Pick<AnswerPoster, 'post'>
  readonly clock: Clock
  readonly random: () => number
}

/**
 * Posts a message, recorded before each post: whatever happens between the record and its end, nobody posts it again.
 * What was certainly not heard is tried again until 25 min after the webhook came.
 */
export async function tellAnswer(telling: Telling, parts: TellParts): Promise<Told> {
  const { delivery, to, message, turn, stop } = telling
  const until = telling.startedAt + ANSWERABLE_MS
  for (let failures = telling.posts + 1; ; failures++) {
    const told = await tryOnce()
    if (told.kind !== 'again') return told
    const { reason, retryAfterMs } = told
    if (await mayTryAgain({ failures, retryAfterMs, until }, parts, stop)) continue
    return stop.aborted ? { kind: 'left' } : { kind: 'post_gave_up', reason }
  }

  async function tryOnce(): Promise<OneTry> {
    if (!telling.allowed()) return { kind: 'not_allowed' }
    if (turn.lost) return { kind: 'taken_over' }
    const sealed = parts.sealer().seal(packMessage(message), { delivery, region: SEALED_FOR.message })
    turn.posting = true
    try {
      if (!(await parts.owed.posting(delivery, sealed))) return { kind: 'taken_over' }
    } catch (error) {
      turn.posting = false
      return { kind: 'again', reason: error instanceof Error ? codeOf(error) : 'store_failed' }
    }
    const result = await parts.poster.post(to, message)
    switch (result.kind) {
      case 'posted':
        return { kind: 'posted' }
      case 'unknown':
        return { kind: 'post_unknown', reason: result.reason }
      case 'refused':
        return { kind: 'post_refused', reason: result.status === undefined ? 'invalid_url' : `http_${result.status}` }
      case 'again':
        await unposted()
        return result
    }
  }

  async function unposted(): Promise<void> {
    try {
      await parts.owed.unposted(delivery)
      turn.posting = false
    } catch {
      // It counts as posted for whoever comes next, which is the safe side; the next post here meets the same store.
    }
  }
}
