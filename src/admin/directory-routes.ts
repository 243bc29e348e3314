import type { IncomingHttpHeaders } from 'node:http'
import { z } from 'zod'
import type { Id, Organization } from '../directory/directory.ts'
import type { Identity } from '../directory/identities.ts'
import type { Deleted, DirectoryEditor, Link, Versioned, Written } from '../directory/edit.ts'
import { linkedIntegrations } from '../directory/linked-integrations.ts'
import { status, storable, word } from '../directory/row-fields.ts'
import { Refusal } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { Topology } from '../regions/regions.ts'
import type { Log } from '../telemetry/log.ts'
import { etagOf, isKnown, preconditionFailed, preconditionOf, readsIf, tagged, writesIf } from './conditional.ts'
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
import { flag, idText, pageOf, paging, readPage } from './fields.ts'
import { fromStore } from './from-store.ts'
import { invalidRequest, route, type Route } from './route.ts'

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
  const params = z.strictObject({ id: idText })
  const path = '/api/integrations/{id}'
  return [
    route({
      method: 'get',
      path: '/api/integrations',
      summary: 'Integrations in the order of their ids',
      writes: false,
      query: z.strictObject({
        ...paging,
        provider: word.optional(),
        app_id: z.union([word, z.literal('')]).optional(),
        external_id: word.optional(),
        enterprise_id: word.optional(),
        status: status.optional(),
        organization_id: idText.optional().describe('Those linked to this organization.'),
      }),
      responses: { 200: { description: 'A page of integrations', body: pageOf(integrationOut) } },
      async handle({ query: { provider, app_id, external_id, enterprise_id, status, organization_id, ...page } }) {
        const filter = {
          provider,
          appId: app_id,
          externalId: external_id,
          enterpriseId: enterprise_id,
          status,
          organization: organization_id,
        }
        const { rows, next_cursor } = await readPage(page, idText, idOf, (asked) =>
          fromStore(directory.integrations(filter, asked)),
        )
        return { status: 200, body: { items: rows.map(integrationJson), next_cursor } }
      },
    }),
    route({
      method: 'get',
      path,
      summary: 'An integration',
      writes: false,
      params,
      heeds: readsIf,
      responses: reading(integrationOut),
      problems: ['not_found'],
      handle: async ({ params: { id }, headers }) =>
        read(await fromStore(directory.integration(id)), headers, integrationJson),
    }),
    route({
      method: 'put',
      path,
      summary: 'Creates or replaces an integration',
      writes: true,
      params,
      body: integrationIn,
      heeds: writesIf,
      responses: putting(integrationOut),
      problems: ['precondition_failed', 'conflict'],
      async handle({ params: { id }, body, headers, author }) {
        refuseOthers({ id }, body)
        const names = providers().map(({ name }) => name)
        if (!names.includes(body.provider)) {
          throw invalidRequest([{ path: 'provider', message: `must be ${names.join(' or ')}` }])
        }
        const options = { author, precondition: preconditionOf(headers) }
        return put(await fromStore(directory.putIntegration(integrationFrom(id, body), options)), integrationJson)
      },
    }),
    route({
      method: 'delete',
      path,
      summary: 'Deletes an integration with its links and identities',
      writes: true,
      params,
      heeds: writesIf,
      responses: deleting,
      problems: ['not_found', 'precondition_failed'],
      async handle({ params: { id }, headers, author }) {
        const options = { author, precondition: preconditionOf(headers) }
        return removed(await fromStore(directory.deleteIntegration(id, options)))
      },
    }),
  ]
}

