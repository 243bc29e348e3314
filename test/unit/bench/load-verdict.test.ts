import { describe, expect, it } from 'vitest'
import { judgeLoad, type LoadRound } from '../../../bench/load-verdict.ts'

const all = (ms: number) => ({ p50: ms, p99: ms, p999: ms, longest: ms })
const round = (p99: number, { accepted = 1000, lag = 0.1, waited = 0 } = {}): LoadRound => ({
  sentPerSecond: 100,
  perSecond: 100,
  due: 1000,
  counted: 1000,
  accepted,
  latencyMs: all(p99),
  lagMs: all(lag),
  waited,
})

describe('latency under load', () => {
  it('holds while the median of the rounds is at most 1.3 × the other', () => {
    expect(judgeLoad([round(1.3), round(9), round(1)], [round(1), round(1), round(1)])).toEqual({
      rounds: [1.3, 9, 1].map((ratio) => ({ ratio, leftOut: null })),
      median: 1.3,
      verdict: 'holds',
    })
    expect(judgeLoad([round(1.31)], [round(1)]).verdict).toBe('FAILS')
  })

  it('fails when the one has not given a good answer to all in a round, however fast the others came', () => {
    expect(judgeLoad([round(1), round(1, { accepted: 999 }), round(1)], [round(1), round(1), round(1)]).verdict).toBe(
      'FAILS',
    )
  })

  it.each([
    ['the generator fell behind with the one', { lag: 1.1 }, {}, 'generator behind'],
    ['the generator fell behind with the other', {}, { lag: 1.1 }, 'generator behind'],
    ['the other did not keep up', {}, { waited: 11 }, 'other overloaded'],
    ['the other has not given a good answer to all', {}, { accepted: 999 }, 'other overloaded'],
  ])('is judged without rounds in which %s', (_, one, other, leftOut) => {
    const of = (p99: number, how: object): LoadRound[] => [round(p99, how), round(1), round(1)]
    expect(judgeLoad(of(1, one), of(9, other))).toEqual({
      rounds: [
        { ratio: 1 / 9, leftOut },
        { ratio: 1, leftOut: null },
        { ratio: 1, leftOut: null },
      ],
      median: 1,
      verdict: 'holds',
    })
  })

  it('is judged by more than half of the rounds', () => {
    const [good, late] = [round(1), round(1, { lag: 1.1 })]
    const others = [good, good, good, good]
    expect(judgeLoad([good, good, good, late], others).verdict).toBe('holds')
    expect(judgeLoad([good, good, late, late], others).verdict).toBe('not judged')
    expect(judgeLoad([late], [good])).toMatchObject({ median: Number.NaN, verdict: 'not judged' })
  })

  it('has the rounds in which the one did not keep up: that is its fault', () => {
    const slow = round(400, { waited: 11 })
    expect(judgeLoad([slow, slow, round(1)], [round(1), round(1), round(1)])).toMatchObject({
      median: 400,
      verdict: 'FAILS',
    })
    expect(judgeLoad([round(1)], [round(1, { waited: 10 })]).verdict).toBe('holds')
  })

  it('fails where nothing was measured', () => {
    expect(judgeLoad([], []).verdict).toBe('FAILS')
  })
})
