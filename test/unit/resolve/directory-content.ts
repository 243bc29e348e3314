import type { Installation, Integration, Organization } from '../../../src/directory/directory.ts'
import type { Region, Topology } from '../../../src/regions/regions.ts'

export function organization(id: string, region: string): Organization {
  return { id, slug: `org-${id}`, name: `Organization ${id}`, region, status: 'active', epoch: 0, held: false }
}

export function installation(
  organizations: readonly Organization[],
  integration: Partial<Integration> = {},
): Installation {
  return {
    integration: {
      id: '1',
      provider: 'test',
      appId: '',
      externalId: 'W1',
      enterpriseId: undefined,
      defaultOrganizationId: undefined,
      name: 'Acme',
      status: 'active',
      ...integration,
    },
    organizations,
  }
}

export function topology(...entries: readonly (string | (Partial<Region> & { name: string }))[]): Topology {
  const regions = entries.map((entry): Region => {
    const { name, ...more } = typeof entry === 'string' ? { name: entry } : entry
    return {
      name,
      address: new URL(`http://${name}.example`),
      category: 'multi_tenant',
      state: 'active',
      signingKey: undefined,
      maxConcurrency: 1,
      maxQueue: 0,
      timeoutMs: 10_000,
      breaker: { failureRate: 0.5, minimumCalls: 20, windowMs: 10_000, openMs: 5000 },
      idempotent: false,
      maxSpoolBytes: 1_073_741_824,
      tls: undefined,
      ...more,
    }
  })
  return { regions, byName: new Map(regions.map((region) => [region.name, region])) }
}
