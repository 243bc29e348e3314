/**
 * How long a Retry-After asks to wait (RFC 9110 section 10.2.3: seconds or a date), in milliseconds; undefined where
 * there is none, or none that makes sense. `now` is unix milliseconds.
 */
export function retryAfterMs(rawHeaders: readonly string[], now: number): number | undefined {
  const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'retry-after')
  const value = at === -1 ? '' : (rawHeaders[at + 1] ?? '').trim()
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  // Only the fixed form: Date.parse would also make something of a bare number or a word.
  const date = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(value) ? Date.parse(value) : NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
