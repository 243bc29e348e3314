/**
 * A sync on a disk that is shared or far away takes a fifth of a second, one may have to wait for the end of another, and
 * what is not on disk by the deadline is not promised.
 */
const WRITE_AHEAD_MS = 500

/** When (monotonic) what has not been answered is written down: before the deadline, by a fifth of the time at most. */
export function writeDownAt({
  startedAt,
  deadline,
}: {
  readonly startedAt: number
  readonly deadline: number
}): number {
  return deadline - Math.min(WRITE_AHEAD_MS, (deadline - startedAt) / 5)
}
