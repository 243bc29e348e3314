import { afterEach, describe, expect, it, vi } from 'vitest'
import { requireTwoCores } from '../../../bench/pin.ts'

afterEach(() => vi.unstubAllEnvs())

describe('before processes are kept on cores of their own', () => {
  it('there must be a taskset', () => {
    vi.stubEnv('PATH', '/nowhere')
    expect(requireTwoCores).toThrow('taskset is not installed: apt-get install util-linux')
  })
})
