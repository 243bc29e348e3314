import { get, getTagged, type Page } from '../api.ts'
import type { Integration, Link, Organization, RegionNow } from '../shapes.ts'
import { useResource, type Resource } from '../use-resource.ts'

/** An integration with everything that decides where its webhooks go. */
export interface Installation {
  readonly integration: Integration
  readonly etag: string
  readonly organizations: readonly Organization[]
  readonly links: readonly Link[]
  readonly regions: readonly RegionNow[]
  /** There are more organizations than one page of them. */
  readonly isCut: boolean
}

/** As much as a page of a list can be. */
const LIMIT = 1000

export function useInstallation(id: string): Resource<Installation> {
  return useResource(
    async (signal) => {
      const asked = { integration_id: id, limit: LIMIT }
      const [{ row: integration, etag }, organizations, links, regions] = await Promise.all([
        getTagged<Integration>(`/api/integrations/${encodeURIComponent(id)}`, { signal }),
        get<Page<Organization>>('/api/organizations', asked, { signal }),
        get<Page<Link>>('/api/organization-integrations', asked, { signal }),
        get<Page<RegionNow>>('/api/regions', {}, { signal }),
      ])
      return {
        integration,
        etag,
        organizations: organizations.items,
        links: links.items,
        regions: regions.items,
        isCut: organizations.next_cursor !== null,
      }
    },
    { key: id },
  )
}
