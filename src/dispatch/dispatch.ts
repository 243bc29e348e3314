import type { Clock } from '../clock.ts'
import type { RoutedRegion } from '../resolve/route.ts'
import type { AnsweredResult, RegionResult } from './region-result.ts'
import { toAll } from './to-all.ts'
import { toFirst } from './to-first.ts'

/** Whom to ask: chosen by the provider's rules, carried out here. */
export type Plan =
  | { readonly kind: 'first'; readonly region: RoutedRegion }
  | { readonly kind: 'all'; readonly regions: readonly RoutedRegion[]; readonly preferBodyForMs: number }

/**
 * `won`: a reply that may be passed on. `lost`: nothing but failures. `results` has one entry per planned region,
 * except behind a 2xx that won while others were still running: then it has the winner alone.
 */
export type Outcome =
  | { readonly kind: 'won'; readonly winner: AnsweredResult; readonly results: readonly RegionResult[] }
  | { readonly kind: 'lost'; readonly results: readonly RegionResult[] }

export interface Dispatched {
  readonly outcome: Outcome
  /** One result per planned region, in plan order, once the last of them has come to its end. */
  readonly settled: Promise<readonly RegionResult[]>
}

/** Calls one region; never rejects for anything a region or the network does. */
export type CallRegion = (region: RoutedRegion) => Promise<RegionResult>

export function dispatch(plan: Plan, call: CallRegion, clock: Clock): Promise<Dispatched> {
  return plan.kind === 'first'
    ? toFirst(call(plan.region))
    : toAll(plan.regions.map(call), { preferBodyForMs: plan.preferBodyForMs, clock })
}
