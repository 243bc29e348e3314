import { describe, expect, it } from 'vitest'
import { afterRefusal, conclude, concludeFirst, progressAfterFirst } from '../../../src/delivery/conclude.ts'
import type { Judgement } from '../../../src/delivery/judge.ts'
import { NO_PROGRESS, type Progress, type WaitingRow } from '../../../src/spool/spool.ts'

const NOW = 1_700_000_000_000
const MINUTE = 60_000
const circumstances = { refusals: 0, random: () => 0.5, now: NOW }
const transient = (
  why: 'not_tried' | 'unreachable' | 'unanswered' | 'answered',
  retryAfterMs?: number,
): Judgement & { kind: 'transient' } => ({
  kind: 'transient',
  reason: why,
  why,
  retryAfterMs,
})
const judged = (judgement: Judgement) => ({ kind: 'judged', judgement }) as const

function row(progress: Partial<Progress> = {}): WaitingRow {
  return {
    id: 1,
    delivery: '01D',
    dedupKey: 'key',
    organizations: ['10'],
    receivedAt: NOW,
    spooledAt: NOW,
    payload: { keyId: undefined, bytes: Buffer.alloc(0) },
    ...NO_PROGRESS,
    ...progress,
  }
}

it('an attempt at what others have come to go before lets the mailbox go on with those', () => {
  const conclusion = conclude({ kind: 'behind' }, row({ attempts: 3 }), { ...circumstances, failingMs: 0 })
  expect(conclusion).toMatchObject({ settlement: undefined, refusals: 0, course: { kind: 'next' } })
})

