import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createDedup, type Handled } from '../../../src/dedup/dedup.ts'
import { fingerprintOf } from '../../../src/dedup/recent-keys.ts'
import type { Reply } from '../../../src/provider.ts'
import { createCounters } from '../../../src/telemetry/counters.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const KiB = 1024

type Remember = 'status' | 'answer' | 'nothing'
interface Done extends Handled {
  readonly name: string
}

const reply = (body: string | Buffer, status = 200): Reply => ({
  status,
  rawHeaders: ['Content-Type', 'text/plain'],
  body: Buffer.from(body),
})

const request = (key: string, remember: Remember) => ({ key, remember, startedAt: 0, deadline: 2500 })

/** A dedup, and requests whose work ends when they are told to. */
function setUp({ maxEntries = 100 } = {}) {
  const clock = createManualClock()
  const counters = createCounters()
  const dedup = createDedup<Done>({ maxEntries, clock, counters })
  let runs = 0

  /** Sends a request whose work stays under way until `end` or `fail`. `work` is undefined where it never began. */
  const send = (key: string, remember: Remember) => {
    let work: { end: (done: Done) => void; fail: (error: Error) => void } | undefined
    const answer = dedup.once(request(key, remember), () => {
      runs += 1
      return new Promise<Done>((end, fail) => (work = { end, fail }))
    })
    return { answer, work }
  }
  /** Sends one whose work, if it is done at all, ends at once. */
  const deal = (key: string, remember: Remember, done: Partial<Done> = {}) =>
    dedup.once(request(key, remember), async () => {
      runs += 1
      return { name: key, reply: reply(key), remember: true, ...done }
    })
  const kindOf = async (key: string, remember: Remember) => (await deal(key, remember, { remember: false })).kind
  return { clock, counters, dedup, send, deal, kindOf, runs: () => runs }
}

const remembered = (name: string): Done => ({ name, reply: reply(name), remember: true })
const forgotten = (name: string): Done => ({ ...remembered(name), remember: false })

describe.each(['status', 'answer'] as const)('a request that comes again, by %s', (remember) => {
  it('joins the first while that is under way, and gets the very same', async () => {
    const { send, runs } = setUp()
    const first = send('a', remember)
    const second = send('a', remember)
    const done = remembered('one')
    first.work?.end(done)
    expect(await first.answer).toEqual({ kind: 'first', done })
    const joined = await second.answer
    expect(joined.kind === 'joined' && joined.done).toBe(done)
    expect(runs()).toBe(1)
  })

  it('joins the failure of the first too: the very same error', async () => {
    const { send, runs } = setUp()
    const requests = [send('a', remember), send('a', remember)]
    const error = new Error('no region')
    requests[0]?.work?.fail(error)
    const ends = await Promise.allSettled(requests.map(({ answer }) => answer))
    expect(ends).toEqual([
      { status: 'rejected', reason: error },
      { status: 'rejected', reason: error },
    ])
    expect(ends.every((end) => end.status === 'rejected' && end.reason === error)).toBe(true)
    expect(runs()).toBe(1)
  })

  it('is a thousand at once: one is carried out', async () => {
    const { send, runs, counters } = setUp()
    const requests = Array.from({ length: 1000 }, () => send('a', remember))
    requests[0]?.work?.end(remembered('one'))
    const answers = await Promise.all(requests.map(({ answer }) => answer))
    expect(answers.map(({ kind }) => kind)).toEqual(['first', ...Array<string>(999).fill('joined')])
    expect(runs()).toBe(1)
    expect(Object.fromEntries(counters.read())).toEqual({ 'dedup_total{kind="joined"}': 999 })
  })

  it('is not carried out again once the first has been dealt with', async () => {
    const { deal, runs, counters } = setUp()
    await deal('a', remember)
    expect(await deal('a', remember)).toMatchObject({ kind: 'stored' })
    expect(runs()).toBe(1)
    expect(Object.fromEntries(counters.read())).toEqual({ 'dedup_total{kind="stored"}': 1 })
  })

  it('is a new request after a failure, whenever the work threw', async () => {
    const { dedup, send, kindOf } = setUp()
    const failing = send('a', remember)
    failing.work?.fail(new Error('no region'))
    await expect(failing.answer).rejects.toThrow('no region')
    const atOnce = dedup.once(request('a', remember), () => {
      throw new Error('before anything was awaited')
    })
    await expect(atOnce).rejects.toThrow('before anything was awaited')
    expect(await kindOf('a', remember)).toBe('first')
  })

  it('is a new request after an outcome that left no trace', async () => {
    const { send, kindOf } = setUp()
    const first = send('a', remember)
    first.work?.end(forgotten('one'))
    await first.answer
    expect(await kindOf('a', remember)).toBe('first')
  })

  it('is none of another key', async () => {
    const { send, deal, kindOf, runs } = setUp()
    await deal('a', remember)
    send('b', remember)
    expect(await kindOf('c', remember)).toBe('first')
    expect(runs()).toBe(3)
  })

  it.each([
    ['which came first', 0, 1],
    ['which came last', 1, 0],
  ])(
    'is none of another whose key begins with the same 31 bits, nor is it forgotten with that, %s',
    async (_, ends, stays) => {
      const keys = ['key 71491', 'key 76407'] as const
      const [one, other] = keys.map((key) => fingerprintOf(key)[0] >>> 1)
      expect(one).toBe(other)
      const { send, runs } = setUp()
      const [first, last] = keys.map((key) => send(key, remember))
      const under = [first, last]
      const again = keys.map((key) => send(key, remember))
      expect(runs()).toBe(2)
      under[ends]?.work?.end(forgotten('ends'))
      expect(await again[ends]?.answer).toEqual({ kind: 'joined', done: forgotten('ends') })
      const joining = send(keys[stays] ?? '', remember)
      const anew = send(keys[ends] ?? '', remember)
      expect([joining.work, anew.work]).toEqual([undefined, expect.anything()])
      under[stays]?.work?.end(forgotten('stays'))
      expect(await joining.answer).toEqual({ kind: 'joined', done: forgotten('stays') })
      expect(runs()).toBe(3)
    },
  )

  it('pushes out the oldest when there are too many, and only that', async () => {
    const { deal, kindOf } = setUp({ maxEntries: 3 })
    for (const key of ['a', 'b', 'c', 'd']) await deal(key, remember)
    const kinds = []
    for (const key of ['a', 'b', 'c', 'd']) kinds.push(await kindOf(key, remember))
    expect(kinds).toEqual(['first', 'stored', 'stored', 'stored'])
  })

  it('leaves no timer behind', async () => {
    const { deal, clock } = setUp()
    await deal('a', remember)
    expect(clock.pending()).toBe(0)
  })
})

