import type { Clock } from '../clock.ts'
import type { Reply, RoutableRequest } from '../provider.ts'
import type { Counters } from '../telemetry/counters.ts'
import { createKeptAnswers } from './kept-answers.ts'
import { createRecentKeys } from './recent-keys.ts'

/** How long it is remembered that a request was dealt with: as long as Slack's own last retry can be away. */
const STATUS_LIFE_MS = 25 * 3_600_000
/** How long an answer is kept: a signature is good for five minutes either way. */
const ANSWER_LIFE_MS = 600_000

/** What came of a request. */
export interface Handled {
  readonly reply: Reply
  /** Whether one that comes again is a duplicate of this: it has left a durable trace, or a region has answered it. */
  readonly remember: boolean
}

export type Once<Done extends Handled> =
  /** It was the first, and this is what its work came to. */
  | { readonly kind: 'first'; readonly done: Done }
  /** The first was still running, and its end is this one's too. */
  | { readonly kind: 'joined'; readonly done: Done }
  /** The first has been dealt with. `reply`: its answer, where it was asked to be kept. */
  | { readonly kind: 'stored'; readonly reply: Reply | undefined }

export interface Dedup<Done extends Handled = Handled> {
  /**
   * Does the work unless a request of the same key is being dealt with or has been. Throws what the work throws, to
   * those that joined it as well; work that failed, or does not want to be remembered, leaves no trace here. For one
   * whose `remember` is `'nothing'` the work is always done.
   */
  once(
    request: Pick<RoutableRequest, 'remember'> & { readonly key: string },
    work: () => Promise<Done>,
  ): Promise<Once<Done>>
}

/** Keeps all in the process: at most `maxEntries` requests of each kind, the oldest forgotten first. */
export function createDedup<Done extends Handled = Handled>(parts: {
  maxEntries: number
  clock: Clock
  counters: Counters
}): Dedup<Done> {
  const { maxEntries: max, clock, counters } = parts
  const running = new Map<string, Promise<Done>>()
  const statuses = createRecentKeys({ max, lifeMs: STATUS_LIFE_MS, clock })
  const answers = createKeptAnswers({ max, lifeMs: ANSWER_LIFE_MS, clock })

  // Nothing is awaited between looking and beginning: of a thousand at once exactly one finds nothing.
  return {
    async once({ key, remember }, work) {
      if (remember === 'nothing') return { kind: 'first', done: await work() }

      const before = running.get(key)
      if (before !== undefined) {
        counters.count('dedup_total', { kind: 'joined' })
        return { kind: 'joined', done: await before }
      }

      const reply = remember === 'answer' ? answers.get(key) : undefined
      if (reply !== undefined || (remember === 'status' && statuses.get(key) !== undefined)) {
        counters.count('dedup_total', { kind: 'stored' })
        return { kind: 'stored', reply }
      }

      const begun = work()
      running.set(key, begun)
      try {
        const done = await begun
        if (done.remember && remember === 'answer') answers.add(key, done.reply)
        if (done.remember && remember === 'status') statuses.add(key, done.reply.status)
        return { kind: 'first', done }
      } finally {
        running.delete(key)
      }
    },
  }
}
