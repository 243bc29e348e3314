import type { Log } from './log.ts'
import type { RegionRecord } from './webhook-record.ts'

/** It brought no reply, or one that refuses. Such attempts are logged whatever LOG_SAMPLE says. */
export function didFail({ result, status = 0 }: Pick<RegionRecord, 'result' | 'status'>): boolean {
  return result !== 'answered' || status >= 400
}

/** One line; `number` is 1 while the provider waits. */
export function logAttempt(log: Log, delivery: string, number: number, attempt: RegionRecord): void {
  log[didFail(attempt) ? 'warn' : 'info']({ delivery, attempt: number, ...attempt }, 'attempt')
}
