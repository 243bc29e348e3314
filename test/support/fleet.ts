import { expect } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { openRedis, type Redis } from '../../src/fleet/redis.ts'
import type { createAlarms } from '../../src/telemetry/alarm.ts'
import { createCounters } from '../../src/telemetry/counters.ts'

/** A gateway's share of Redis, and what it says of it. */
export interface TestRedis {
  readonly redis: Redis
  readonly counters: ReturnType<typeof createCounters>
  /** Everything that was logged, as it would be written. */
  readonly lines: string[]
  /** Waits until it has said so since the last time that was waited for. */
  readonly said: (words: string) => Promise<void>
}

/** On the system's clock, for a server's own goes on whatever a test wants. */
export async function openTestRedis(url: string): Promise<TestRedis> {
  const lines: string[] = []
  let read = 0
  const write = (fields: Record<string, unknown>, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`)
  }
  const log = { debug: write, info: write, warn: write, error: write }
  const counters = createCounters()
  const alarms = {
    raise: (...[level, , fields, message]: Parameters<ReturnType<typeof createAlarms>['raise']>) =>
      log[level](fields, message),
  }
  const redis = await openRedis({ url, clock: systemClock, alarms, log, counters })
  return {
    redis,
    counters,
    lines,
    async said(words) {
      await expect.poll(() => lines.slice(read).some((line) => line.includes(words)), { timeout: 20_000 }).toBe(true)
      read = lines.length
    },
  }
}
