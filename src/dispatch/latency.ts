/** How long a region has taken for its last answers, in milliseconds. */
export interface Latency {
  readonly p50: number
  readonly p99: number
  /** Of how many answers. */
  readonly of: number
}

/** Enough for a 99th percentile that means something, few enough to be those of just now. */
const LAST = 256

/** Remembers the last answers; what it costs is paid by whoever reads it. */
export function createLatencies(): { took(ms: number): void; read(): Latency | undefined } {
  const last = new Float64Array(LAST)
  let count = 0
  return {
    took(ms) {
      last[count++ % LAST] = ms
    },
    read() {
      const sorted = last.slice(0, Math.min(count, LAST)).sort()
      const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1]
      const [p50, p99] = [at(0.5), at(0.99)]
      return p50 === undefined || p99 === undefined ? undefined : { p50, p99, of: sorted.length }
    },
  }
}
