import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSlots, type Priority } from '../../../src/dispatch/slots.ts'
import { grownOld } from '../../support/grown-old.ts'

const priorities = ['interactive', 'event', 'mailbox'] as const

/** Slots whose waiters go by names; everything that happens to one is told in `turns` and `sentAway`. */
function namedSlots(limits: { maxConcurrency: number; maxQueue: number }) {
  const slots = createSlots(limits)
  const turns: string[] = []
  const sentAway: string[] = []
  const take = (name: string, priority: Priority = 'interactive') =>
    slots.take({ priority, onTurn: () => void turns.push(name), onSentAway: () => void sentAway.push(name) })
  const leaver = (name: string, priority?: Priority) => {
    const leave = take(name, priority)
    if (leave === 'queue_full') throw new Error('There was no room')
    return leave
  }
  const release = (priority: Priority = 'interactive') => slots.release(priority)
  return { slots, turns, sentAway, take, leaver, release }
}

describe('slots', () => {
  it('gives a turn at once while one is free', () => {
    const { slots, turns, take } = namedSlots({ maxConcurrency: 2, maxQueue: 0 })
    take('a')
    take('b')
    expect(turns).toEqual(['a', 'b'])
    expect(slots).toMatchObject({ inFlight: 2, queued: 0 })
  })

  it('refuses what neither a slot nor the queue has room for, and never gives it a turn', () => {
    const { slots, turns, take, release } = namedSlots({ maxConcurrency: 1, maxQueue: 1 })
    take('a')
    take('b')
    expect(take('c')).toBe('queue_full')
    release()
    release()
    expect(turns).toEqual(['a', 'b'])
    expect(slots).toMatchObject({ inFlight: 0, queued: 0 })
  })

  it.each(['b', 'c', 'd'])('lets %s leave from wherever in the queue it stands', (name) => {
    const { slots, turns, take, leaver, release } = namedSlots({ maxConcurrency: 1, maxQueue: 3 })
    take('a')
    const leave = { b: leaver('b'), c: leaver('c'), d: leaver('d') }[name]
    leave?.()
    expect(slots.queued).toBe(2)
    for (let round = 0; round < 3; round += 1) release()
    expect(turns).toEqual(['a', 'b', 'c', 'd'].filter((other) => other !== name))
  })

  it('makes room in a full queue when a waiter leaves', () => {
    const { take, leaver } = namedSlots({ maxConcurrency: 1, maxQueue: 1 })
    take('a')
    leaver('b')()
    expect(take('c')).not.toBe('queue_full')
  })

  it('takes no slot away from one who leaves after its turn came', () => {
    const { slots, leaver, release } = namedSlots({ maxConcurrency: 1, maxQueue: 1 })
    const leaveAtOnce = leaver('a')
    const leaveQueue = leaver('b')
    release()
    leaveAtOnce()
    leaveQueue()
    expect(slots).toMatchObject({ inFlight: 1, queued: 0 })
  })

  it('lets a turn be given back before the taking has returned', () => {
    const slots = createSlots({ maxConcurrency: 1, maxQueue: 0 })
    const waiter = { priority: 'mailbox', onTurn: () => slots.release('mailbox'), onSentAway: () => {} } as const
    slots.take(waiter)
    expect(slots.inFlight).toBe(0)
    expect(slots.take(waiter)).not.toBe('queue_full')
  })

  it('takes any number of turns that are given back at once', () => {
    const slots = createSlots({ maxConcurrency: 1, maxQueue: 100_000 })
    let turns = 0
    const onTurn = () => {
      turns += 1
      slots.release('event')
    }
    slots.take({ priority: 'event', onTurn: () => {}, onSentAway: () => {} })
    for (let id = 0; id < 100_000; id += 1) slots.take({ priority: 'event', onTurn, onSentAway: () => {} })
    slots.release('event')
    expect({ turns, inFlight: slots.inFlight, queued: slots.queued }).toEqual({
      turns: 100_000,
      inFlight: 0,
      queued: 0,
    })
  })

  it('go to who waits for an answer, then to events, then to mailboxes, each in order of arrival', () => {
    const { turns, take, release } = namedSlots({ maxConcurrency: 1, maxQueue: 6 })
    take('now')
    for (const round of [1, 2]) for (const one of priorities.toReversed()) take(`${one} ${round}`, one)
    for (const one of ['interactive', 'interactive', 'interactive', 'event', 'event', 'mailbox'] as const) release(one)
    expect(turns.slice(1)).toEqual(priorities.flatMap((one) => [`${one} 1`, `${one} 2`]))
  })
})

describe('the slots of mailboxes', () => {
  it.each([
    [1, 1],
    [7, 1],
    [8, 2],
    [100, 25],
  ])('of %i are %i at most', (maxConcurrency, most) => {
    const { turns, take } = namedSlots({ maxConcurrency, maxQueue: 1000 })
    for (let id = 0; id < maxConcurrency; id += 1) take(`${id}`, 'mailbox')
    expect(turns).toHaveLength(most)
  })

  it('go on to the next mailbox when one is given back, not when another slot is', () => {
    const { turns, take, release } = namedSlots({ maxConcurrency: 4, maxQueue: 9 })
    take('a')
    for (const name of ['b', 'c', 'd']) take(name, 'mailbox')
    release('interactive')
    expect(turns).toEqual(['a', 'b'])
    release('mailbox')
    expect(turns).toEqual(['a', 'b', 'c'])
  })

  it('are full without a free slot being kept from anybody else, even where their waiters fill the queue', () => {
    const { slots, turns, take } = namedSlots({ maxConcurrency: 4, maxQueue: 1 })
    take('mail 1', 'mailbox')
    take('mail 2', 'mailbox')
    expect(take('mail 3', 'mailbox')).toBe('queue_full')
    for (const name of ['a', 'b', 'c']) take(name, 'event')
    expect(turns).toEqual(['mail 1', 'a', 'b', 'c'])
    expect(slots).toMatchObject({ inFlight: 4, queued: 1 })
  })
})

