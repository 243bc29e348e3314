import type { Clock } from '../clock.ts'
import type { RoutedRegion } from '../resolve/route.ts'
import type { Dispatched, RegionResult, Wins } from './region-result.ts'
import { toAll } from './to-all.ts'
import { toFirst } from './to-first.ts'

/** Whom to ask: chosen by the provider's rules, carried out here. */
export type Plan =
  | { readonly kind: 'first'; readonly wins: Wins; readonly regions: readonly [RoutedRegion] }
  | {
      readonly kind: 'all'
      readonly wins: Wins
      readonly regions: readonly [RoutedRegion, ...RoutedRegion[]]
      readonly preferBodyForMs: number
    }

/** Calls one region; never rejects for anything a region or the network does. */
export type CallRegion = (region: RoutedRegion) => Promise<RegionResult>

/** Asks every planned region at once. Nothing here waits for time: what ends a call decides when all has ended. */
export function dispatch(plan: Plan, call: CallRegion, clock: Clock): Dispatched {
  const calls = plan.regions.map((region) => ({ region, result: call(region) }))
  const results = calls.map(({ result }) => result)
  const [only] = results
  const settled = only !== undefined && results.length === 1 ? only.then((result) => [result]) : Promise.all(results)
  // A call that rejects is a fault of our own. It ends the outcome as well, and nobody may be waiting for this one.
  settled.catch(() => {})
  const outcome =
    plan.kind === 'first'
      ? toFirst(settled, plan.wins)
      : toAll(results, { wins: plan.wins, preferBodyForMs: plan.preferBodyForMs, clock })
  return { calls, outcome, settled }
}
