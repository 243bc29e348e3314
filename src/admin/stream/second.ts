import { z } from 'zod'
import type { Happened } from '../../telemetry/webhook-record.ts'

const counts = z.record(z.string(), z.int())

/** What came of the webhooks that were answered within a second. */
export const secondOut = z.object({
  webhooks: z.int(),
  failed: z.int().describe('Of which it came out in this second that somebody went without.'),
  by_surface: counts,
  by_outcome: counts,
  by_status: counts.describe('Without those whose caller went away.'),
  answer_ms: z
    .object({ p50: z.number(), p95: z.number(), p99: z.number(), max: z.number() })
    .nullable()
    .describe('From the first byte to the answer; null: none was answered.'),
})

export interface Seconds {
  count(happened: Happened): void
  /** What was counted since the last time. */
  take(): z.input<typeof secondOut>
}

/** Counts webhooks by the second. A webhook counts when it is answered, once. */
export function countSeconds(): Seconds {
  /** Those that are going to be told again, and whether they counted as failed. */
  const running = new Map<string, boolean>()
  let second = newSecond()
  return {
    count(happened) {
      const { record, failed, isOver } = happened
      const { delivery, surface, outcome, status, answeredMs } = record
      const hadFailed = running.get(delivery)
      if (failed && hadFailed !== true) second.failed += 1
      if (isOver) running.delete(delivery)
      else running.set(delivery, failed)
      if (hadFailed !== undefined) return
      second.webhooks += 1
      add(second.bySurface, surface)
      add(second.byOutcome, outcome)
      if (status !== undefined) add(second.byStatus, String(status))
      second.answeredMs.push(answeredMs)
    },
    take() {
      const { webhooks, failed, bySurface, byOutcome, byStatus, answeredMs } = second
      second = newSecond()
      return {
        webhooks,
        failed,
        by_surface: Object.fromEntries(bySurface),
        by_outcome: Object.fromEntries(byOutcome),
        by_status: Object.fromEntries(byStatus),
        answer_ms: answeredMs.length === 0 ? null : quantilesOf(answeredMs),
      }
    },
  }
}

function newSecond() {
  const counted = () => new Map<string, number>()
  const answeredMs: number[] = []
  return { webhooks: 0, failed: 0, bySurface: counted(), byOutcome: counted(), byStatus: counted(), answeredMs }
}

function add(counted: Map<string, number>, what: string): void {
  counted.set(what, (counted.get(what) ?? 0) + 1)
}

function quantilesOf(values: readonly number[]) {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number): number => tenths(sorted[Math.ceil(share * sorted.length) - 1] ?? 0)
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}

const tenths = (ms: number): number => Math.round(ms * 10) / 10
