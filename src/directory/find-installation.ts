import { sql, type CompiledQuery, type Kysely } from 'kysely'
import type { Installation, InstallationKey, Integration, Organization, Status } from './directory.ts'
import { formerHomesFrom } from './former-homes.ts'
import type { DirectorySchema } from './schema.ts'
import { toStored } from './id.ts'

/** An organization that an integration is linked to; it is served where both it and the link are active. */
export interface LinkedOrganization extends Organization {
  readonly linkStatus: Status
}

/** An integration with every organization it is linked to, in id order, whatever their status. */
export interface Inspection {
  readonly integration: Integration
  readonly organizations: readonly LinkedOrganization[]
}

/** What the directory has for a key, and its version when it said so. */
export interface Found {
  /** With its active organizations; undefined: there is none. */
  readonly installation: Installation | undefined
  readonly version: number
}

export interface InstallationFinder {
  /** The installation a key means. */
  find(key: InstallationKey): Promise<Found>
  /** What `find` would choose, with what it leaves out. */
  inspect(key: InstallationKey): Promise<Inspection | undefined>
}

/**
 * Looks up the installation a key means, in one round trip. Of the workspace's own integrations, the one with the
 * key's app wins over the one without an app; only if it has neither, the enterprise's serve, chosen the same way:
 * the enterprise of the key, then the one the directory itself records for the workspace. An integration of another
 * app never serves, and a disabled one is still the one that is meant.
 *
 * A key whose app is not known (shortcuts name none, and a signing secret need not) means the integration without an
 * app, or else the only one there is. Where several are equally meant, none is.
 */
export function createInstallationFinder(db: Kysely<DirectorySchema>): InstallationFinder {
  const active = compileLookUps(db, 'active')
  const all = compileLookUps(db, 'all')

  async function rowsOf(lookUps: LookUps, key: InstallationKey): Promise<readonly Row[]> {
    const query = filled(lookUps, key)
    return query === undefined ? [] : (await db.executeQuery(query)).rows
  }

  return {
    async find(key) {
      const rows = await rowsOf(active, key)
      const { integration, its } = meantBy(key, rows)
      return {
        installation: integration && { integration, organizations: its.flatMap((row) => organizationOf(row) ?? []) },
        // Without a row nobody was asked: there never is anything for such a key, at no version.
        version: Number(rows[0]?.directory_version ?? Infinity),
      }
    },

    async inspect(key) {
      const { integration, its } = meantBy(key, await rowsOf(all, key))
      return integration && { integration, organizations: its.flatMap((row) => linkedOrganizationOf(row) ?? []) }
    },
  }
}

type LookUps = ReturnType<typeof compileLookUps>
type Row = LookUps['byId'] extends CompiledQuery<infer Columns> ? Columns : never

/** Stand in a compiled query where a key's values go: to build a query costs many times what it costs to run it. */
const slots = {
  provider: Symbol('provider'),
  appId: Symbol('appId'),
  externalId: Symbol('externalId'),
  enterpriseId: Symbol('enterpriseId'),
  id: Symbol('id'),
}

/** The queries behind every look-up, each with symbols among its parameters. */
export function compileLookUps(db: Kysely<DirectorySchema>, organizations: 'active' | 'all') {
  return {
    byId: withOrganizations(db, integrationById(db), organizations).compile(),
    byExternalId: withOrganizations(db, integrationByExternalId(db), organizations).compile(),
  }
}

function filled({ byId, byExternalId }: LookUps, key: InstallationKey): CompiledQuery<Row> | undefined {
  const values = new Map<unknown, unknown>([[slots.provider, key.provider]])
  if (key.by === 'id') {
    const id = toStored(key.id)
    if (id === undefined) return undefined
    values.set(slots.id, id)
  } else {
    values.set(slots.appId, key.appId)
    values.set(slots.externalId, key.externalId)
    values.set(slots.enterpriseId, key.enterpriseId ?? null)
  }
  // Texts that no row can have: PostgreSQL does not take the one, and the other would be read as another's.
  const isStorable = (value: unknown) => typeof value !== 'string' || (!value.includes('\0') && value.isWellFormed())
  if (!values.values().every(isStorable)) return undefined
  const query = key.by === 'id' ? byId : byExternalId
  return { ...query, parameters: query.parameters.map((value) => (values.has(value) ? values.get(value) : value)) }
}

