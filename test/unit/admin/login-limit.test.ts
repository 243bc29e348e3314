import { describe, expect, it } from 'vitest'
import { createLoginLimit } from '../../../src/admin/login-limit.ts'
import { createManualClock } from '../../support/manual-clock.ts'

function setUp() {
  const clock = createManualClock()
  const limit = createLoginLimit(clock)
  /** Takes tries until one is refused; returns how many there were. */
  const triesOf = (address: string): number => {
    for (let tries = 0; ; tries++) if (limit.take(address) > 0) return tries
  }
  return { clock, limit, triesOf }
}

describe('an address that tries tokens', () => {
  it('has 10 tries, and one more each 6 s', () => {
    const { clock, limit, triesOf } = setUp()
    expect(triesOf('192.0.2.1')).toBe(10)
    expect(limit.take('192.0.2.1')).toBe(6000)
    clock.advance(5999)
    expect(limit.take('192.0.2.1')).toBe(1)
    clock.advance(1)
    expect(triesOf('192.0.2.1')).toBe(1)
    clock.advance(3_600_000)
    expect(triesOf('192.0.2.1')).toBe(10)
  })

  it('pays nothing for what is refused', () => {
    const { clock, limit, triesOf } = setUp()
    triesOf('192.0.2.1')
    for (let again = 0; again < 100; again++) limit.take('192.0.2.1')
    clock.advance(6000)
    expect(limit.take('192.0.2.1')).toBe(0)
  })

  it('takes no try away from any other', () => {
    const { triesOf } = setUp()
    triesOf('192.0.2.1')
    expect(triesOf('192.0.2.2')).toBe(10)
    expect(triesOf('2001:db8::1')).toBe(10)
  })

  it('is one with all of its IPv6 network', () => {
    const { limit, triesOf } = setUp()
    triesOf('2001:db8:0:1::1')
    expect(limit.take('2001:db8:0:1:ffff:ffff:ffff:ffff')).toBeGreaterThan(0)
    expect(limit.take('2001:db8::1:0:0:0:2')).toBeGreaterThan(0)
    expect(triesOf('2001:db8:0:2::1')).toBe(10)
    expect(triesOf('::1')).toBe(10)
  })

  it('has all of them again when it has brought the right one', () => {
    const { limit, triesOf } = setUp()
    for (let wrong = 0; wrong < 9; wrong++) limit.take('192.0.2.1')
    limit.forget('192.0.2.1')
    expect(triesOf('192.0.2.1')).toBe(10)
  })

  it('is forgotten when a thousand others have tried since, and not before', () => {
    const { limit, triesOf } = setUp()
    triesOf('192.0.2.1')
    for (let other = 0; other < 999; other++) limit.take(`10.0.${other >> 8}.${other & 255}`)
    expect(limit.take('192.0.2.1')).toBeGreaterThan(0)
    limit.take('198.51.100.1')
    expect(triesOf('192.0.2.1')).toBe(10)
  })
})
