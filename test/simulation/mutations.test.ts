import { describe, expect, it } from 'vitest'
import type { MutationName } from './mutations.ts'
import { runInThreads } from './run-in-threads.ts'

/** A gateway broken in one place, and which of the things that always hold must then be seen not to. */
const broken: readonly (readonly [what: string, mutation: MutationName, seen: readonly string[]])[] = [
  ['says it has stored what it has not', 'forgets_rows', ['lost']],
  ['lets what has failed go without a word', 'drops_what_fails', ['lost']],
  ['puts what has failed behind what came after it', 'loses_its_place', ['out of order']],
  ['puts what has moved behind what waits there', 'moves_to_the_end', ['out of order']],
  [
    'sends what waits to where its organizations lived',
    'remembers_homes',
    ['sent to a former home', 'sent while held'],
  ],
  ['sends what waits before what is still to follow', 'forgets_former_homes', ['out of order']],
  ['has the same identity as another', 'one_identity', ['two at once', 'out of order', 'waits for ever']],
  ['never writes down that something was delivered', 'forgets_endings', ['waits for ever']],
  ['never hears that the store has failed', 'never_gives_up', ['late', 'waits for ever']],
  ['does what comes again once more', 'forgets_duplicates', ['repeated call']],
  ['asks any region again', 'asks_again', ['carried out twice']],
  ['does not write down that it is about to post', 'forgets_posting', ['two answers']],
  ['does not write down what it owes', 'forgets_debts', ['no late answer']],
]

describe('the simulation finds out a gateway that', () => {
  it.each(broken)('%s', { timeout: 120_000 }, async (_, mutation, seen) => {
    const { failed } = await runInThreads({ first: 1, count: 5000, mutation, tell: false }, 1)
    expect(seen).toContain(failed?.failures[0]?.broken)
  })
})

describe('the simulation', () => {
  it('tells the same story of a seed each time', { timeout: 120_000 }, async () => {
    const order = { first: 42, count: 1, mutation: undefined, tell: true }
    const once = await runInThreads(order, 1)
    expect(once.failed?.trace.length).toBeGreaterThan(10)
    expect(await runInThreads(order, 1)).toEqual(once)
  })
})
