import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createTurnstile } from '../../src/turnstile.ts'
import { createManualClock } from '../support/manual-clock.ts'

function turnstile({ takesMs = 0 } = {}) {
  let takes = takesMs
  const clock = createManualClock()
  const comeTo = createTurnstile(clock)
  const through: number[] = []
  const goOn = (one: number): void => {
    through.push(one)
    clock.advance(takes)
  }
  return {
    through,
    takes: (ms: number): void => void (takes = ms),
    come: (from: number, to: number): void => {
      for (let one = from; one <= to; one++) {
        const turn = comeTo()
        if (turn === undefined) goOn(one)
        else void turn.then(() => goOn(one))
      }
    },
  }
}
const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1)

describe('the turnstile', () => {
  it('lets eight through at once, and as many in each of the next turns of the event loop, in order', async () => {
    const { through, come } = turnstile()
    come(1, 20)
    expect(through).toEqual(upTo(8))
    await nextTurn()
    expect(through).toEqual(upTo(16))
    await nextTurn()
    expect(through).toEqual(upTo(20))
  })

  it.each([
    ['a quarter of a millisecond', 0.25, [8, 16, 20, 24]],
    ['three', 3, [8, 16, 17, 18]],
  ])('lets fewer through once those of a turn have taken %s each', async (_, takesMs, through) => {
    const turns = turnstile({ takesMs })
    turns.come(1, 30)
    for (const last of through) {
      expect(turns.through).toEqual(upTo(last))
      await nextTurn()
    }
  })

  it('lets as many through as before once they take less again', async () => {
    const { through, come, takes } = turnstile({ takesMs: 3 })
    come(1, 40)
    await nextTurn()
    takes(0)
    await nextTurn()
    await nextTurn()
    expect(through).toEqual(upTo(25))
  })

  it('counts those that it has kept waiting', async () => {
    const { through, come } = turnstile()
    come(1, 9)
    await nextTurn()
    come(10, 17)
    expect(through).toEqual(upTo(16))
  })

  it('has those that come later wait behind the others', async () => {
    const { through, come } = turnstile()
    come(1, 17)
    await nextTurn()
    come(18, 18)
    await nextTurn()
    expect(through).toEqual(upTo(18))
  })

  it('has them wait there, too, where more may go through than before', async () => {
    const { through, come, takes } = turnstile({ takesMs: 3 })
    come(1, 40)
    await nextTurn()
    takes(0)
    await nextTurn()
    come(41, 41)
    expect(through).toEqual(upTo(17))
  })

  it('lets them through at once again in a new turn', async () => {
    const { through, come } = turnstile()
    come(1, 8)
    await nextTurn()
    come(9, 17)
    expect(through).toEqual(upTo(16))
  })
})
