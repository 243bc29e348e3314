import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSlots } from '../../../src/dispatch/slots.ts'

describe('slots', () => {
  it('gives a turn at once while one is free', () => {
    const turns: string[] = []
    const slots = createSlots({ maxConcurrency: 2, maxQueue: 0 })
    slots.take(() => turns.push('a'))
    slots.take(() => turns.push('b'))
    expect(turns).toEqual(['a', 'b'])
    expect(slots).toMatchObject({ inFlight: 2, queued: 0 })
  })

  it('refuses what neither a slot nor the queue has room for, and never gives it a turn', () => {
    const turns: string[] = []
    const slots = createSlots({ maxConcurrency: 1, maxQueue: 1 })
    slots.take(() => turns.push('a'))
    slots.take(() => turns.push('b'))
    expect(slots.take(() => turns.push('c'))).toBe('queue_full')
    slots.release()
    slots.release()
    expect(turns).toEqual(['a', 'b'])
    expect(slots).toMatchObject({ inFlight: 0, queued: 0 })
  })

  it('lets a waiter leave from the middle of the queue', () => {
    const turns: string[] = []
    const slots = createSlots({ maxConcurrency: 1, maxQueue: 2 })
    slots.take(() => turns.push('a'))
    const leave = slots.take(() => turns.push('b'))
    slots.take(() => turns.push('c'))
    if (leave === 'queue_full') throw new Error('There was room')
    leave()
    expect(slots.queued).toBe(1)
    slots.release()
    expect(turns).toEqual(['a', 'c'])
  })

  it('makes room in a full queue when a waiter leaves', () => {
    const slots = createSlots({ maxConcurrency: 1, maxQueue: 1 })
    slots.take(() => {})
    const leave = slots.take(() => {})
    if (leave === 'queue_full') throw new Error('There was room')
    leave()
    expect(slots.take(() => {})).not.toBe('queue_full')
  })

  it('takes no slot away from one who leaves after its turn came', () => {
    const slots = createSlots({ maxConcurrency: 1, maxQueue: 1 })
    const leaveAtOnce = slots.take(() => {})
    const leaveQueue = slots.take(() => {})
    if (leaveAtOnce === 'queue_full' || leaveQueue === 'queue_full') throw new Error('There was room')
    slots.release()
    leaveAtOnce()
    leaveQueue()
    expect(slots).toMatchObject({ inFlight: 1, queued: 0 })
  })

  it('lets a turn be given back before the taking has returned', () => {
    const slots = createSlots({ maxConcurrency: 1, maxQueue: 0 })
    slots.take(() => slots.release())
    expect(slots.inFlight).toBe(0)
    expect(slots.take(() => {})).not.toBe('queue_full')
  })

  it('behaves like a plain list of waiters behind a counter, whatever the order of events', () => {
    const step = fc.oneof(
      fc.constant({ do: 'take' as const }),
      fc.constant({ do: 'release' as const }),
      fc.record({ do: fc.constant('leave' as const), which: fc.nat(20) }),
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.nat(4), fc.array(step), (maxConcurrency, maxQueue, steps) => {
        const slots = createSlots({ maxConcurrency, maxQueue })
        const turns: number[] = []
        let refusedWrongly = false
        const leaves: (() => void)[] = []
        const model = { inFlight: 0, waiting: [] as number[], turns: [] as number[], admitted: [] as number[] }
        steps.forEach((one, id) => {
          if (one.do === 'take') {
            const taken = slots.take(() => turns.push(id))
            const room = model.inFlight < maxConcurrency || model.waiting.length < maxQueue
            refusedWrongly ||= (taken === 'queue_full') === room
            if (taken !== 'queue_full') {
              leaves.push(taken)
              model.admitted.push(id)
              if (model.inFlight < maxConcurrency) {
                model.inFlight += 1
                model.turns.push(id)
              } else model.waiting.push(id)
            }
          } else if (one.do === 'release') {
            if (model.inFlight === 0) return
            slots.release()
            const next = model.waiting.shift()
            if (next === undefined) model.inFlight -= 1
            else model.turns.push(next)
          } else {
            const place = one.which % Math.max(1, leaves.length)
            leaves[place]?.()
            model.waiting = model.waiting.filter((waiting) => waiting !== model.admitted[place])
          }
          expect({ turns, refusedWrongly }).toEqual({ turns: model.turns, refusedWrongly: false })
          expect(slots).toMatchObject({ inFlight: model.inFlight, queued: model.waiting.length })
        })
      }),
    )
  })
})
