import { describe, expect, it } from 'vitest'
import { ForwardedRequestError, rememberNonces, verifyForwarded } from '../../../src/region-kit/index.ts'
import { forwarded, keys, sentAt } from './forwarded-request.ts'

describe('remembered nonces', () => {
  it('outlive every signature that could carry them', () => {
    let now = sentAt - 300_000
    const seen = rememberNonces({ now: () => now })
    const refusal = () => {
      try {
        verifyForwarded(forwarded(), { keys, region: 'eu', seen, now: () => now })
        return undefined
      } catch (error) {
        return error instanceof ForwardedRequestError ? error.code : error
      }
    }
    expect(refusal()).toBeUndefined()
    now = sentAt + 300_999
    seen.add('another one, which makes room')
    expect(refusal()).toBe('replayed')
    now = sentAt + 301_000
    seen.add('and one more')
    expect(refusal()).toBe('stale')
  })

  it('are forgotten after that, so that memory is bounded by the rate of requests', () => {
    let now = 0
    const seen = rememberNonces({ now: () => now })
    for (let i = 0; i < 1000; i++) seen.add(`nonce ${i}`)
    now = 601_000
    seen.add('the last')
    const kept = Array.from({ length: 1000 }, (_, i) => seen.has(`nonce ${i}`)).filter(Boolean)
    expect(kept).toEqual([])
    expect(seen.has('the last')).toBe(true)
  })
})
