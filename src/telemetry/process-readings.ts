import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Clock } from '../clock.ts'
import type { ReadingName } from './metrics.ts'

/** How often the event loop is looked at: 50 times a second cost a quarter of a percent of a core. */
const LOOK_MS = 20
/** Two that scrape in turn, every few seconds each, would otherwise take from each other what was late. */
const LEAST_WINDOW_MS = 10_000

/** What the process tells of itself, by the names of the metrics. */
export interface ProcessReadings {
  read(): readonly (readonly [ReadingName, number])[]
  /** Ends what the first `read` has begun. */
  stop(): void
}

/** The event loop is only watched once somebody has asked. */
export function createProcessReadings(clock: Clock): ProcessReadings {
  const delays = monitorEventLoopDelay({ resolution: LOOK_MS })
  let resetAt = -Infinity
  let isOver = false

  /** The native timer tells from one look to the next; nanoseconds. */
  const late = (betweenNs: number): number => Math.max(0, betweenNs / 1e9 - LOOK_MS / 1000)

  return {
    read() {
      if (!isOver) delays.enable()
      const isSeen = delays.count > 0
      const { user, system } = process.cpuUsage()
      const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
      const read: ReturnType<ProcessReadings['read']> = [
        ['process_cpu_seconds_total', (user + system) / 1e6],
        ['process_resident_memory_bytes', rss],
        ['process_start_time_seconds', performance.timeOrigin / 1000],
        ['nodejs_heap_size_used_bytes', heapUsed],
        ['nodejs_heap_size_total_bytes', heapTotal],
        ['nodejs_external_memory_bytes', external],
        ['nodejs_eventloop_lag_p50_seconds', isSeen ? late(delays.percentile(50)) : 0],
        ['nodejs_eventloop_lag_p99_seconds', isSeen ? late(delays.percentile(99)) : 0],
        ['nodejs_eventloop_lag_max_seconds', isSeen ? late(delays.max) : 0],
      ]
      if (clock.monotonic() - resetAt >= LEAST_WINDOW_MS) {
        resetAt = clock.monotonic()
        delays.reset()
      }
      return read
    },
    stop() {
      isOver = true
      delays.disable()
    },
  }
}
