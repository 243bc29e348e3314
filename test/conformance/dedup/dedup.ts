import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import type { Dedup, Handled, Once } from '../../../src/dedup/dedup.ts'
import type { Reply } from '../../../src/provider.ts'

const KiB = 1024
export type Remember = 'status' | 'answer' | 'nothing'

export const reply = (body: string | Buffer, status = 200): Reply => ({
  status,
  rawHeaders: ['Content-Type', 'text/plain'],
  body: Buffer.from(body),
})

/** A request that comes now, with as much time as Slack gives. */
export const request = (key: string, remember: Remember, budgetMs = 2500) => ({
  key,
  remember,
  startedAt: systemClock.monotonic(),
  deadline: systemClock.monotonic() + budgetMs,
})

/** What whoever sent it hears; undefined: that all is well. */
export function answerOf(once: Once<Handled>): Reply | 'undecided' | undefined {
  if (once.kind === 'undecided') return 'undecided'
  return once.kind === 'stored' ? once.reply : once.done.reply
}

/** Work that ends when it is told to, and says when it has begun. */
export function createWork() {
  const begun = Promise.withResolvers<void>()
  const end = Promise.withResolvers<Handled>()
  const work = { runs: 0 }
  return Object.assign(work, {
    begun: begun.promise,
    end: end.resolve,
    fail: end.reject,
    do: () => {
      work.runs += 1
      begun.resolve()
      return end.promise
    },
  })
}

/** What everybody who keeps duplicates from being carried out twice has to do, wherever the second one comes to. */
export function dedupConformance(
  name: string,
  open: () => Promise<{ here: Dedup; there: Dedup; close: () => Promise<void> }>,
): void {
  describe(`duplicates, in ${name}`, () => {
    let here: Dedup
    let there: Dedup
    let close: () => Promise<void>
    let keys = 0
    const newKey = () => `key ${(keys += 1)}`
    beforeEach(async () => void ({ here, there, close } = await open()))
    afterEach(() => close())

    const deal = (dedup: Dedup, key: string, remember: Remember, done: Partial<Handled> = {}) =>
      dedup.once(request(key, remember), async () => ({ reply: reply(`of ${key}`), remember: true, ...done }))

    it.each(['status', 'answer'] as const)(
      'one that comes while the first is under way waits for it, by %s',
      async (remember) => {
        const key = newKey()
        const work = createWork()
        const second = createWork()
        const first = here.once(request(key, remember), work.do)
        await work.begun
        const duplicate = there.once(request(key, remember), second.do)
        work.end({ reply: reply('done', 201), remember: true })
        expect(answerOf(await first)).toEqual(reply('done', 201))
        // Of another process a status is all that is known, and how it is answered is for the provider to say.
        const known = [reply('done', 201), ...(remember === 'status' ? [undefined] : [])]
        expect(known).toContainEqual(answerOf(await duplicate))
        expect(second.runs).toBe(0)
      },
    )

    it.each(['status', 'answer'] as const)(
      'one that comes after the first was dealt with is not carried out, by %s',
      async (remember) => {
        const key = newKey()
        await deal(here, key, remember)
        const work = createWork()
        const again = await there.once(request(key, remember), work.do)
        expect(again).toEqual({ kind: 'stored', reply: remember === 'answer' ? reply(`of ${key}`) : undefined })
        expect(work.runs).toBe(0)
      },
    )

    it.each(['status', 'answer'] as const)('of many at once one is carried out, by %s', async (remember) => {
      const key = newKey()
      let runs = 0
      const all = Array.from({ length: 200 }, (_, index) =>
        (index % 2 === 0 ? here : there).once(request(key, remember), async () => {
          runs += 1
          return { reply: reply('done'), remember: true }
        }),
      )
      const kinds = (await Promise.all(all)).map(({ kind }) => kind)
      expect(runs).toBe(1)
      expect(kinds.filter((kind) => kind === 'first')).toHaveLength(1)
      expect(kinds).not.toContain('undecided')
    })

    it('one that comes after the first has failed is carried out', async () => {
      const key = newKey()
      await expect(here.once(request(key, 'answer'), () => Promise.reject(new Error('no region')))).rejects.toThrow(
        'no region',
      )
      expect((await deal(there, key, 'answer')).kind).toBe('first')
    })

    it('one that comes after the first left no trace is carried out', async () => {
      const key = newKey()
      await deal(here, key, 'status', { remember: false })
      expect((await deal(there, key, 'status')).kind).toBe('first')
    })

    it('one of which nothing is remembered is always carried out', async () => {
      const key = newKey()
      await deal(here, key, 'nothing')
      expect((await deal(there, key, 'nothing')).kind).toBe('first')
    })

    it('one of another key is none', async () => {
      await deal(here, newKey(), 'answer')
      expect((await deal(there, newKey(), 'answer')).kind).toBe('first')
    })

    it('an answer of 64 KiB is given again whole; of a larger one, the status', async () => {
      const [whole, cut] = [newKey(), newKey()]
      await deal(here, whole, 'answer', { reply: reply(Buffer.alloc(64 * KiB, 'x'), 400) })
      await deal(here, cut, 'answer', { reply: reply(Buffer.alloc(64 * KiB + 1, 'x'), 400) })
      expect(answerOf(await deal(there, whole, 'answer'))).toEqual(reply(Buffer.alloc(64 * KiB, 'x'), 400))
      expect(answerOf(await deal(there, cut, 'answer'))).toEqual({ status: 400, rawHeaders: [], body: Buffer.alloc(0) })
    })
  })
}
