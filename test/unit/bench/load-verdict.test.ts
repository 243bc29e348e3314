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
      ratios: [1.3, 9, 1],
      verdict: 'holds',
    })
    expect(judgeLoad([round(1.31)], [round(1)]).verdict).toBe('FAILS')
  })

  it.each([
    ['the one', 999, 1000],
    ['the other', 1000, 999],
  ])('fails when %s has not given a good answer to all in a round, however fast the others came', (_, one, other) => {
    const rounds = (accepted: number): LoadRound[] => [round(1), round(1, { accepted }), round(1)]
    expect(judgeLoad(rounds(one), rounds(other)).verdict).toBe('FAILS')
  })

  it.each([
    ['the one', 1.1, 0],
    ['the other', 0, 1.1],
  ])('is not judged when the load generator fell behind with %s in a round', (_, one, other) => {
    const rounds = (lag: number): LoadRound[] => [round(1), round(1, { lag }), round(1)]
    expect(judgeLoad(rounds(one), rounds(other)).verdict).toBe('not judged: behind')
  })

  it('is not judged beside one that did not keep up', () => {
    const rounds = [round(1), round(400, { waited: 11 }), round(1)]
    expect(judgeLoad([round(1), round(1), round(1)], rounds).verdict).toBe('not judged: overloaded')
    expect(judgeLoad(rounds, [round(1), round(1), round(1)]).verdict).toBe('holds')
    expect(judgeLoad([round(1)], [round(1, { waited: 10 })]).verdict).toBe('holds')
  })

  it('fails where nothing was measured', () => {
    expect(judgeLoad([], []).verdict).toBe('FAILS')
  })
})
