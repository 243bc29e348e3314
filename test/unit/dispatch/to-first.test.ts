import { describe, expect, it } from 'vitest'
import { toFirst } from '../../../src/dispatch/to-first.ts'
import { answered, failed, refused, timedOut } from './results.ts'

describe('asking one region', () => {
  it.each([200, 204, 302, 404, 499])('passes its reply on with status %i', async (status) => {
    const winner = answered('eu', status)
    const { outcome, settled } = await toFirst(Promise.resolve(winner))
    expect(outcome).toEqual({ kind: 'won', winner, results: [winner] })
    expect(await settled).toEqual([winner])
  })

  it.each([failed('eu'), timedOut('eu'), refused('eu')])('is lost when it $kind', async (result) => {
    const { outcome, settled } = await toFirst(Promise.resolve(result))
    expect(outcome).toEqual({ kind: 'lost', results: [result] })
    expect(await settled).toEqual([result])
  })

  it('raises what is wrong with the gateway itself', async () => {
    await expect(toFirst(Promise.reject(new Error('a bug')))).rejects.toThrow('a bug')
  })
})
