import type { Clock } from '../clock.ts'
import type { RoutedRegion } from '../resolve/route.ts'
import type { Dispatched, RegionResult, Wins } from './region-result.ts'
import { toAll } from './to-all.ts'
import { toFirst } from './to-first.ts'

/** Whom to ask: chosen by the provider's rules, carried out here. */
export type Plan =
  | { readonly kind: 'first'; readonly wins: Wins; readonly region: RoutedRegion }
  | {
      readonly kind: 'all'
      readonly wins: Wins
      readonly regions: readonly RoutedRegion[]
      readonly preferBodyForMs: number
    }

/** Calls one region; never rejects for anything a region or the network does. */
export type CallRegion = (region: RoutedRegion) => Promise<RegionResult>

export function dispatch(plan: Plan, call: CallRegion, clock: Clock): Promise<Dispatched> {
  return plan.kind === 'first'
    ? toFirst(call(plan.region), plan.wins)
    : toAll(plan.regions.map(call), { wins: plan.wins, preferBodyForMs: plan.preferBodyForMs, clock })
}
