import { describe, expect, it } from 'vitest'
import { judge } from '../../../src/delivery/judge.ts'
import type { RegionResult } from '../../../src/dispatch/region-result.ts'

const NOW = 1_700_000_000_000
const timing = { startedMs: 0, endedMs: 1 }

function answered(status: number, rawHeaders: string[] = []): RegionResult {
  return { kind: 'answered', region: 'eu', timing, reply: { status, rawHeaders, body: Buffer.alloc(0) } }
}

describe('what a region makes of a delivery that has to arrive', () => {
  it.each([200, 201, 204, 299])('%i: it has it', (status) => {
    expect(judge(answered(status), NOW)).toEqual({ kind: 'delivered' })
  })

  it.each([400, 409, 410, 413, 415, 422])('%i: it will never take it', (status) => {
    expect(judge(answered(status), NOW)).toEqual({ kind: 'refused', reason: `http_${status}` })
  })

  it.each([199, 300, 302, 401, 403, 404, 405, 408, 411, 414, 418, 421, 423, 425, 429, 451, 499])(
    '%i: it may take it later',
    (status) => {
      expect(judge(answered(status), NOW)).toEqual({
        kind: 'transient',
        reason: `http_${status}`,
        why: 'answered',
        retryAfterMs: undefined,
      })
    },
  )

  it('a 5xx is an answer, and its Retry-After is heard', () => {
    const rawHeaders = ['Retry-After', '7']
    const result: RegionResult = { kind: 'failed', region: 'eu', timing, reason: 'http_503', sent: true, rawHeaders }
    expect(judge(result, NOW)).toEqual({ kind: 'transient', reason: 'http_503', why: 'answered', retryAfterMs: 7000 })
  })

  it('a reply that is too large is an answer', () => {
    const result: RegionResult = { kind: 'failed', region: 'eu', timing, reason: 'response_too_large', sent: true }
    expect(judge(result, NOW)).toMatchObject({ kind: 'transient', why: 'answered' })
  })

  it.each(['connect_refused', 'connection_reset', 'dns_failed', 'invalid_response'] as const)(
    '%s: it could not be reached',
    (reason) => {
      const result: RegionResult = { kind: 'failed', region: 'eu', timing, reason, sent: false }
      expect(judge(result, NOW)).toMatchObject({ kind: 'transient', reason, why: 'unreachable' })
    },
  )

  it('invalid_request: what cannot be written as HTTP today cannot be tomorrow, and the next one moves up', () => {
    const result: RegionResult = { kind: 'failed', region: 'eu', timing, reason: 'invalid_request', sent: false }
    expect(judge(result, NOW)).toEqual({ kind: 'refused', reason: 'invalid_request' })
  })

  it.each([
    [true, 'unanswered'],
    [false, 'unreachable'],
  ])('a call that had its slot and ran out of time, sent: %s, is %s', (sent, why) => {
    const result: RegionResult = { kind: 'timed_out', region: 'eu', timing: { ...timing, slotMs: 0 }, sent }
    expect(judge(result, NOW)).toMatchObject({ kind: 'transient', reason: 'timeout', why })
  })

  it('a call that broke off once it was sent was not answered', () => {
    const result: RegionResult = { kind: 'failed', region: 'eu', timing, reason: 'connection_reset', sent: true }
    expect(judge(result, NOW)).toMatchObject({ kind: 'transient', reason: 'connection_reset', why: 'unanswered' })
  })

  it('a call that ran out of time in our own queue was not tried', () => {
    const result: RegionResult = { kind: 'timed_out', region: 'eu', timing, sent: false }
    expect(judge(result, NOW)).toMatchObject({ kind: 'transient', reason: 'timeout', why: 'not_tried' })
  })

  it.each(['circuit_open', 'queue_full', 'region_down', 'region_draining', 'unknown_region'] as const)(
    '%s: it was not tried',
    (reason) => {
      expect(judge({ kind: 'refused', region: 'eu', timing, reason }, NOW)).toMatchObject({
        kind: 'transient',
        reason,
        why: 'not_tried',
      })
    },
  )
})