describe('a full queue', () => {
  it('sends the newest of the lowest priority away for a higher one', () => {
    const { slots, sentAway, take } = namedSlots({ maxConcurrency: 1, maxQueue: 4 })
    take('now')
    for (const name of ['event 1', 'event 2']) take(name, 'event')
    for (const name of ['mail 1', 'mail 2']) take(name, 'mailbox')
    take('event 3', 'event')
    expect(sentAway).toEqual(['mail 2'])
    for (const name of ['a', 'b', 'c', 'd']) take(name)
    expect(sentAway).toEqual(['mail 2', 'mail 1', 'event 3', 'event 2', 'event 1'])
    expect(take('e')).toBe('queue_full')
    expect(slots.queued).toBe(4)
  })

  it.each(priorities)('sends nobody of the same priority or a higher one away for %s', (priority) => {
    const { sentAway, take } = namedSlots({ maxConcurrency: 1, maxQueue: 1 })
    take('now')
    take('first', priority)
    for (const one of priorities.slice(priorities.indexOf(priority))) expect(take('late', one)).toBe('queue_full')
    expect(sentAway).toEqual([])
  })

  it('gives no turn to who was sent away, and is not shortened when that one leaves', () => {
    const { slots, turns, take, leaver, release } = namedSlots({ maxConcurrency: 1, maxQueue: 1 })
    take('now')
    const leave = leaver('mail', 'mailbox')
    take('a')
    leave()
    expect(slots.queued).toBe(1)
    release()
    release()
    expect(turns).toEqual(['now', 'a'])
  })
})

describe('any order of events', () => {
  const priority = fc.constantFrom(...priorities)
  const step = fc.oneof(
    fc.record({ do: fc.constant('take' as const), priority }),
    fc.record({ do: fc.constant('release' as const), priority }),
    fc.record({ do: fc.constant('leave' as const), which: fc.nat(20) }),
  )
  interface One {
    readonly id: number
    readonly priority: Priority
  }

  it('is what plain lists of waiters behind two counters would do', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(4), fc.array(step), (maxConcurrency, maxQueue, steps) => {
        const slots = createSlots({ maxConcurrency, maxQueue })
        const real: { turns: number[]; sentAway: number[]; refused: number[] } = {
          turns: [],
          sentAway: [],
          refused: [],
        }
        const model: typeof real = { turns: [], sentAway: [], refused: [] }
        let waiting: One[] = []
        const running: Record<Priority, number> = { interactive: 0, event: 0, mailbox: 0 }
        const total = () => running.interactive + running.event + running.mailbox
        const free = (one: Priority) =>
          total() < maxConcurrency && (one !== 'mailbox' || running.mailbox < Math.max(1, maxConcurrency >> 2))
        const rank = ({ priority }: One) => priorities.indexOf(priority)
        const runNext = () => {
          const next = waiting.filter((one) => free(one.priority)).toSorted((a, b) => rank(a) - rank(b))[0]
          if (next === undefined) return
          waiting = waiting.filter((one) => one !== next)
          running[next.priority] += 1
          model.turns.push(next.id)
        }
        const leaves: { id: number; leave: () => void }[] = []

        steps.forEach((one, id) => {
          if (one.do === 'take') {
            const taken = slots.take({
              priority: one.priority,
              onTurn: () => void real.turns.push(id),
              onSentAway: () => void real.sentAway.push(id),
            })
            if (taken === 'queue_full') real.refused.push(id)
            else leaves.push({ id, leave: taken })
            const newcomer = { id, priority: one.priority }
            const last = waiting.toSorted((a, b) => rank(a) - rank(b) || a.id - b.id).at(-1)
            if (free(one.priority) || waiting.length < maxQueue) waiting.push(newcomer)
            else if (last !== undefined && rank(last) > rank(newcomer)) {
              model.sentAway.push(last.id)
              waiting = [...waiting.filter((other) => other !== last), newcomer]
            } else model.refused.push(id)
            runNext()
          } else if (one.do === 'release') {
            if (running[one.priority] === 0) return
            slots.release(one.priority)
            running[one.priority] -= 1
            runNext()
          } else {
            const leaving = leaves[one.which % Math.max(1, leaves.length)]
            leaving?.leave()
            waiting = waiting.filter(({ id: waiter }) => waiter !== leaving?.id)
          }
          expect({ ...real, inFlight: slots.inFlight, queued: slots.queued }).toEqual({
            ...model,
            inFlight: total(),
            queued: waiting.length,
          })
        })
      }),
    )
  })
})

it('lets go of who has had a turn in the next small collection, though somebody always waits', () => {
  const come = `
    const slots = make({ maxConcurrency: 1, maxQueue: 10 })
    const waiter = () => ({ priority: 'interactive', onTurn() {}, onSentAway() {}, held: held() })
    slots.take(waiter())
    slots.take(waiter())
    // The one that waits grows old.
    for (let round = 0; round < 3; round += 1) gc({ type: 'minor' })
    const come = (count) => {
      for (let one = 0; one < count; one += 1) {
        slots.take(waiter())
        slots.release('interactive')
      }
    }`
  expect(grownOld({ file: 'dispatch/slots.ts', make: 'createSlots', come })).toBeLessThan(10)
})
