import type { Installation, Integration, Organization } from '../directory/directory.ts'
import type { OrganizationHint } from '../provider.ts'
import type { Region, Topology } from '../regions/regions.ts'

/** A region a webhook concerns, with the organizations it concerns there. */
export interface RoutedRegion {
  readonly name: string
  /** Undefined where `regions.yaml` does not know the name: it counts as down. */
  readonly region: Region | undefined
  readonly organizations: readonly Organization[]
}

/** Where a webhook goes: at least one organization, at least one region, in order of priority. */
export interface Route {
  readonly integration: Integration
  readonly organizations: readonly Organization[]
  readonly regions: readonly [RoutedRegion, ...RoutedRegion[]]
  /** What became of the request's hint; an ignored one named none of the integration's organizations. */
  readonly hint: 'none' | 'used' | 'ignored'
}

/** Routes without a hint, by what they follow from: most webhooks have none, and the directory remembers installations. */
const known = new WeakMap<Installation, { readonly topology: Topology; readonly route: Route | undefined }>()

/** The route of an installation that has organizations; undefined when it has none to serve. */
export function routeFor(
  installation: Installation,
  hint: OrganizationHint | undefined,
  topology: Topology,
): Route | undefined {
  if (hint !== undefined) return findRoute(installation, hint, topology)
  const before = known.get(installation)
  if (before?.topology === topology) return before.route
  const route = findRoute(installation, undefined, topology)
  known.set(installation, { topology, route })
  return route
}

function findRoute(
  installation: Installation,
  hint: OrganizationHint | undefined,
  topology: Topology,
): Route | undefined {
  const { integration } = installation
  if (integration.status !== 'active') return undefined
  const hinted = hint === undefined ? [] : narrowed(installation.organizations, hint)
  const organizations = hinted.length > 0 ? hinted : installation.organizations
  const [first, ...others] = regionsOf(organizations, defaultRegion(installation), topology)
  if (first === undefined) return undefined
  return {
    integration,
    organizations,
    regions: [first, ...others],
    hint: hint === undefined ? 'none' : hinted.length > 0 ? 'used' : 'ignored',
  }
}

function narrowed(organizations: readonly Organization[], hint: OrganizationHint): readonly Organization[] {
  switch (hint.by) {
    case 'id': {
      const named = organizations.find((organization) => hint.ids.includes(organization.id))
      return named === undefined ? [] : [named]
    }
    case 'slug': {
      const named = organizations.filter((organization) => hint.slugs.includes(organization.slug.toLowerCase()))
      return hint.pick === 'one' ? named.slice(0, 1) : named
    }
  }
}

function defaultRegion({ integration, organizations }: Installation): string | undefined {
  const id = integration.defaultOrganizationId
  return id === undefined ? undefined : organizations.find((organization) => organization.id === id)?.region
}

/** Each region once: the default organization's first, then the order of `regions.yaml`, unknown names last. */
function regionsOf(
  organizations: readonly Organization[],
  first: string | undefined,
  topology: Topology,
): readonly RoutedRegion[] {
  const byRegion = Map.groupBy(organizations, (organization) => organization.region)
  const routed: RoutedRegion[] = []
  const take = (name: string, region: Region | undefined): void => {
    const there = byRegion.get(name)
    if (there === undefined) return
    byRegion.delete(name)
    routed.push({ name, region, organizations: there })
  }
  const preferred = first === undefined ? undefined : topology.byName.get(first)
  if (preferred !== undefined) take(preferred.name, preferred)
  for (const region of topology.regions) take(region.name, region)
  for (const name of [...byRegion.keys()].sort()) take(name, undefined)
  return routed
}