describe('a status', () => {
  it('is remembered for 25 hours and no longer', async () => {
    const { deal, clock, kindOf } = setUp()
    await deal('a', 'status')
    clock.advance(25 * HOUR - 1)
    expect(await kindOf('a', 'status')).toBe('stored')
    clock.advance(1)
    expect(await kindOf('a', 'status')).toBe('first')
  })

  it('is all there is: how it is answered is for the provider to say', async () => {
    const { deal } = setUp()
    await deal('a', 'status')
    expect(await deal('a', 'status')).toEqual({ kind: 'stored', reply: undefined })
  })

  it('is remembered anew when the request was carried out again', async () => {
    const { deal, clock, kindOf } = setUp()
    await deal('a', 'status')
    clock.advance(25 * HOUR)
    await deal('a', 'status')
    clock.advance(25 * HOUR - 1)
    expect(await kindOf('a', 'status')).toBe('stored')
  })

  it('is not pushed out by any number of answers', async () => {
    const { deal, kindOf } = setUp({ maxEntries: 2 })
    await deal('a', 'status')
    for (const key of ['b', 'c', 'd']) await deal(key, 'answer')
    expect(await kindOf('a', 'status')).toBe('stored')
  })
})

describe('an answer', () => {
  const stored = async (again: ReturnType<ReturnType<typeof setUp>['deal']>) => {
    const once = await again
    return once.kind === 'stored' ? once.reply : undefined
  }

  it('is given again as it was, for ten minutes and no longer', async () => {
    const { deal, clock, kindOf } = setUp()
    await deal('a', 'answer', { reply: reply('done', 201) })
    clock.advance(10 * MINUTE - 1)
    expect(await stored(deal('a', 'answer'))).toEqual(reply('done', 201))
    clock.advance(1)
    expect(await kindOf('a', 'answer')).toBe('first')
  })

  it('of 64 KiB is kept whole; of a larger one, the status', async () => {
    const { deal, runs } = setUp()
    await deal('a', 'answer', { reply: reply(Buffer.alloc(64 * KiB, 'x'), 400) })
    await deal('b', 'answer', { reply: reply(Buffer.alloc(64 * KiB + 1, 'x'), 400) })
    expect((await stored(deal('a', 'answer')))?.body).toHaveLength(64 * KiB)
    expect(await stored(deal('b', 'answer'))).toEqual({ status: 400, rawHeaders: [], body: Buffer.alloc(0) })
    expect(runs()).toBe(2)
  })

  it('does not change with the buffer that it came in', async () => {
    const { deal } = setUp()
    const sent = reply('done')
    await deal('a', 'answer', { reply: sent })
    sent.body.fill('x')
    expect((await stored(deal('a', 'answer')))?.body.toString()).toBe('done')
  })

  it('shrinks to its status when all together take more than 64 MiB, the oldest first', async () => {
    const { deal, runs } = setUp({ maxEntries: 2000 })
    const large = reply(Buffer.alloc(64 * KiB, 'x'))
    const count = 1100
    for (let index = 0; index < count; index++) await deal(`key ${index}`, 'answer', { reply: large })
    const lengths = []
    for (let index = 0; index < count; index++) {
      lengths.push((await stored(deal(`key ${index}`, 'answer')))?.body.length)
    }
    const whole = lengths.filter((length) => length === 64 * KiB).length
    expect(lengths).toEqual([...Array<number>(count - whole).fill(0), ...Array<number>(whole).fill(64 * KiB)])
    expect(whole * 64 * KiB).toBeLessThanOrEqual(64 * KiB * KiB)
    expect(whole).toBeGreaterThan(1000)
    expect(runs()).toBe(count)
  })

  it('takes up its room once, however often its request is carried out', async () => {
    const { deal, clock } = setUp()
    const large = reply(Buffer.alloc(64 * KiB, 'x'))
    for (let time = 0; time < 1100; time++) {
      await deal('a', 'answer', { reply: large })
      clock.advance(10 * MINUTE)
    }
    await deal('b', 'answer', { reply: large })
    await deal('a', 'answer', { reply: large })
    expect((await stored(deal('b', 'answer')))?.body).toHaveLength(64 * KiB)
  })
})

