import { z } from 'zod'
import type { Id, Organization } from '../directory/directory.ts'
import type { Identity } from '../directory/identities.ts'
import type { DirectoryEditor, Link } from '../directory/edit.ts'
import { linkedIntegrations } from '../directory/linked-integrations.ts'
import { status, storable, word } from '../directory/row-fields.ts'
import type { Gateway } from '../gateway.ts'
import type { Topology } from '../regions/regions.ts'
import type { Log } from '../telemetry/log.ts'
import {
  identityJson,
  identityOut,
  integrationFrom,
  integrationIn,
  integrationJson,
  integrationOut,
  linkIn,
  linkJson,
  linkOut,
  organizationFrom,
  organizationIn,
  organizationJson,
  organizationOut,
} from './directory-rows.ts'
import { flag, idText, paging } from './fields.ts'
import { invalidRequest, type Route } from './route.ts'
import { listRoute, rowRoutes } from './row-routes.ts'

export interface DirectoryRoutesParts {
  readonly directory: DirectoryEditor
  readonly topology: () => Topology
  readonly follow: Gateway['follow']
  /** Those there are: of another's integration nothing would ever come. */
  readonly providers: () => readonly { readonly name: string }[]
  readonly log: Log
}

/** Who lives where, row by row; each change is audited by the editor, in its transaction. */
export function directoryRoutes(parts: DirectoryRoutesParts): Route[] {
  return [...integrationRoutes(parts), ...organizationRoutes(parts), ...linkRoutes(parts), identities(parts)]
}

function integrationRoutes({ directory, providers }: DirectoryRoutesParts): Route[] {
  const row = { out: integrationOut, json: integrationJson }
  return [
    listRoute({
      ...row,
      path: '/api/integrations',
      summary: 'Integrations in the order of their ids',
      items: 'integrations',
      query: z.strictObject({
        ...paging,
        provider: word.optional(),
        app_id: z.union([word, z.literal('')]).optional(),
        external_id: word.optional(),
        enterprise_id: word.optional(),
        status: status.optional(),
        organization_id: idText.optional().describe('Those linked to this organization.'),
      }),
      position: idOf,
      after: idText,
      rows({ app_id: appId, external_id: externalId, enterprise_id: enterpriseId, ...asked }, page) {
        const { provider, status, organization_id: organization } = asked
        return directory.integrations({ provider, appId, externalId, enterpriseId, status, organization }, page)
      },
    }),
    ...rowRoutes({
      ...row,
      path: '/api/integrations/{id}',
      key: z.strictObject({ id: idText }),
      summaries: {
        get: 'An integration',
        put: 'Creates or replaces an integration',
        delete: 'Deletes an integration with its links and identities',
      },
      in: integrationIn,
      conflicts: true,
      check(key, body) {
        refuseOthers(key, body)
        const names = providers().map(({ name }) => name)
        if (names.includes(body.provider)) return
        throw invalidRequest([{ path: 'provider', message: `must be ${names.join(' or ')}` }])
      },
      get: ({ id }) => directory.integration(id),
      put: ({ id }, body, options) => directory.putIntegration(integrationFrom(id, body), options),
      delete: ({ id }, options) => directory.deleteIntegration(id, options),
    }),
  ]
}

