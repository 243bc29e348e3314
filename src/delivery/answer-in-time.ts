import type { Clock } from '../clock.ts'
import { isSuccess, type Dispatched, type Outcome } from '../dispatch/region-result.ts'
import type { Promised } from '../provider.ts'
import type { LateAnswers } from './late-answers.ts'
import type { LateCase } from './late-case.ts'
import { writeDownAt } from './write-ahead.ts'

/** `late`: nobody had answered by the deadline, it is on disk that an answer is owed, and the calls go on. */
export type InTime = { readonly kind: 'decided'; readonly outcome: Outcome } | { readonly kind: 'late' }

type First = InTime | { readonly kind: 'fault'; readonly error: unknown }

interface Terms extends Pick<Promised & { kind: 'late_answer' }, 'failure'> {
  /** Monotonic. */
  readonly startedAt: number
  readonly deadline: number
}

/**
 * Waits for an outcome up to the deadline. Shortly before, that an answer is owed is written down; only where that has
 * been done by the deadline do the calls go on, and the regions' answer is posted when it comes. Where it has not, the
 * calls end with the deadline, and that is the outcome. Rejects as `outcome` does, unless an answer is owed by then.
 */
export async function answerInTime(
  what: LateCase,
  begin: (goesOn: () => boolean) => Dispatched,
  { startedAt, deadline, failure }: Terms,
  { late, clock }: { readonly late: LateAnswers; readonly clock: Clock },
): Promise<{ inTime: InTime; dispatched: Dispatched }> {
  let written = false
  let decided: boolean | undefined
  // Asked at the deadline by each call and here, in whatever order their timers run: all must hear the same.
  const goesOn = (): boolean => (decided ??= written)
  const dispatched = begin(goesOn)

  const { promise: whatIsFirst, resolve } = Promise.withResolvers<First>()
  let owing: { readonly over: Promise<void>; readonly untilDeadline: Promise<void> } | undefined
  // One timer after the other: next to no webhook lives to see the first.
  let cancelTimer = clock.after(Math.max(0, writeDownAt({ startedAt, deadline }) - clock.monotonic()), () => {
    const { promise: untilDeadline, resolve: deadlineCame } = Promise.withResolvers<void>()
    cancelTimer = clock.after(Math.max(0, deadline - clock.monotonic()), () => {
      if (goesOn()) resolve({ kind: 'late' })
      deadlineCame()
    })
    const over = late.owe(what, undefined, deadline).then(
      () => void (written = true),
      // The store is away, which it says itself: then nothing is promised, and the deadline is the end.
      () => {},
    )
    owing = { over, untilDeadline }
  })
  dispatched.outcome.then(
    (outcome) => resolve({ kind: 'decided', outcome }),
    (error: unknown) => resolve({ kind: 'fault', error }),
  )
  const first = await whatIsFirst
  const inTime = owing === undefined ? first : await reconsidered(first, owing)
  cancelTimer()
  if (inTime.kind === 'fault') throw inTime.error
  if (inTime.kind === 'late') void late.follow(what, dispatched.calls)
  return { inTime, dispatched }

  /** What is on disk by now is a promise: what is posted anyway keeps it, and a response takes it back first. */
  async function reconsidered(first: First, { over, untilDeadline }: NonNullable<typeof owing>): Promise<First> {
    await over
    if (first.kind === 'late' || !written) return first
    if (first.kind === 'fault' || (first.outcome.kind === 'lost' && failure === 'post')) return { kind: 'late' }
    if (await isLate(first.outcome)) return { kind: 'late' }
    // Whoever took it over from here, if this process went away, would say something as well.
    await Promise.race([late.forgive(what), untilDeadline])
    // Nothing is owed any more: what is still asked ends with the deadline, as it does without a debt.
    decided ??= false
    return first
  }

  /**
   * A call that the deadline has ended is late, whichever of the deadline's timers ran first: what was never sent may
   * still be sent, and one region's refusal does not speak for another that nobody has heard.
   */
  async function isLate(outcome: Outcome): Promise<boolean> {
    if (outcome.kind === 'won' && isSuccess(outcome.winner)) return false
    // Without a success nothing is decided before all calls have ended.
    const results = outcome.kind === 'lost' ? outcome.results : await dispatched.settled
    return results.some(({ kind }) => kind === 'timed_out')
  }
}
