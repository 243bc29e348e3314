import { get, getAll, getTagged, type Page } from '../api.ts'
import type { Integration, Link, Organization, RegionNow } from '../shapes.ts'
import { useResource, type Resource } from '../use-resource.ts'

/** An integration with everything that decides where its webhooks go. */
export interface Installation {
  readonly integration: Integration
  readonly etag: string
  readonly organizations: readonly Organization[]
  readonly links: readonly Link[]
  readonly regions: readonly RegionNow[]
}

export function useInstallation(id: string): Resource<Installation> {
  return useResource(
    async (signal) => {
      const asked = { integration_id: id }
      const [{ row: integration, etag }, organizations, links, regions] = await Promise.all([
        getTagged<Integration>(`/api/integrations/${encodeURIComponent(id)}`, { signal }),
        getAll<Organization>('/api/organizations', asked, { signal }),
        getAll<Link>('/api/organization-integrations', asked, { signal }),
        get<Page<RegionNow>>('/api/regions', {}, { signal }),
      ])
      return {
        integration,
        etag,
        organizations,
        links,
        regions: regions.items,
      }
    },
    { key: id },
  )
}
