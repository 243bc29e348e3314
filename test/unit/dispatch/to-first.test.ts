import { describe, expect, it } from 'vitest'
import { toFirst } from '../../../src/dispatch/to-first.ts'
import { answered, failed, refused, timedOut } from './results.ts'

describe('asking one region', () => {
  it.each([200, 204, 302, 404, 499])('passes its reply on with status %i', async (status) => {
    const winner = answered('eu', status)
    expect(await toFirst(Promise.resolve([winner]), 'reply')).toEqual({ kind: 'won', winner })
  })

  it.each([200, 204, 299])('where only a success wins, passes on status %i', async (status) => {
    const winner = answered('eu', status)
    expect(await toFirst(Promise.resolve([winner]), 'success')).toEqual({ kind: 'won', winner })
  })

  it.each([199, 300, 404])('where only a success wins, is lost with status %i', async (status) => {
    const result = answered('eu', status)
    expect(await toFirst(Promise.resolve([result]), 'success')).toEqual({ kind: 'lost', results: [result] })
  })

  it.each([failed('eu'), timedOut('eu'), refused('eu')])('is lost when it $kind', async (result) => {
    expect(await toFirst(Promise.resolve([result]), 'reply')).toEqual({ kind: 'lost', results: [result] })
  })

  it('raises what is wrong with the gateway itself', async () => {
    await expect(toFirst(Promise.reject(new Error('a bug')), 'reply')).rejects.toThrow('a bug')
  })
})