function organizationRoutes({ directory, topology, follow, log }: DirectoryRoutesParts): Route[] {
  const row = { out: organizationOut, json: organizationJson }
  const moved = z.object({
    warnings: z.array(z.string()).optional(),
    moved_deliveries: z.int().optional().describe('How many waiting deliveries have followed, where it moved.'),
  })

  /** What is not done when it fails is done when each delivery's turn comes, so it is told rather than refused. */
  async function followMove(before: Organization, after: Organization) {
    try {
      const integrations = await linkedIntegrations(directory, after.id)
      const followed = await follow({ id: after.id, before, after, integrations })
      const later = followed.busy + followed.unreadable
      return {
        moved_deliveries: followed.moved,
        ...(later > 0 && {
          warnings: [`${later} more deliveries cannot be moved right now, and follow when tried next`],
        }),
      }
    } catch (err) {
      log.error({ err, organization: after.id }, 'What waits for an organization follows it only when it is tried next')
      return { warnings: ['what waits has not been moved, and follows when it is tried next'] }
    }
  }

  return [
    listRoute({
      ...row,
      path: '/api/organizations',
      summary: 'Organizations in the order of their ids',
      items: 'organizations',
      query: z.strictObject({
        ...paging,
        slug: word.optional(),
        region: word.optional(),
        status: status.optional(),
        held: flag.optional(),
        integration_id: idText.optional().describe('Those linked to this integration.'),
      }),
      position: idOf,
      after: idText,
      rows: ({ slug, region, status, held, integration_id: integration }, page) =>
        directory.organizations({ slug, region, status, held, integration }, page),
    }),
    ...rowRoutes({
      ...row,
      path: '/api/organizations/{id}',
      key: z.strictObject({ id: idText }),
      summaries: {
        get: 'An organization',
        put: 'Creates or replaces an organization; with another region it moves, and what waits for it follows',
        delete: 'Deletes an organization with its links',
      },
      in: organizationIn,
      conflicts: false,
      check: refuseOthers,
      get: ({ id }) => directory.organization(id),
      put: ({ id }, body, options) => directory.putOrganization(organizationFrom(id, body), options),
      delete: ({ id }, options) => directory.deleteOrganization(id, options),
      told: {
        out: organizationOut.extend(moved.shape),
        async of(row, before): Promise<z.output<typeof moved>> {
          const hasMoved = before !== undefined && (before.region !== row.region || before.held !== row.held)
          const { warnings = [], ...told } = hasMoved ? await followMove(before, row) : {}
          const known = topology().byName.has(row.region)
          const all = known ? warnings : [`${row.region} is not in the regions file`, ...warnings]
          return { ...told, ...(all.length > 0 && { warnings: all }) }
        },
      },
    }),
  ]
}

function linkRoutes({ directory }: DirectoryRoutesParts): Route[] {
  const row = { out: linkOut, json: linkJson }
  return [
    listRoute({
      ...row,
      path: '/api/organization-integrations',
      summary: 'Which organizations use which integrations, in the order of both ids',
      items: 'links',
      query: z.strictObject({
        ...paging,
        integration_id: idText.optional(),
        organization_id: idText.optional(),
        status: status.optional(),
      }),
      position: ({ integrationId, organizationId }: Link) => [integrationId, organizationId] as const,
      after: z.tuple([idText, idText]).transform(([integration, organization]) => ({ integration, organization })),
      rows: ({ integration_id: integration, organization_id: organization, status }, page) =>
        directory.links({ integration, organization, status }, page),
    }),
    ...rowRoutes({
      ...row,
      path: '/api/organization-integrations/{integrationId}/{organizationId}',
      key: z.strictObject({ integrationId: idText, organizationId: idText }),
      summaries: {
        get: 'The link of an integration to an organization',
        put: 'Links an integration to an organization, or changes the link',
        delete: 'Deletes the link of an integration to an organization',
      },
      in: linkIn.prefault({}),
      conflicts: true,
      check: ({ integrationId, organizationId }, body) =>
        refuseOthers({ integration_id: integrationId, organization_id: organizationId }, body),
      get: ({ integrationId, organizationId }) => directory.link(integrationId, organizationId),
      put: (key, { status }, options) => directory.putLink({ ...key, status }, options),
      delete: ({ integrationId, organizationId }, options) =>
        directory.deleteLink(integrationId, organizationId, options),
    }),
  ]
}

function identities({ directory }: DirectoryRoutesParts): Route {
  return listRoute({
    path: '/api/identities',
    summary: "Whose accounts at the provider are linked to whom, by the integration and the provider's user",
    items: 'identities',
    query: z.strictObject({
      ...paging,
      integration_id: idText.optional(),
      external_user_id: word.optional(),
      user: storable.min(1).max(255).optional(),
    }),
    out: identityOut,
    json: identityJson,
    position: ({ integrationId, externalUserId }: Identity) => [integrationId, externalUserId] as const,
    after: z.tuple([idText, storable]).transform(([integration, externalUserId]) => ({ integration, externalUserId })),
    rows: ({ integration_id: integration, external_user_id: externalUserId, user }, page) =>
      directory.identities({ integration, externalUserId, user }, page),
  })
}

const idOf = ({ id }: { readonly id: Id }): Id => id

/** A body may name the row that it is; it cannot be another than the path's. */
function refuseOthers(path: Readonly<Record<string, Id>>, body: Readonly<Record<string, unknown>>): void {
  const others = Object.entries(path).filter(([name, id]) => body[name] !== undefined && body[name] !== id)
  if (others.length === 0) return
  throw invalidRequest(others.map(([name, id]) => ({ path: name, message: `must be ${id}, as in the path` })))
}
