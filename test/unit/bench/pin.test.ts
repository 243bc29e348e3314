import { afterEach, describe, expect, it, vi } from 'vitest'
import { requirePinning } from '../../../bench/pin.ts'

afterEach(() => vi.unstubAllEnvs())

describe('before processes are kept on cores of their own', () => {
  it('there must be two cores', () => {
    expect(() => requirePinning(1)).toThrow('This machine has fewer than 2 cores')
  })

  it('there must be a taskset', () => {
    vi.stubEnv('PATH', '/nowhere')
    expect(() => requirePinning(2)).toThrow('taskset is not installed: apt-get install util-linux')
  })
})
