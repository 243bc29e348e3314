import type { Directory, InstallationKey, Integration, Lookup } from '../directory/directory.ts'
import type { OrganizationHint } from '../provider.ts'
import type { Topology } from '../regions/regions.ts'
import { routeFor, type Route } from './route.ts'

/** `unknown`: the directory could not be asked, which is never the same as `absent`. */
export type Resolution =
  | { readonly kind: 'routed'; readonly route: Route; readonly verdict: 'found' | 'stale'; readonly ageMs: number }
  | { readonly kind: 'inactive'; readonly integration: Integration; readonly verdict: 'found' | 'stale' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknown'; readonly cause: unknown }

interface Asking {
  readonly installation: InstallationKey
  readonly hint: OrganizationHint | undefined
}

/** Installation key → integration → organizations → regions, in order of priority; at once if the directory is. */
export function resolve(
  request: Asking,
  directory: Pick<Directory, 'find'>,
  topology: Topology,
): Resolution | Promise<Resolution> {
  const found = directory.find(request.installation)
  return found instanceof Promise
    ? found.then((lookup) => resolutionOf(lookup, request, topology))
    : resolutionOf(found, request, topology)
}

function resolutionOf(lookup: Lookup, { hint }: Asking, topology: Topology): Resolution {
  switch (lookup.verdict) {
    case 'absent':
      return { kind: 'absent' }
    case 'unknown':
      return { kind: 'unknown', cause: lookup.cause }
    case 'found':
    case 'stale': {
      const { verdict, installation, ageMs } = lookup
      const route = routeFor(installation, hint, topology)
      return route === undefined
        ? { kind: 'inactive', integration: installation.integration, verdict }
        : { kind: 'routed', route, verdict, ageMs }
    }
  }
}
