const BASE_MS = 1000
/** The longest a delivery waits for its next attempt, and the longest that a region's Retry-After is heeded. */
export const LONGEST_WAIT_MS = 300_000

/** The longest that is waited of ourselves after so many failures in a row. */
function longestBackOffMs(failures: number): number {
  return Math.min(LONGEST_WAIT_MS, BASE_MS * 2 ** Math.max(0, failures - 1))
}

/**
 * Milliseconds until the next attempt after `failures` in a row: exponential with full jitter, so that what failed
 * together does not come back together. https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function backOffMs(failures: number, random: () => number, retryAfter: number | undefined): number {
  return Math.max(Math.round(random() * longestBackOffMs(failures)), Math.min(retryAfter ?? 0, LONGEST_WAIT_MS))
}
