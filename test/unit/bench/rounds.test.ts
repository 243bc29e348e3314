import { describe, expect, it } from 'vitest'
import { inTurn, roundsAsked, UsageError } from '../../../bench/rounds.ts'

const usual = { rounds: 7, seconds: 3 }

describe('what a bench in rounds is asked', () => {
  it('is its own rounds, or a few short ones', () => {
    expect(roundsAsked([], usual)).toMatchObject({ rounds: 7, seconds: 3, quick: false, json: false })
    expect(roundsAsked(['--quick'], usual)).toMatchObject({ rounds: 2, seconds: 1, quick: true })
    expect(roundsAsked(['--rounds', '9', '--seconds', '10', '--quick'], usual)).toMatchObject({
      rounds: 9,
      seconds: 10,
    })
  })

  it('may be something that only one bench knows', () => {
    const own = { only: { type: 'string' }, plot: { type: 'boolean' } } as const
    expect(roundsAsked(['--only', 'bare', '--plot'], usual, own)).toMatchObject({ only: 'bare', plot: true })
    expect(() => roundsAsked(['--plot'], usual)).toThrow(
      expect.objectContaining({ code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' }),
    )
  })

  it('is no seconds where its rounds last as long as they take', () => {
    expect(() => roundsAsked(['--seconds', '3'], { rounds: 7 })).toThrow(new UsageError('This bench has no --seconds'))
  })

  it.each(['0', '-1', '1.5', '2s', '', '123456789'])('is not %j rounds or seconds', (text) => {
    for (const option of ['--rounds', '--seconds']) {
      expect(() => roundsAsked([`${option}=${text}`], usual)).toThrow(UsageError)
      expect(() => roundsAsked([`${option}=${text}`], usual)).toThrow(`${option} takes a whole number above 0`)
    }
  })
})

describe('those who take turns', () => {
  it('begin with another one each round', () => {
    expect([0, 1, 2, 3].map((round) => inTurn(['a', 'b', 'c'], round).join(''))).toEqual(['abc', 'bca', 'cab', 'abc'])
  })
})