it('a request of which nothing is to be remembered is carried out each time', async () => {
  const { send, deal, kindOf } = setUp()
  send('a', 'nothing')
  await deal('a', 'nothing')
  expect(await kindOf('a', 'nothing')).toBe('first')
})

describe('requests in any order', () => {
  const command = fc.oneof(
    fc.record({ do: fc.constant('send' as const), key: fc.nat(3) }),
    fc.record({ do: fc.constant('end' as const), key: fc.nat(3), how: fc.constantFrom('kept', 'forgotten', 'failed') }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, MINUTE, 10 * MINUTE - 1, HOUR, 25 * HOUR) }),
  )
  const lifeOf = (key: number) => (key % 2 === 0 ? 25 * HOUR : 10 * MINUTE)

  it('are never carried out twice at the same time, nor within the life of what is remembered, and else always', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 60 }), async (commands) => {
        const { send, clock } = setUp({ maxEntries: 4 })
        const running = new Map<number, ReturnType<typeof send>[]>()
        const keptUntil = new Map<number, number>()
        const seen: string[] = []
        const expected: string[] = []
        for (const step of commands) {
          if (step.do === 'wait') clock.advance(step.ms)
          if (step.do === 'send') {
            const request = send(`key ${step.key}`, step.key % 2 === 0 ? 'status' : 'answer')
            const others = running.get(step.key)
            const isKept = others === undefined && clock.monotonic() < (keptUntil.get(step.key) ?? 0)
            expected.push(isKept ? 'stored' : others === undefined ? 'carried out' : 'joined')
            if (isKept) seen.push((await request.answer).kind)
            else running.set(step.key, [...(others ?? []), request])
            if (!isKept) seen.push(request.work === undefined ? 'joined' : 'carried out')
          }
          if (step.do === 'end') {
            const requests = running.get(step.key) ?? []
            running.delete(step.key)
            const work = requests[0]?.work
            if (step.how === 'failed') work?.fail(new Error('failed'))
            else work?.end(step.how === 'kept' ? remembered('one') : forgotten('one'))
            const ends = await Promise.allSettled(requests.map(({ answer }) => answer))
            seen.push(...ends.map(({ status }) => status))
            expected.push(...ends.map(() => (step.how === 'failed' ? 'rejected' : 'fulfilled')))
            if (step.how === 'kept' && work) keptUntil.set(step.key, clock.monotonic() + lifeOf(step.key))
          }
        }
        expect(seen).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })
})
