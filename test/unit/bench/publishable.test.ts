import { describe, expect, it } from 'vitest'
import { requirePublishable as requireLoad } from '../../../bench/load.ts'
import { requirePublishable as requireRatios } from '../../../bench/ratios.ts'
import { UsageError } from '../../../bench/rounds.ts'

const asked = { rounds: 7, seconds: 4, warmUpSeconds: 10, json: false, quick: false }

describe('what may be published', () => {
  it('is many rounds that are long enough', () => {
    expect(() => requireRatios({ ...asked, seconds: 3 })).not.toThrow()
    expect(() => requireLoad({ ...asked, rounds: 3 })).not.toThrow()
  })

  it.each([{ quick: true }, { rounds: 6 }, { seconds: 2 }, { only: 'bare' }, { regions: '1' }, { profile: 'folder' }])(
    'is no ratio table of %j',
    (otherwise) => {
      expect(() => requireRatios({ ...asked, ...otherwise })).toThrow(UsageError)
    },
  )

  it.each([{ quick: true }, { rounds: 2 }, { seconds: 3 }])('is no latency of %j', (otherwise) => {
    expect(() => requireLoad({ ...asked, ...otherwise })).toThrow(UsageError)
  })
})
