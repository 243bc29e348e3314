import { describe, expect, it } from 'vitest'
import { UsageError } from '../../../bench/rounds.ts'
import { askedTooOften, delaysWithin, judgeSoak, nearest, type Soaked } from '../../../bench/soak-verdict.ts'
import { benchSoak } from '../../../bench/soak.ts'

const seconds = (count: number, of: (second: number) => number): number[] =>
  Array.from({ length: count }, (_, second) => of(second))

const delay = (ms: number) => ({ longestMs: ms, onCoreMs: ms, inLineMs: 0 })
const flat: Soaked = { rssMiB: seconds(600, () => 200), delays: seconds(600, () => 3).map(delay), errors: 0 }

function rss(of: (second: number) => number, count = 600) {
  return judgeSoak({ ...flat, rssMiB: seconds(count, of) }).rss
}

describe('a soak', () => {
  it('holds where memory stays, nothing stalls and nothing fails', () => {
    expect(judgeSoak(flat)).toEqual({
      rss: { verdict: 'holds', referenceMiB: 200, worstMiB: 200, worst: 0 },
      stalls: { verdict: 'holds', longestMs: 3, onCoreMs: 3, inLineMs: 0, count: 0 },
      errors: { verdict: 'holds', count: 0 },
    })
  })

  it('may take what it wants in its first minute', () => {
    expect(rss((second) => (second < 60 ? second : 200)).verdict).toBe('holds')
    expect(rss((second) => (second < 61 ? second : 200)).verdict).toBe('FAILS')
  })

  it('may move within 5 % afterwards, up and down', () => {
    expect(rss((second) => [189.9, 200, 209.9][second % 3]!).verdict).toBe('FAILS')
    expect(rss((second) => [190.1, 200, 210.1][second % 3]!).verdict).toBe('FAILS')
    expect(rss((second) => [190.1, 200, 209.9][second % 3]!).verdict).toBe('holds')
  })

  it('does not hold for one second outside of it, which it tells of', () => {
    const low = rss((second) => (second === 599 ? 189 : 200))
    expect(low).toMatchObject({ verdict: 'FAILS', worstMiB: 189 })
    expect(low.worst).toBeCloseTo(-0.055)
    expect(rss((second) => (second === 300 ? 211 : 200))).toMatchObject({ verdict: 'FAILS', worstMiB: 211 })
  })

  it('does not let a slow leak through that is within 5 % of its own middle', () => {
    expect(rss((second) => 200 + (16 * second) / 600).verdict).toBe('FAILS')
  })

  it('is not misled by the one second with which the settled time begins', () => {
    expect(rss((second) => (second === 60 ? 192 : 200))).toMatchObject({ verdict: 'holds', referenceMiB: 200 })
  })

  it('says nothing of memory before there is a second to compare with the first half minute that counts', () => {
    expect(rss(() => 200, 90).verdict).toBe('not judged')
    expect(rss(() => 200, 91).verdict).toBe('holds')
  })

  it('does not hold for what was not measured', () => {
    expect(rss(() => Number.NaN).verdict).toBe('FAILS')
    expect(rss((second) => (second === 300 ? Number.NaN : 200)).verdict).toBe('FAILS')
    expect(judgeSoak({ ...flat, delays: [] }).stalls.verdict).toBe('FAILS')
    expect(judgeSoak({ ...flat, delays: [3, Number.NaN].map(delay) }).stalls.verdict).toBe('FAILS')
  })

  it('does not hold for a stall of more than 50 ms in any second', () => {
    const stalls = (ms: number) =>
      judgeSoak({ ...flat, delays: seconds(600, (second) => (second === 2 ? ms : 1)).map(delay) }).stalls
    expect(stalls(50).verdict).toBe('holds')
    expect(stalls(50.1)).toMatchObject({ verdict: 'FAILS', longestMs: 50.1, count: 1 })
  })

  it('answers for the time without a core as well, and tells how much of the longest delay it was', () => {
    const longest = { longestMs: 400, onCoreMs: 15, inLineMs: 380 }
    const delays = [...flat.delays, longest, { longestMs: 60, onCoreMs: 50, inLineMs: 10 }]
    expect(judgeSoak({ ...flat, delays }).stalls).toEqual({ verdict: 'FAILS', ...longest, count: 2 })
  })

  it('does not hold for a single error', () => {
    expect(judgeSoak({ ...flat, errors: 1 }).errors).toEqual({ verdict: 'FAILS', count: 1 })
  })
})

describe('the regions of a soak', () => {
  it('are asked what was sent: commands the first of them only, clicks all', () => {
    const sent = { commands: 75, clicks: 25 }
    expect(askedTooOften([100, 25, 25], sent)).toEqual([0, 0, 0])
    expect(askedTooOften([101, 25, 23], sent)).toEqual([1, 0, -2])
  })
})

describe('the delays of a soak', () => {
  const written = [1000, 2000, 3000, 4000].map((at) => ({ at, longestMs: at / 1000, onCoreMs: 0, inLineMs: 0 }))
  const longest = (begunAt: number, endedAt: number) =>
    delaysWithin(written, { begunAt, endedAt }).map(({ longestMs }) => longestMs)

  it('are those under load, of the parts of a second with which it begins and ends too', () => {
    expect(longest(1500, 2500)).toEqual([2, 3])
    expect(longest(1000, 3000)).toEqual([2, 3])
  })

  it('are not known where the last was never written', () => {
    expect(longest(2500, 4001)).toEqual([3, 4, Number.NaN])
    expect(judgeSoak({ ...flat, delays: delaysWithin([], { begunAt: 0, endedAt: 1 }) }).stalls.verdict).toBe('FAILS')
  })

  it('are paired by time with what was looked at by another clock', () => {
    const looks = [1400, 2450, 3600].map((at) => ({ at }))
    expect(written.map(({ at }) => nearest(looks, at)?.at)).toEqual([1400, 2450, 2450, 3600])
    expect(nearest([], 1000)).toBeUndefined()
  })
})

describe('what a soak is asked', () => {
  it.each(['--rate=abc', '--rate=0', '--minutes=-1', '--minutes=0.5', '--minutes='])('is not %s', async (option) => {
    await expect(benchSoak([option])).rejects.toThrow(UsageError)
  })
})
