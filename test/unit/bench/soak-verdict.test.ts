import { describe, expect, it } from 'vitest'
import { judgeSoak, type Soaked } from '../../../bench/soak-verdict.ts'

const seconds = (count: number, of: (second: number) => number): number[] =>
  Array.from({ length: count }, (_, second) => of(second))

const flat: Soaked = { rssMiB: seconds(600, () => 200), delaysMs: seconds(600, () => 3), errors: 0 }

function rss(of: (second: number) => number, settleSeconds?: number) {
  return judgeSoak({ ...flat, rssMiB: seconds(600, of) }, settleSeconds).rss
}

describe('a soak', () => {
  it('holds where memory stays, nothing stalls and nothing fails', () => {
    expect(judgeSoak(flat)).toMatchObject({ holds: true, rss: { referenceMiB: 200, worst: 0 } })
  })

  it('may take what it wants in its first minute', () => {
    expect(rss((second) => (second < 60 ? second : 200)).holds).toBe(true)
    expect(rss((second) => (second < 61 ? second : 200)).holds).toBe(false)
    expect(rss((second) => (second < 20 ? second : 200), 20).holds).toBe(true)
  })

  it('may move within 5 % afterwards, up and down', () => {
    expect(rss((second) => [189.9, 200, 209.9][second % 3]!).holds).toBe(false)
    expect(rss((second) => [190.1, 200, 210.1][second % 3]!).holds).toBe(false)
    expect(rss((second) => [190.1, 200, 209.9][second % 3]!).holds).toBe(true)
  })

  it('does not hold for one second outside of it, which it tells of', () => {
    const low = rss((second) => (second === 599 ? 189 : 200))
    expect(low).toMatchObject({ holds: false, worstMiB: 189 })
    expect(low.worst).toBeCloseTo(-0.055)
    expect(rss((second) => (second === 300 ? 211 : 200))).toMatchObject({ holds: false, worstMiB: 211 })
  })

  it('does not let a slow leak through that is within 5 % of its own middle', () => {
    expect(rss((second) => 200 + (16 * second) / 600).holds).toBe(false)
  })

  it('is not misled by the one second with which the settled time begins', () => {
    expect(rss((second) => (second === 60 ? 192 : 200))).toMatchObject({ holds: true, referenceMiB: 200 })
  })

  it('does not hold when too little was measured', () => {
    expect(judgeSoak({ ...flat, rssMiB: seconds(90, () => 200) }).holds).toBe(false)
    expect(judgeSoak({ ...flat, delaysMs: [] }).holds).toBe(false)
    expect(judgeSoak({ ...flat, rssMiB: seconds(600, () => Number.NaN) }).holds).toBe(false)
    expect(judgeSoak({ ...flat, delaysMs: [3, Number.NaN] }).holds).toBe(false)
  })

  it('does not hold for a stall of more than 50 ms in any second', () => {
    const stalled = (ms: number) => judgeSoak({ ...flat, delaysMs: seconds(600, (second) => (second === 2 ? ms : 1)) })
    expect(stalled(50).holds).toBe(true)
    expect(stalled(50.1)).toMatchObject({ holds: false, stalls: { longestMs: 50.1, count: 1 } })
  })

  it('does not hold for a single error', () => {
    expect(judgeSoak({ ...flat, errors: 1 })).toMatchObject({ holds: false, errors: { count: 1 } })
  })
})
