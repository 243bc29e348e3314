import { describe, expect, it } from 'vitest'
import type { MutationName } from './mutations.ts'
import { runInThreads } from './run-in-threads.ts'

/** Which of the things that always hold must be seen not to, when the gateway is broken in one place. */
const breaks: Record<MutationName, readonly string[]> = {
  forgets_rows: ['lost'],
  loses_its_place: ['out of order'],
  forgets_posting: ['two answers'],
  one_identity: ['two at once', 'out of order'],
  forgets_duplicates: ['repeated call'],
  asks_again: ['carried out twice'],
  never_gives_up: ['late', 'waits for ever'],
  forgets_debts: ['no late answer'],
  forgets_endings: ['waits for ever'],
  drops_what_fails: ['lost'],
}

describe('the simulation can fail', () => {
  it.each(Object.entries(breaks) as [MutationName, readonly string[]][])(
    '%s: found out',
    { timeout: 120_000 },
    async (mutation, broken) => {
      const { failed } = await runInThreads({ first: 1, count: 5000, mutation, tell: false }, 1)
      expect(broken).toContain(failed?.failures[0]?.broken)
    },
  )
})
