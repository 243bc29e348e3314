import { describe, expect, it } from 'vitest'
import { answersOf, judgeAnswers } from '../../../bench/fanout-verdict.ts'

const all = (ms: number) => ({ p50: ms, p99: ms, p999: ms, longest: ms })
const asked = (ms: number, lag = 0.1) => ({ latencyMs: all(ms), lagMs: { ...all(9), p50: lag } })
const round = (gatewayMs: number, lags: { region?: number; gateway?: number } = {}) =>
  answersOf({ region: asked(1, lags.region), gateway: asked(gatewayMs, lags.gateway) })

describe('the answer of several regions', () => {
  it('holds while it is there at most 1 ms after the fastest, in the median of the rounds', () => {
    expect(judgeAnswers([round(2), round(9), round(1.5)])).toEqual({
      afterMs: [1, 8, 0.5],
      after: { median: 1, atMost: 1, verdict: 'holds' },
    })
    expect(judgeAnswers([round(2.1)]).after.verdict).toBe('FAILS')
  })

  it.each([
    ['the region by itself was asked', { region: 0.21 }],
    ['the gateway was', { gateway: 0.21 }],
    ['nothing left for the region', { region: Number.NaN }],
    ['nothing left for the gateway', { gateway: Number.NaN }],
  ])('is not judged where the load generator was late in a round when %s', (_, lags) => {
    const rounds = [round(1.5), round(1.5, lags), round(1.5)]
    expect(judgeAnswers(rounds)).toMatchObject({ afterMs: [0.5, 0.5, 0.5], after: { verdict: 'not judged: behind' } })
  })

  it('fails where nothing was measured', () => {
    expect(judgeAnswers([]).after.verdict).toBe('FAILS')
  })
})