function integrationById(db: Kysely<DirectorySchema>) {
  return db
    .selectFrom('integrations')
    .where('provider', '=', sql<string>`${slots.provider}`)
    .where('id', '=', sql<bigint>`${slots.id}`)
    .selectAll('integrations')
}

function integrationByExternalId(db: Kysely<DirectorySchema>) {
  const { provider, appId, externalId, enterpriseId } = slots
  // One list to look up by, not a join with it: that is what makes the index on the workspace the only way to go.
  // What is NULL in it matches nothing; to leave it out would suggest reading through the index on enterprises.
  const named = sql<string>`(
    select cast(${externalId} as text)
    union all
    select cast(${enterpriseId} as text)
    union all
    select enterprise_id from integrations
    where provider = ${provider} and external_id = ${externalId}
  )`
  return db
    .selectFrom('integrations')
    .where('provider', '=', sql<string>`${provider}`)
    .where('external_id', 'in', named)
    .where(sql<boolean>`(cast(${appId} as text) = '' or app_id in (${appId}, ''))`)
    .selectAll('integrations')
}

type Meant = ReturnType<typeof integrationById>

function withOrganizations(db: Kysely<DirectorySchema>, meant: Meant, organizations: 'active' | 'all') {
  return (
    db
      .with('meant', () => meant)
      // There is a row of it whatever is found: the version of what was read, in the same snapshot.
      .selectFrom('directory_state as state')
      .leftJoin('meant', (join) => join.onTrue())
      .leftJoin('organization_integrations as link', (join) => {
        const linked = join.onRef('link.integration_id', '=', 'meant.id')
        return organizations === 'all' ? linked : linked.on('link.status', '=', 'active')
      })
      .leftJoin('organizations as organization', (join) => {
        const linked = join.onRef('organization.id', '=', 'link.organization_id')
        return organizations === 'all' ? linked : linked.on('organization.status', '=', 'active')
      })
      .selectAll('meant')
      .select([
        'organization.id as organization_id',
        'organization.slug',
        'organization.name as organization_name',
        'organization.region',
        'organization.status as organization_status',
        'organization.epoch',
        'organization.held',
        'organization.former_regions',
        'organization.moved_at',
        'link.status as link_status',
        'state.version as directory_version',
      ])
      .orderBy('organization.id')
  )
}

/**
 * The integration that wins, and its rows of those that were found; none where several are equally meant. Decided here,
 * since there are few: to have the database rank them takes it several times as long as finding them.
 */
function meantBy(key: InstallationKey, rows: readonly Row[]) {
  const least = rows.reduce((least, row) => Math.min(least, rankOf(key, row)), Infinity)
  const its = rows.filter((row) => rankOf(key, row) === least)
  const isOne = its.every(({ id }) => id === its[0]?.id)
  return { integration: isOne ? integrationOf(its) : undefined, its }
}

/** The lower, the closer to what the key names. */
function rankOf(key: InstallationKey, { external_id, app_id }: Row): number {
  if (key.by === 'id') return 0
  const whose = external_id === key.externalId ? 0 : external_id === key.enterpriseId ? 3 : 6
  return whose + (app_id === key.appId ? 0 : app_id === '' ? 1 : 2)
}

function integrationOf([first]: readonly Row[]): Integration | undefined {
  if (first === undefined) return undefined
  const { id, provider, app_id, external_id, enterprise_id, default_organization_id, name, status } = first
  if (id === null || provider === null || app_id === null || external_id === null) return undefined
  if (name === null || status === null) return undefined
  return {
    id: String(id),
    provider,
    appId: app_id,
    externalId: external_id,
    enterpriseId: enterprise_id ?? undefined,
    defaultOrganizationId: default_organization_id === null ? undefined : String(default_organization_id),
    name,
    status,
  }
}

/** Undefined where nothing was joined: there is no installation or no link, or the organization behind it was not asked for. */
function organizationOf(row: Row): Organization | undefined {
  const { organization_id, slug, organization_name, region, organization_status, epoch, held } = row
  if (organization_id === null || slug === null || organization_name === null) return undefined
  if (region === null || organization_status === null) return undefined
  return {
    id: String(organization_id),
    slug,
    name: organization_name,
    region,
    status: organization_status,
    epoch: Number(epoch),
    held: Number(held) === 1,
    ...formerHomesFrom({ ...row, region }),
  }
}

function linkedOrganizationOf(row: Row): LinkedOrganization | undefined {
  const organization = organizationOf(row)
  if (organization === undefined || row.link_status === null) return undefined
  return { ...organization, linkStatus: row.link_status }
}
