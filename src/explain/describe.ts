import type { Integration } from '../directory/directory.ts'
import type { LinkedOrganization } from '../directory/find-installation.ts'
import type { OrganizationHint, RoutableRequest } from '../provider.ts'
import type { Resolution } from '../resolve/resolve.ts'
import type { Facts } from './explanation.ts'

/*
 * The steps of a decision as an operator is told of them: the same of a webhook that is asked about and of one that has
 * come.
 */

export function installationOf({ installation: key, foundIn }: RoutableRequest): Facts['installation'] {
  const unnamed = { app_id: null, external_id: null, enterprise_id: null, integration_id: null }
  const named =
    key.by === 'id'
      ? { integration_id: key.id }
      : { app_id: key.appId || null, external_id: key.externalId, enterprise_id: key.enterpriseId ?? null }
  return { provider: key.provider, ...unnamed, ...named, found_in: foundIn }
}

export function lookupOf(resolution: Resolution | undefined): Facts['lookup'] {
  switch (resolution?.kind) {
    case undefined:
      return null
    case 'absent':
    case 'unknown':
      return { verdict: resolution.kind, age_ms: null }
    case 'inactive':
      return { verdict: resolution.verdict, age_ms: null }
    case 'routed':
      return { verdict: resolution.verdict, age_ms: Math.round(resolution.ageMs) }
  }
}

export function describeIntegration(integration: Integration): Facts['integration'] {
  const { id, name, appId, externalId, enterpriseId, defaultOrganizationId, status } = integration
  return {
    id,
    name,
    app_id: appId || null,
    external_id: externalId,
    enterprise_id: enterpriseId ?? null,
    default_organization_id: defaultOrganizationId ?? null,
    status,
  }
}

export function describeOrganization({ id, slug, name, region, status, linkStatus, held }: LinkedOrganization) {
  return { id, slug, name, region, status, link_status: linkStatus, held }
}

export function hintOf(hint: OrganizationHint, use: 'none' | 'used' | 'ignored'): Facts['hint'] {
  if (use === 'none') return null
  return { use, by: hint.by, names: [...(hint.by === 'id' ? hint.ids : hint.slugs)] }
}
