import { describe, expect, it } from 'vitest'
import { judgeScale } from '../../../bench/scale-verdict.ts'

describe('what a directory costs beside the smallest', () => {
  it('holds while the median of the rounds is at most 1.1 × the smallest', () => {
    expect(judgeScale([1.1, 2, 0.5], [1])).toEqual({ median: 1.1, atMost: 1.1, verdict: 'holds' })
    expect(judgeScale([1.11], [1])).toMatchObject({ verdict: 'FAILS' })
  })

  it.each([1.11, 0.9, Number.NaN])('is not judged where an equal one costs %d × the smallest', (equal) => {
    expect(judgeScale([1], [equal])).toEqual({ median: 1, atMost: 1.1, verdict: 'not judged' })
    expect(judgeScale([2], [equal]).verdict).toBe('not judged')
  })

  it.each([1.1, 0.92])('is judged where an equal one costs %d × the smallest', (equal) => {
    expect(judgeScale([1], [equal]).verdict).toBe('holds')
  })
})
