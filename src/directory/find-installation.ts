import { sql, type Kysely } from 'kysely'
import type { Installation, InstallationKey, Organization } from './directory.ts'
import { toStored } from './stored-id.ts'
import type { DirectorySchema } from './schema.ts'

/**
 * The installation a key means, in one round trip. Of the workspace's own integrations, the one with the key's app
 * wins over the one without an app; only if it has neither, the enterprise's serve, chosen the same way: the
 * enterprise of the key, then the one the directory itself records for the workspace. An integration of another app
 * never serves, and a disabled one is still the one that is meant.
 *
 * A key whose app is not known (shortcuts name none, and a signing secret need not) means the integration without an
 * app, or else the only one there is. Where several are equally meant, none is.
 */
export async function findInstallation(
  db: Kysely<DirectorySchema>,
  key: InstallationKey,
): Promise<Installation | undefined> {
  const meant = key.by === 'id' ? byId(db, key) : byExternalId(db, key)
  if (meant === undefined) return undefined

  const rows = await db
    .with('meant', () => meant)
    .selectFrom('meant')
    .leftJoin('organization_integrations as link', (join) =>
      join.onRef('link.integration_id', '=', 'meant.id').on('link.status', '=', 'active'),
    )
    .leftJoin('organizations as organization', (join) =>
      join.onRef('organization.id', '=', 'link.organization_id').on('organization.status', '=', 'active'),
    )
    .selectAll('meant')
    .select([
      'organization.id as organization_id',
      'organization.slug',
      'organization.name as organization_name',
      'organization.region',
      'organization.epoch',
    ])
    .orderBy('organization.id')
    .execute()

  const [first] = rows
  if (first === undefined || Number(first.equals) > 1) return undefined
  const organizations: Organization[] = []
  for (const row of rows) {
    const { organization_id, slug, organization_name, region, epoch } = row
    // Nothing joined: no link, or the organization behind it is disabled.
    if (organization_id === null || slug === null || organization_name === null || region === null) continue
    organizations.push({
      id: String(organization_id),
      slug,
      name: organization_name,
      region,
      status: 'active',
      epoch: Number(epoch),
    })
  }
  return {
    integration: {
      id: String(first.id),
      provider: first.provider,
      appId: first.app_id,
      externalId: first.external_id,
      enterpriseId: first.enterprise_id ?? undefined,
      defaultOrganizationId: first.default_organization_id === null ? undefined : String(first.default_organization_id),
      name: first.name,
      status: first.status,
    },
    organizations,
  }
}

type KeyOf<By> = Extract<InstallationKey, { by: By }>

function byId(db: Kysely<DirectorySchema>, key: KeyOf<'id'>) {
  const id = toStored(key.id)
  if (id === undefined) return undefined
  return db
    .selectFrom('integrations')
    .where('provider', '=', key.provider)
    .where('id', '=', id)
    .selectAll('integrations')
    .select(sql<number>`1`.as('equals'))
}

function byExternalId(db: Kysely<DirectorySchema>, key: KeyOf<'external'>) {
  const { provider, appId, externalId, enterpriseId } = key
  const beside = enterpriseId === undefined ? sql`` : sql`union all select cast(${enterpriseId} as text)`
  // One list to look up by, not a join with it: that is what makes the index on the workspace the only way to go.
  const named = sql<string>`(
    select cast(${externalId} as text)
    ${beside}
    union all
    select enterprise_id from integrations
    where provider = ${provider} and external_id = ${externalId} and enterprise_id is not null
  )`
  const rank = sql<number>`
    case external_id when ${externalId} then 0 when ${enterpriseId ?? externalId} then 3 else 6 end
    + case app_id when ${appId} then 0 when '' then 1 else 2 end`
  const candidates = db.selectFrom('integrations').where('provider', '=', provider).where('external_id', 'in', named)
  return (appId === '' ? candidates : candidates.where('app_id', 'in', [appId, '']))
    .selectAll('integrations')
    .select(sql<number | bigint | string>`count(*) over (partition by ${rank})`.as('equals'))
    .orderBy(rank)
    .orderBy('id')
    .limit(1)
}
