import type { Clock } from '../clock.ts'
import type { Dispatched, Outcome } from '../dispatch/region-result.ts'
import type { LateAnswers } from './late-answers.ts'
import type { LateCase } from './late-case.ts'

/** Ahead of the deadline, so that the empty answer need not wait for the disk; at most a tenth of the time there is. */
const WRITE_AHEAD_MS = 100

/** `late`: nobody had answered by the deadline, it is on disk that an answer is owed, and the calls go on. */
export type InTime = { readonly kind: 'decided'; readonly outcome: Outcome } | { readonly kind: 'late' }

/**
 * Waits for an outcome up to the deadline. Shortly before, that an answer is owed is written down; only where that has
 * been done by the deadline do the calls go on, and the regions' answer is posted when it comes. Where it has not, the
 * calls end with the deadline, and that is the outcome.
 */
export async function answerInTime(
  what: LateCase,
  begin: (goesOn: () => boolean) => Dispatched,
  { startedAt, deadline }: { readonly startedAt: number; readonly deadline: number },
  { late, clock }: { readonly late: LateAnswers; readonly clock: Clock },
): Promise<{ inTime: InTime; dispatched: Dispatched }> {
  let written = false
  let decided: boolean | undefined
  // Asked at the deadline by each call and here, in whatever order their timers run: all must hear the same.
  const goesOn = (): boolean => (decided ??= written)
  const dispatched = begin(goesOn)

  const { promise: atDeadline, resolve } = Promise.withResolvers<InTime>()
  let owing: Promise<void> | undefined
  const writeAhead = Math.min(WRITE_AHEAD_MS, (deadline - startedAt) / 10)
  const cancelWrite = clock.after(Math.max(0, deadline - writeAhead - clock.monotonic()), () => {
    owing = late.owe(what, undefined, deadline).then(
      () => void (written = true),
      // The store is away, which it says itself: then nothing is promised, and the deadline is the end.
      () => {},
    )
  })
  const cancelDeadline = clock.after(Math.max(0, deadline - clock.monotonic()), () => {
    if (goesOn()) resolve({ kind: 'late' })
  })
  const inTime = await Promise.race([
    dispatched.outcome.then((outcome): InTime => ({ kind: 'decided', outcome })),
    atDeadline,
  ])
  cancelWrite()
  cancelDeadline()
  if (inTime.kind === 'late') void late.follow(what, dispatched.calls)
  else if (owing !== undefined) void owing.then(() => (written ? late.forgive(what) : undefined))
  return { inTime, dispatched }
}
