import { sql, type Kysely } from 'kysely'
import type { Id } from './directory.ts'
import type { DirectoryReader } from './edit.ts'
import { toStored } from './id.ts'
import { identityFrom, integrationFrom, linkFrom, organizationFrom } from './rows.ts'
import type { DirectorySchema } from './schema.ts'

/** Reads single rows, and lists page by page: each begins behind the last row of the one before, so none costs more. */
export function createDirectoryReader(db: Kysely<DirectorySchema>): DirectoryReader {
  return {
    async integration(id) {
      const stored = toStored(id)
      if (stored === undefined) return undefined
      const row = await db.selectFrom('integrations').selectAll().where('id', '=', stored).executeTakeFirst()
      return row && integrationFrom(row)
    },

    async organization(id) {
      const stored = toStored(id)
      if (stored === undefined) return undefined
      const row = await db.selectFrom('organizations').selectAll().where('id', '=', stored).executeTakeFirst()
      return row && organizationFrom(row)
    },

    async link(integration, organization) {
      const integrationId = toStored(integration)
      const organizationId = toStored(organization)
      if (integrationId === undefined || organizationId === undefined) return undefined
      const row = await db
        .selectFrom('organization_integrations')
        .selectAll()
        .where('integration_id', '=', integrationId)
        .where('organization_id', '=', organizationId)
        .executeTakeFirst()
      return row && linkFrom(row)
    },

    async integrations(filter, page) {
      return (await integrationsQuery(db, filter, page).execute()).map(integrationFrom)
    },
    async organizations(filter, page) {
      return (await organizationsQuery(db, filter, page).execute()).map(organizationFrom)
    },
    async links(filter, page) {
      return (await linksQuery(db, filter, page).execute()).map(linkFrom)
    },
    async identities(filter, page) {
      return (await identitiesQuery(db, filter, page).execute()).map(identityFrom)
    },
  }
}

type Asked<List extends 'integrations' | 'organizations' | 'links' | 'identities'> = Parameters<DirectoryReader[List]>

/** What no row can have as its id names none of them; ids count from 1. */
const idOf = (text: Id): bigint => toStored(text) ?? 0n

export function integrationsQuery(db: Kysely<DirectorySchema>, ...[filter, { limit, after }]: Asked<'integrations'>) {
  const { provider, appId, externalId, enterpriseId, status, organization } = filter
  let query = db.selectFrom('integrations').selectAll().orderBy('id').limit(limit)
  if (provider !== undefined) query = query.where('provider', '=', provider)
  if (appId !== undefined) query = query.where('app_id', '=', appId)
  if (externalId !== undefined) query = query.where('external_id', '=', externalId)
  if (enterpriseId !== undefined) query = query.where('enterprise_id', '=', enterpriseId)
  if (status !== undefined) query = query.where('status', '=', status)
  if (organization !== undefined) {
    const linked = db
      .selectFrom('organization_integrations')
      .select('integration_id')
      .where('organization_id', '=', idOf(organization))
    query = query.where('id', 'in', linked)
  }
  return after === undefined ? query : query.where('id', '>', idOf(after))
}

export function organizationsQuery(db: Kysely<DirectorySchema>, ...[filter, { limit, after }]: Asked<'organizations'>) {
  const { slug, region, status, held, integration } = filter
  let query = db.selectFrom('organizations').selectAll().orderBy('id').limit(limit)
  if (slug !== undefined) query = query.where('slug', '=', slug)
  if (region !== undefined) query = query.where('region', '=', region)
  if (status !== undefined) query = query.where('status', '=', status)
  // As it is written in the index of those that are held, which are few.
  if (held !== undefined) query = query.where('held', '=', sql.lit(held ? 1n : 0n))
  if (integration !== undefined) {
    const linked = db
      .selectFrom('organization_integrations')
      .select('organization_id')
      .where('integration_id', '=', idOf(integration))
    query = query.where('id', 'in', linked)
  }
  return after === undefined ? query : query.where('id', '>', idOf(after))
}

export function linksQuery(db: Kysely<DirectorySchema>, ...[filter, { limit, after }]: Asked<'links'>) {
  const { integration, organization, status } = filter
  const key = ['integration_id', 'organization_id'] as const
  let query = db.selectFrom('organization_integrations').selectAll().orderBy(key[0]).orderBy(key[1]).limit(limit)
  if (integration !== undefined) query = query.where('integration_id', '=', idOf(integration))
  if (organization !== undefined) query = query.where('organization_id', '=', idOf(organization))
  if (status !== undefined) query = query.where('status', '=', status)
  return after === undefined
    ? query
    : query.where((where) =>
        where(where.refTuple(...key), '>', where.tuple(idOf(after.integration), idOf(after.organization))),
      )
}

export function identitiesQuery(db: Kysely<DirectorySchema>, ...[filter, { limit, after }]: Asked<'identities'>) {
  const { integration, externalUserId, user } = filter
  const key = ['integration_id', 'external_user_id'] as const
  let query = db.selectFrom('identities').selectAll().orderBy(key[0]).orderBy(key[1]).limit(limit)
  if (integration !== undefined) query = query.where('integration_id', '=', idOf(integration))
  if (externalUserId !== undefined) query = query.where('external_user_id', '=', externalUserId)
  if (user !== undefined) query = query.where('user_name', '=', user)
  return after === undefined
    ? query
    : query.where((where) =>
        where(where.refTuple(...key), '>', where.tuple(idOf(after.integration), after.externalUserId)),
      )
}
