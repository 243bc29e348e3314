import type { Clock } from '../clock.ts'
import { backOffMs } from './back-off.ts'

/** Resolves after `ms`, or as soon as `signal` is aborted. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const end = (): void => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.after(ms, end)
    signal.addEventListener('abort', end)
  })
}

/** A timer that runs on time still runs a little after its time; one of a process that stood still, long after. */
const LATE_TIMER_MS = 1000

/**
 * Waits until something that has failed `failures` times in a row is to be tried again: never sooner than it asked for,
 * and for a last time at `until` (monotonic). False: not any more, for one because the process slept through it, or
 * `signal` was aborted.
 */
export async function mayTryAgain(
  { failures, retryAfterMs, until }: { failures: number; retryAfterMs: number | undefined; until: number },
  { clock, random }: { readonly clock: Clock; readonly random: () => number },
  signal: AbortSignal,
): Promise<boolean> {
  const leftMs = until - clock.monotonic()
  if (leftMs <= 0 || (retryAfterMs ?? 0) > leftMs) return false
  const waitMs = Math.max(backOffMs(failures, random, undefined), retryAfterMs ?? 0)
  await pause(clock, Math.min(waitMs, leftMs), signal)
  return !signal.aborted && clock.monotonic() <= until + LATE_TIMER_MS
}
