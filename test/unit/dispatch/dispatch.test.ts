import { describe, expect, it } from 'vitest'
import { dispatch, type Plan } from '../../../src/dispatch/dispatch.ts'
import type { RegionResult } from '../../../src/dispatch/region-result.ts'
import type { RoutedRegion } from '../../../src/resolve/route.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { answered } from './results.ts'

const routed = (name: string): RoutedRegion => ({ name, region: undefined, organizations: [] })

describe('carrying out a plan', () => {
  it('asks the one region of a first plan', async () => {
    const asked: string[] = []
    const call = async ({ name }: RoutedRegion): Promise<RegionResult> => {
      asked.push(name)
      return answered(name, 404)
    }
    const { outcome } = dispatch({ kind: 'first', wins: 'reply', regions: [routed('us')] }, call, createManualClock())
    expect(asked).toEqual(['us'])
    expect(await outcome).toMatchObject({ kind: 'won', winner: { region: 'us' } })
  })

  it.each(['first', 'all'] as const)('lets nothing but a success win where the %s plan says so', async (kind) => {
    const plan: Plan =
      kind === 'first'
        ? { kind, wins: 'success', regions: [routed('us')] }
        : { kind, wins: 'success', regions: [routed('us')], preferBodyForMs: 0 }
    const { outcome } = dispatch(plan, async ({ name }) => answered(name, 404), createManualClock())
    expect(await outcome).toEqual({ kind: 'lost', results: [answered('us', 404)] })
  })

  it('asks every region of an all plan before any has answered', async () => {
    const asked: string[] = []
    const answers = new Map([
      ['us', Promise.withResolvers<RegionResult>()],
      ['eu', Promise.withResolvers<RegionResult>()],
    ])
    const call = ({ name }: RoutedRegion): Promise<RegionResult> => {
      asked.push(name)
      return answers.get(name)?.promise ?? Promise.reject(new Error('unreachable'))
    }
    const clock = createManualClock()
    const plan: Plan = { kind: 'all', wins: 'reply', regions: [routed('us'), routed('eu')], preferBodyForMs: 250 }
    const dispatched = dispatch(plan, call, clock)
    expect(asked).toEqual(['us', 'eu'])
    answers.get('eu')?.resolve(answered('eu'))
    await expect.poll(() => clock.pending()).toBe(1)
    answers.get('us')?.resolve(answered('us', 200, 'body'))
    expect(await dispatched.outcome).toMatchObject({ winner: { region: 'us' } })
  })

  it('settles with every region in plan order, the late one too', async () => {
    const eu = Promise.withResolvers<RegionResult>()
    const plan: Plan = { kind: 'all', wins: 'reply', regions: [routed('eu'), routed('us')], preferBodyForMs: 0 }
    const call = ({ name }: RoutedRegion): Promise<RegionResult> =>
      name === 'eu' ? eu.promise : Promise.resolve(answered(name))
    const { calls, outcome, settled } = dispatch(plan, call, createManualClock())
    expect(await outcome).toMatchObject({ winner: { region: 'us' } })
    eu.resolve(answered('eu', 200, 'late'))
    expect(await settled).toEqual([answered('eu', 200, 'late'), answered('us')])
    expect(calls.map(({ region }) => region.name)).toEqual(['eu', 'us'])
  })

  it('ends with a fault of the gateway itself, whoever waits for it', async () => {
    const plan: Plan = { kind: 'first', wins: 'reply', regions: [routed('us')] }
    const { outcome, settled } = dispatch(plan, () => Promise.reject(new Error('a bug')), createManualClock())
    await expect(outcome).rejects.toThrow('a bug')
    await expect(settled).rejects.toThrow('a bug')
  })
})
