import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Outcome, RegionResult, Wins } from '../../../src/dispatch/region-result.ts'
import { toAll } from '../../../src/dispatch/to-all.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { answered, failed, refused, timedOut } from './results.ts'

/** Calls to these regions that end when, and as, told. */
function ask(
  regions: readonly string[],
  { wins = 'reply', preferBodyForMs = 0 }: { wins?: Wins; preferBodyForMs?: number } = {},
) {
  const clock = createManualClock()
  const calls = regions.map(() => Promise.withResolvers<RegionResult>())
  let outcome: Outcome | undefined
  const deciding = toAll(
    calls.map((call) => call.promise),
    { wins, preferBodyForMs, clock },
  )
  const seen = deciding.then((result) => (outcome = result))
  return {
    clock,
    seen,
    /** Ends one call; everything that follows from it has happened when this resolves. */
    async end(result: RegionResult) {
      calls[regions.indexOf(result.region)]?.resolve(result)
      await turn()
    },
    fail: (region: string, error: Error) => calls[regions.indexOf(region)]?.reject(error),
    outcome: () => outcome,
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('asking all regions at once', () => {
  it.each([200, 204, 299])('is answered by the first %i, while the others go on', async (status) => {
    const asked = ask(['us', 'eu'])
    await asked.end(answered('eu', status))
    expect(asked.outcome()).toMatchObject({ kind: 'won', winner: { region: 'eu' } })
  })

  it.each([failed('us'), refused('us'), answered('us', 404), answered('us', 302), answered('us', 199)])(
    'waits behind a fast $kind for a 2xx',
    async (fast) => {
      const asked = ask(['us', 'eu'])
      await asked.end(fast)
      expect(asked.outcome()).toBeUndefined()
      await asked.end(answered('eu', 200, 'slow'))
      expect(asked.outcome()).toMatchObject({ winner: { region: 'eu' } })
    },
  )

  it('takes the first 3xx or 4xx in region order, not the first to arrive', async () => {
    const asked = ask(['us', 'eu', 'ap'])
    await asked.end(answered('ap', 410))
    await asked.end(answered('eu', 302))
    await asked.end(failed('us'))
    expect(asked.outcome()).toEqual({ kind: 'won', winner: answered('eu', 302) })
  })

  it('is lost without a 2xx where only a success wins, with a result for each region', async () => {
    const asked = ask(['us', 'eu'], { wins: 'success' })
    await asked.end(answered('eu', 404))
    await asked.end(failed('us'))
    expect(asked.outcome()).toEqual({ kind: 'lost', results: [failed('us'), answered('eu', 404)] })
  })

  it('is lost when nothing but failures came, with a result for each region', async () => {
    const asked = ask(['us', 'eu', 'ap'])
    await asked.end(timedOut('eu'))
    await asked.end(refused('ap'))
    expect(asked.outcome()).toBeUndefined()
    await asked.end(failed('us'))
    expect(asked.outcome()).toEqual({ kind: 'lost', results: [failed('us'), timedOut('eu'), refused('ap')] })
  })

  it('raises what is wrong with the gateway itself, and nothing stays unhandled', async () => {
    const asked = ask(['us', 'eu'])
    asked.fail('us', new Error('a bug'))
    await expect(asked.seen).rejects.toThrow('a bug')
  })

  describe('where an empty 2xx waits for one with a body', () => {
    it('lets a body that comes within the wait win', async () => {
      const asked = ask(['us', 'eu'], { preferBodyForMs: 250 })
      await asked.end(answered('us'))
      asked.clock.advance(249)
      await turn()
      expect(asked.outcome()).toBeUndefined()
      await asked.end(answered('eu', 200, '{"response_action":"errors"}'))
      expect(asked.outcome()).toMatchObject({ winner: { region: 'eu' } })
      expect(asked.clock.pending()).toBe(0)
    })

    it('lets the empty one win when the wait is over', async () => {
      const asked = ask(['us', 'eu'], { preferBodyForMs: 250 })
      await asked.end(answered('us'))
      asked.clock.advance(250)
      await turn()
      expect(asked.outcome()).toMatchObject({ winner: { region: 'us' } })
      await asked.end(answered('eu', 200, 'too late'))
      expect(asked.outcome()).toMatchObject({ winner: { region: 'us' } })
    })

    it('counts the wait from the first empty one', async () => {
      const asked = ask(['us', 'eu', 'ap'], { preferBodyForMs: 250 })
      await asked.end(answered('us'))
      asked.clock.advance(200)
      await asked.end(answered('eu'))
      asked.clock.advance(50)
      await turn()
      expect(asked.outcome()).toMatchObject({ winner: { region: 'us' } })
      expect(asked.clock.pending()).toBe(0)
    })

    it('lets the empty one win at once when no other can answer any more', async () => {
      const asked = ask(['us', 'eu'], { preferBodyForMs: 250 })
      await asked.end(answered('us'))
      await asked.end(answered('eu', 404, 'not mine'))
      expect(asked.outcome()).toMatchObject({ winner: { region: 'us' } })
      expect(asked.clock.pending()).toBe(0)
    })

    it('does not wait behind a body', async () => {
      const asked = ask(['us', 'eu'], { preferBodyForMs: 250 })
      await asked.end(answered('eu', 200, 'x'))
      expect(asked.outcome()).toMatchObject({ winner: { region: 'eu' } })
      expect(asked.clock.pending()).toBe(0)
    })

    it('does not take an empty 404 for an answer', async () => {
      const asked = ask(['us', 'eu'], { preferBodyForMs: 250 })
      await asked.end(answered('us', 404))
      expect(asked.clock.pending()).toBe(0)
    })
  })

  it('decides by this rule alone, in whatever order the regions end', async () => {
    const ending = fc.constantFrom(
      (region: string) => answered(region),
      (region: string) => answered(region, 201, 'x'),
      (region: string) => answered(region, 302),
      (region: string) => answered(region, 404, 'x'),
      failed,
      timedOut,
      refused,
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ ending, rank: fc.nat() }), { minLength: 1, maxLength: 5 }),
        async (planned) => {
          const results = planned.map(({ ending: end }, index) => end(`r${index}`))
          const arrivals = results
            .map((result, index) => ({ result, rank: planned[index]?.rank ?? 0 }))
            .sort((a, b) => a.rank - b.rank)
            .map(({ result }) => result)
          const asked = ask(results.map(({ region }) => region))
          for (const result of arrivals) await asked.end(result)

          const below = (limit: number) => (result: RegionResult) =>
            result.kind === 'answered' && result.reply.status < limit
          const winner = arrivals.find(below(300)) ?? results.find(below(500))
          expect(asked.outcome()).toMatchObject(
            winner === undefined ? { kind: 'lost', results } : { kind: 'won', winner },
          )
        },
      ),
      { numRuns: 60 },
    )
  })
})
