import { describe, expect, it } from 'vitest'
import { createLatencies } from '../../../src/dispatch/latency.ts'

function after(...took: number[]) {
  const latencies = createLatencies()
  for (const ms of took) latencies.took(ms)
  return latencies.read()
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

describe('the latency of a region', () => {
  it('is not known before its first answer', () => {
    expect(after()).toBeUndefined()
  })

  it('is that of its only answer', () => {
    expect(after(7)).toEqual({ p50: 7, p99: 7, of: 1 })
  })

  it('has half of the answers within p50 and all but one in a hundred within p99, in whatever order they came', () => {
    expect(after(...upTo(100).toReversed())).toEqual({ p50: 50, p99: 99, of: 100 })
  })

  it('is that of the last 256 answers', () => {
    expect(after(...upTo(1000))).toEqual({ p50: 744 + 128, p99: 744 + 254, of: 256 })
  })
})
