import type { AnsweredResult, RefusedReason, RegionResult } from '../../../src/dispatch/region-result.ts'

const timing = { startedMs: 0, endedMs: 1 }

export function answered(region: string, status = 200, body = ''): AnsweredResult {
  return { kind: 'answered', region, timing, reply: { status, rawHeaders: [], body: Buffer.from(body) } }
}

export function timedOut(region: string): RegionResult {
  return { kind: 'timed_out', sent: true, region, timing }
}

export function refused(region: string, reason: RefusedReason = 'region_down'): RegionResult {
  return { kind: 'refused', reason, region, timing }
}

export function failed(region: string): RegionResult {
  return { kind: 'failed', reason: 'http_500', sent: true, rawHeaders: [], region, timing }
}