function organizationRoutes({ directory, topology, follow, log }: DirectoryRoutesParts): Route[] {
  const params = z.strictObject({ id: idText })
  const path = '/api/organizations/{id}'

  /** What is not done when it fails is done when each delivery's turn comes, so it is told rather than refused. */
  async function followed(before: Organization, after: Organization) {
    try {
      const integrations = await linkedIntegrations(directory, after.id)
      const { moved, busy, unreadable } = await follow({ id: after.id, before, after, integrations })
      const later = busy + unreadable
      return {
        moved_deliveries: moved,
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
    route({
      method: 'get',
      path: '/api/organizations',
      summary: 'Organizations in the order of their ids',
      writes: false,
      query: z.strictObject({
        ...paging,
        slug: word.optional(),
        region: word.optional(),
        status: status.optional(),
        held: flag.optional(),
        integration_id: idText.optional().describe('Those linked to this integration.'),
      }),
      responses: { 200: { description: 'A page of organizations', body: pageOf(organizationOut) } },
      async handle({ query: { limit, cursor, integration_id: integration, ...filter } }) {
        const { rows, next_cursor } = await readPage({ limit, cursor }, idText, idOf, (asked) =>
          fromStore(directory.organizations({ ...filter, integration }, asked)),
        )
        return { status: 200, body: { items: rows.map(organizationJson), next_cursor } }
      },
    }),
    route({
      method: 'get',
      path,
      summary: 'An organization',
      writes: false,
      params,
      heeds: readsIf,
      responses: reading(organizationOut),
      problems: ['not_found'],
      handle: async ({ params: { id }, headers }) =>
        read(await fromStore(directory.organization(id)), headers, organizationJson),
    }),
    route({
      method: 'put',
      path,
      summary: 'Creates or replaces an organization; with another region it moves, and what waits for it follows',
      writes: true,
      params,
      body: organizationIn,
      heeds: writesIf,
      responses: putting(
        organizationOut.extend({
          warnings: z.array(z.string()).optional(),
          moved_deliveries: z.int().optional().describe('How many waiting deliveries have followed, where it moved.'),
        }),
      ),
      problems: ['precondition_failed'],
      async handle({ params: { id }, body, headers, author }) {
        refuseOthers({ id }, body)
        const options = { author, precondition: preconditionOf(headers) }
        const written = await fromStore(directory.putOrganization(organizationFrom(id, body), options))
        const answer = put(written, organizationJson)
        if (written.kind !== 'written') return answer
        const { before, row } = written
        const hasMoved = before !== undefined && (before.region !== row.region || before.held !== row.held)
        const { warnings = [], ...told } = hasMoved ? await followed(before, row) : {}
        const known = topology().byName.has(row.region)
        const all = known ? warnings : [`${row.region} is not in the regions file`, ...warnings]
        return { ...answer, body: { ...answer.body, ...told, ...(all.length > 0 && { warnings: all }) } }
      },
    }),
    route({
      method: 'delete',
      path,
      summary: 'Deletes an organization with its links',
      writes: true,
      params,
      heeds: writesIf,
      responses: deleting,
      problems: ['not_found', 'precondition_failed'],
      async handle({ params: { id }, headers, author }) {
        const options = { author, precondition: preconditionOf(headers) }
        return removed(await fromStore(directory.deleteOrganization(id, options)))
      },
    }),
  ]
}

function linkRoutes({ directory }: DirectoryRoutesParts): Route[] {
  const params = z.strictObject({ integrationId: idText, organizationId: idText })
  const path = '/api/organization-integrations/{integrationId}/{organizationId}'
  return [
    route({
      method: 'get',
      path: '/api/organization-integrations',
      summary: 'Which organizations use which integrations, in the order of both ids',
      writes: false,
      query: z.strictObject({
        ...paging,
        integration_id: idText.optional(),
        organization_id: idText.optional(),
        status: status.optional(),
      }),
      responses: { 200: { description: 'A page of links', body: pageOf(linkOut) } },
      async handle({ query: { integration_id, organization_id, status, ...page } }) {
        const filter = { integration: integration_id, organization: organization_id, status }
        const { rows, next_cursor } = await readPage(
          page,
          z.tuple([idText, idText]),
          ({ integrationId, organizationId }: Link) => [integrationId, organizationId] as const,
          ({ limit, after }) =>
            fromStore(
              directory.links(filter, { limit, after: after && { integration: after[0], organization: after[1] } }),
            ),
        )
        return { status: 200, body: { items: rows.map(linkJson), next_cursor } }
      },
    }),
    route({
      method: 'get',
      path,
      summary: 'The link of an integration to an organization',
      writes: false,
      params,
      heeds: readsIf,
      responses: reading(linkOut),
      problems: ['not_found'],
      handle: async ({ params: { integrationId, organizationId }, headers }) =>
        read(await fromStore(directory.link(integrationId, organizationId)), headers, linkJson),
    }),
    route({
      method: 'put',
      path,
      summary: 'Links an integration to an organization, or changes the link',
      writes: true,
      params,
      body: linkIn.prefault({}),
      heeds: writesIf,
      responses: putting(linkOut),
      problems: ['precondition_failed', 'conflict'],
      async handle({ params: { integrationId, organizationId }, body, headers, author }) {
        refuseOthers({ integration_id: integrationId, organization_id: organizationId }, body)
        const options = { author, precondition: preconditionOf(headers) }
        const link = { integrationId, organizationId, status: body.status }
        return put(await fromStore(directory.putLink(link, options)), linkJson)
      },
    }),
    route({
      method: 'delete',
      path,
      summary: 'Deletes the link of an integration to an organization',
      writes: true,
      params,
      heeds: writesIf,
      responses: deleting,
      problems: ['not_found', 'precondition_failed'],
      async handle({ params: { integrationId, organizationId }, headers, author }) {
        const options = { author, precondition: preconditionOf(headers) }
        return removed(await fromStore(directory.deleteLink(integrationId, organizationId, options)))
      },
    }),
  ]
}

function identities({ directory }: DirectoryRoutesParts): Route {
  return route({
    method: 'get',
    path: '/api/identities',
    summary: "Whose accounts at the provider are linked to whom, by the integration and the provider's user",
    writes: false,
    query: z.strictObject({
      ...paging,
      integration_id: idText.optional(),
      external_user_id: word.optional(),
      user: storable.min(1).max(255).optional(),
    }),
    responses: { 200: { description: 'A page of identities', body: pageOf(identityOut) } },
    async handle({ query: { integration_id, external_user_id, user, ...page } }) {
      const filter = { integration: integration_id, externalUserId: external_user_id, user }
      const { rows, next_cursor } = await readPage(
        page,
        z.tuple([idText, storable]),
        ({ integrationId, externalUserId }: Identity) => [integrationId, externalUserId] as const,
        ({ limit, after }) =>
          fromStore(
            directory.identities(filter, {
              limit,
              after: after && { integration: after[0], externalUserId: after[1] },
            }),
          ),
      )
      return { status: 200, body: { items: rows.map(identityJson), next_cursor } }
    },
  })
}

const idOf = ({ id }: { readonly id: Id }): Id => id

const reading = <Body extends z.ZodType>(body: Body) =>
  ({
    200: { description: 'The row', body, headers: tagged },
    304: { description: 'The row is as the caller knows it', headers: tagged },
  }) as const

const putting = <Body extends z.ZodType>(body: Body) =>
  ({
    200: { description: 'The row as it is now', body, headers: tagged },
    201: { description: 'The row, which was not there before', body, headers: tagged },
  }) as const

const deleting = { 204: { description: 'It is not there any more' } } as const

function read<Row extends object, Json>(
  row: Versioned<Row> | undefined,
  headers: IncomingHttpHeaders,
  json: (row: Row) => Json,
) {
  if (row === undefined) throw noSuchRow()
  if (isKnown(row, headers)) return { status: 304, headers: etagOf(row) } as const
  return { status: 200, headers: etagOf(row), body: json(row) } as const
}

function put<Row extends object, Json>(written: Written<Row>, json: (row: Row) => Json) {
  switch (written.kind) {
    case 'written': {
      const { row, before } = written
      return { status: before === undefined ? 201 : 200, headers: etagOf(row), body: json(row) } as const
    }
    case 'precondition_failed':
      throw preconditionFailed(written.current)
    case 'conflict': {
      const { path, reason: message } = written
      throw new Refusal('conflict', 'The row contradicts what is there: see errors.', { errors: [{ path, message }] })
    }
  }
}

function removed(deleted: Deleted<object>) {
  switch (deleted.kind) {
    case 'deleted':
      return { status: 204 } as const
    case 'absent':
      throw noSuchRow()
    case 'precondition_failed':
      throw preconditionFailed(deleted.current)
  }
}

function noSuchRow(): Refusal {
  return new Refusal('not_found', 'There is no such row.')
}

/** A body may name the row that it is; it cannot be another than the path's. */
function refuseOthers(path: Readonly<Record<string, Id>>, body: Readonly<Record<string, unknown>>): void {
  const others = Object.entries(path).filter(([name, id]) => body[name] !== undefined && body[name] !== id)
  if (others.length === 0) return
  throw invalidRequest(others.map(([name, id]) => ({ path: name, message: `must be ${id}, as in the path` })))
}
