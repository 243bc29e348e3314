import { z } from 'zod'
import type { Region, Topology } from '../regions/regions.ts'

/** What an operator has made of regions, by name, over the states in `regions.yaml`: for the whole fleet. */
export type RegionOverrides = Readonly<z.output<typeof regionOverrides>>

export type RegionOverride = z.output<typeof regionOverride>

export const regionOverride = z.enum(['draining', 'down'])

export const regionOverrides = z.record(z.string(), regionOverride)

/** The topology with the states that are in effect. What names no region of it is left out, and takes effect later. */
export function steered(topology: Topology, overrides: RegionOverrides): Topology {
  const regions = topology.regions.map((region): Region => {
    const state = overrideOf(region.name, overrides)
    return state === undefined || state === region.state ? region : Object.freeze({ ...region, state })
  })
  if (regions.every((region, at) => region === topology.regions[at])) return topology
  return Object.freeze({
    regions: Object.freeze(regions),
    byName: new Map(regions.map((region) => [region.name, region])),
  })
}

export function overrideOf(region: string, overrides: RegionOverrides): RegionOverride | undefined {
  return Object.hasOwn(overrides, region) ? overrides[region] : undefined
}
