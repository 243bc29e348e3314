import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createTurnstile } from '../../src/turnstile.ts'

function turnstileOf(atATime: number) {
  const turnstile = createTurnstile(atATime)
  const through: number[] = []
  return {
    through,
    come: (...who: readonly number[]): void => {
      for (const one of who) {
        const turn = turnstile()
        if (turn === undefined) through.push(one)
        else void turn.then(() => through.push(one))
      }
    },
  }
}

describe('the turnstile', () => {
  it('lets so many through at once, and the others in the next turns of the event loop, in order', async () => {
    const { through, come } = turnstileOf(2)
    come(1, 2, 3, 4, 5)
    expect(through).toEqual([1, 2])
    await nextTurn()
    expect(through).toEqual([1, 2, 3, 4])
    await nextTurn()
    expect(through).toEqual([1, 2, 3, 4, 5])
  })

  it('counts those that it has kept waiting', async () => {
    const { through, come } = turnstileOf(2)
    come(1, 2, 3)
    await nextTurn()
    come(4, 5)
    expect(through).toEqual([1, 2, 3, 4])
  })

  it('has those that come later wait behind the others', async () => {
    const { through, come } = turnstileOf(2)
    come(1, 2, 3, 4, 5)
    await nextTurn()
    come(6)
    await nextTurn()
    expect(through).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('lets them through at once again in a new turn', async () => {
    const { through, come } = turnstileOf(2)
    come(1, 2)
    await nextTurn()
    come(3, 4, 5)
    expect(through).toEqual([1, 2, 3, 4])
  })
})