describe("what an attempt means for its mailbox's head", () => {
  it('delivered: it is gone, the next one comes, and refusals are not in a row any more', () => {
    expect(conclude(judged({ kind: 'delivered' }), row(), { ...circumstances, refusals: 9, failingMs: 0 })).toEqual({
      told: 'delivered',
      settlement: { kind: 'delivered' },
      refusals: 0,
      course: { kind: 'next' },
    })
  })

  it('refused: it is a dead letter, and the next one comes', () => {
    const refused = judged({ kind: 'refused', reason: 'http_422' })
    expect(conclude(refused, row({ attempts: 4 }), { ...circumstances, failingMs: 0 })).toEqual({
      told: 'refused',
      settlement: { kind: 'dead', reason: 'http_422', attempts: 5 },
      refusals: 1,
      course: { kind: 'next' },
    })
  })

  it('refused for the tenth time in a row: nothing more is sent', () => {
    const refused = judged({ kind: 'refused', reason: 'http_422' })
    const conclusion = conclude(refused, row(), { ...circumstances, refusals: 9, failingMs: 0 })
    expect(conclusion).toMatchObject({ refusals: 10, course: { kind: 'pause', reason: 'refused' } })
    expect(afterRefusal(8).course).toEqual({ kind: 'next' })
  })

  it('failed: it stays the head, and rests for its back-off', () => {
    const conclusion = conclude(judged(transient('unreachable')), row({ attempts: 2 }), {
      ...circumstances,
      failingMs: 0,
    })
    expect(conclusion).toEqual({
      told: 'unreachable',
      settlement: {
        kind: 'again',
        attempts: 3,
        answeredFailures: 0,
        failingMs: 0,
        retryAt: NOW + 2000,
        isAsked: false,
      },
      refusals: 0,
      course: { kind: 'rest', why: 'connection', ms: 2000, askedMs: 0, failed: true },
    })
  })

  it('asked to wait: it rests for as long as the region says, well or not', () => {
    const conclusion = conclude(judged(transient('answered', 90_000)), row(), { ...circumstances, failingMs: 0 })
    expect(conclusion.course).toEqual({ kind: 'rest', why: 'region', ms: 90_000, askedMs: 90_000, failed: true })
  })

  it('asked to wait for less than its back-off: it rests for that, and may be woken after what was asked for', () => {
    const conclusion = conclude(judged(transient('answered', 1)), row({ attempts: 6 }), {
      ...circumstances,
      failingMs: 0,
    })
    expect(conclusion.course).toMatchObject({ kind: 'rest', why: 'region', ms: 32_000, askedMs: 1 })
  })

  it('not tried: nothing is written, no attempt is counted', () => {
    const conclusion = conclude(judged(transient('not_tried')), row(), { ...circumstances, failingMs: 0 })
    expect(conclusion).toMatchObject({
      settlement: undefined,
      course: { kind: 'rest', why: 'connection', ms: 750, failed: false },
    })
  })

  it.each(['circuit_open', 'region_down', 'unknown_region'])(
    '%s: it looks for its home now and then only',
    (reason) => {
      const judgement = { ...transient('not_tried'), reason }
      const { course } = conclude(judged(judgement), row(), { ...circumstances, failingMs: 0 })
      expect(course).toEqual({ kind: 'rest', why: 'connection', ms: 45_000, askedMs: 0, failed: false })
    },
  )

  it('not answered: only the end of an outage wakes it, not that others get through', () => {
    const conclusion = conclude(judged(transient('unanswered')), row(), { ...circumstances, failingMs: 0 })
    expect(conclusion.course).toMatchObject({ kind: 'rest', why: 'region' })
  })

  it('keeps how long a region has failed on it', () => {
    const first = conclude(judged(transient('answered')), row(), { ...circumstances, failingMs: 0 })
    expect(first.settlement).toMatchObject({ answeredFailures: 1, failingMs: 0 })
    const second = conclude(judged(transient('answered')), row({ answeredFailures: 1, failingMs: 5 }), {
      ...circumstances,
      failingMs: MINUTE,
    })
    expect(second.settlement).toMatchObject({ answeredFailures: 2, failingMs: MINUTE })
  })

  it.each([
    [7, 10 * MINUTE, { kind: 'dead', reason: 'poison' }],
    [7, 10 * MINUTE - 1, { kind: 'again' }],
    [6, 60 * MINUTE, { kind: 'again' }],
  ])('after %i failures over %i ms one more: %o', (answeredFailures, failingMs, end) => {
    const { settlement } = conclude(judged(transient('answered')), row({ answeredFailures }), {
      ...circumstances,
      failingMs,
    })
    expect(settlement).toMatchObject(end)
  })

  it('is not poison by failures to reach the region', () => {
    const worn = row({ answeredFailures: 7, failingMs: 60 * MINUTE })
    const { settlement } = conclude(judged(transient('unreachable')), worn, { ...circumstances, failingMs: MINUTE })
    expect(settlement).toMatchObject({ kind: 'again', answeredFailures: 7 })
  })

  it('stuck: it stays, and nothing more is sent until an operator says so', () => {
    const conclusion = conclude({ kind: 'stuck', reason: 'unknown_key' }, row(), { ...circumstances, failingMs: 0 })
    expect(conclusion).toMatchObject({ settlement: undefined, course: { kind: 'pause', reason: 'unknown_key' } })
  })
})

describe('what a first attempt means for the row it held', () => {
  it.each(['delivered', 'refused', 'transient'] as const)('%s: it is settled in any case', (kind) => {
    const judgements = {
      delivered: { kind: 'delivered' },
      refused: { kind: 'refused', reason: 'http_400' },
      transient: transient('answered'),
    } as const
    const kinds = { delivered: 'delivered', refused: 'dead', transient: 'again' }
    expect(concludeFirst(judgements[kind], circumstances).settlement.kind).toBe(kinds[kind])
  })

  it('was not tried: it is as if nothing had been sent', () => {
    expect(progressAfterFirst(transient('not_tried'), circumstances)).toEqual({
      attempts: 0,
      answeredFailures: 0,
      failingMs: 0,
      retryAt: 0,
      isAsked: false,
    })
  })

  it('failed: one attempt has been made', () => {
    expect(progressAfterFirst(transient('answered', 5000), circumstances)).toEqual({
      attempts: 1,
      answeredFailures: 1,
      failingMs: 0,
      retryAt: NOW + 5000,
      isAsked: true,
    })
  })
})
