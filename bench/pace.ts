/** The shortest time between two beats, in ms: each costs the generator a wake-up, about 50 µs. */
const SHORTEST_BEAT_MS = 0.5

/** Of a hundred requests, one may leave so late before the generator is no longer believed. */
const LATE_MS = 1

export interface Percentiles {
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly longest: number
}

/** So many leave together: the fewest whose beats are not closer than the shortest. */
function perBeat(perSecond: number): number {
  return Math.ceil((SHORTEST_BEAT_MS * perSecond) / 1000)
}

/**
 * When a request is to be sent, in ms after the first one, whose number is 0: whatever became of those before it. Due
 * times are the beats' own, so that what one waits for its beat is not told as the server's latency.
 */
export function dueMs(number: number, perSecond: number): number {
  return ((number - (number % perBeat(perSecond))) * 1000) / perSecond
}

/** Milliseconds between two looks at the schedule. */
export function beatMs(perSecond: number): number {
  return (perBeat(perSecond) * 1000) / perSecond
}

/** By nearest rank: each is a value that did occur. NaN where there are none. Leaves the values as they are. */
export function percentilesOf(values: Float64Array): Percentiles {
  const sorted = values.toSorted()
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), longest: at(1) }
}

/** Whether the generator itself was late so often that its figures are of it rather than of the server. */
export function fellBehind(lagP99Ms: number): boolean {
  return !(lagP99Ms <= LATE_MS)
}
