import { isDeepStrictEqual } from 'node:util'
import type { Transaction } from 'kysely'
import { recordAudit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import type { Connections } from '../database/connections.ts'
import type { DirectoryChange } from './change.ts'
import type { Id, Integration, Organization } from './directory.ts'
import type {
  Deleted,
  DirectoryEditor,
  DirectoryReader,
  Link,
  OrganizationToWrite,
  Precondition,
  Versioned,
  WriteOptions,
  Written,
} from './edit.ts'
import { regionsLeft } from './former-homes.ts'
import { toStored } from './id.ts'
import { createDirectoryReader } from './list-rows.ts'
import type { DirectorySchema } from './schema.ts'
import { countBack, countUp } from './version.ts'

/** Edits the directory on any of its databases. */
export function createDirectoryEditor(
  { lookUps, writes }: Pick<Connections<DirectorySchema>, 'lookUps' | 'writes'>,
  clock: Clock,
): DirectoryEditor {
  const inTurn = <Result extends Written<object> | Deleted<object>>(work: (write: Write) => Promise<Result>) =>
    writes.transaction().execute(async (trx) => {
      const version = await countUp(trx)
      const result = await work({ trx, now: createDirectoryReader(trx), version, at: clock.now() })
      if (!('change' in result) || result.change === undefined) await countBack(trx)
      return result
    })

  return {
    ...createDirectoryReader(lookUps),
    putIntegration: (row, options) => inTurn((write) => put(write, integrationToPut(write, row), options)),
    putOrganization: (row, options) => inTurn((write) => put(write, organizationToPut(write, row), options)),
    putLink: (row, options) => inTurn((write) => put(write, linkToPut(write, row), options)),
    deleteIntegration: (id, options) => inTurn((write) => remove(write, integrationToDelete(write, id), options)),
    deleteOrganization: (id, options) => inTurn((write) => remove(write, organizationToDelete(write, id), options)),
    deleteLink: (integration, organization, options) =>
      inTurn((write) => remove(write, linkToDelete(write, integration, organization), options)),
    async forgetFormerHomes(id, until) {
      await writes
        .updateTable('organizations')
        .set({ former_regions: '', moved_at: null })
        .where('id', '=', storedId(id))
        .where('moved_at', '=', BigInt(until))
        .execute()
    },
  }
}

/** One at a time, each at a version of its own. */
interface Write {
  readonly trx: Transaction<DirectorySchema>
  /** The rows as they are in the transaction. */
  readonly now: DirectoryReader
  readonly version: number
  readonly at: number
}

type Conflict = Extract<Written<never>, { kind: 'conflict' }>
type Concerned = Omit<Extract<DirectoryChange['what'], { kind: 'some' }>, 'kind'>

interface Put<Row> {
  readonly subject: string
  before(): Promise<Versioned<Row> | undefined>
  /** What it would contradict. */
  conflict(): Promise<Conflict | undefined>
  after(before: Row | undefined): Row
  store(after: Row, before: Row | undefined): Promise<unknown>
  action(before: Row | undefined, after: Row): string
  concerned(before: Row | undefined, after: Row): Promise<Concerned>
}

async function put<Row extends object>(
  write: Write,
  steps: Put<Row>,
  { author, precondition }: WriteOptions,
): Promise<Written<Row>> {
  const { version, trx, at } = write
  const before = await steps.before()
  if (!isMet(precondition, before)) return { kind: 'precondition_failed', current: before }
  const conflict = await steps.conflict()
  if (conflict !== undefined) return conflict
  const after = steps.after(before)
  if (before !== undefined && isDeepStrictEqual({ ...after, version: before.version }, before)) {
    return { kind: 'written', row: before, before, change: undefined }
  }
  await steps.store(after, before)
  const row = { ...after, version }
  const action = steps.action(before, after)
  await recordAudit(trx, { at, author, action, subject: steps.subject, details: { before, after: row } })
  const what = { kind: 'some', ...(await steps.concerned(before, after)) } as const
  return { kind: 'written', row, before, change: { version, what } }
}

interface Delete<Row> {
  readonly subject: string
  readonly action: string
  before(): Promise<Versioned<Row> | undefined>
  /** What goes with it goes by itself. */
  remove(): Promise<unknown>
  /** Asked before it is gone. */
  concerned(before: Row): Promise<Concerned>
}

async function remove<Row>(
  { version, trx, at }: Write,
  steps: Delete<Row>,
  { author, precondition }: WriteOptions,
): Promise<Deleted<Row>> {
  const before = await steps.before()
  if (before === undefined) return { kind: 'absent' }
  if (!isMet(precondition, before)) return { kind: 'precondition_failed', current: before }
  const what = { kind: 'some', ...(await steps.concerned(before)) } as const
  await steps.remove()
  await recordAudit(trx, { at, author, action: steps.action, subject: steps.subject, details: { before } })
  return { kind: 'deleted', before, change: { version, what } }
}

function isMet(precondition: Precondition, current: { readonly version: number } | undefined): boolean {
  switch (precondition.kind) {
    case 'none':
      return true
    case 'version':
      return current?.version === precondition.is
    case 'exists':
      return current !== undefined
    case 'absent':
      return current === undefined
  }
}

function integrationToPut({ trx, now, version }: Write, row: Integration): Put<Integration> {
  const id = storedId(row.id)
  return {
    subject: `integration ${id}`,
    before: () => now.integration(row.id),
    async conflict() {
      const { provider, externalId, appId, defaultOrganizationId } = row
      const taken = await trx
        .selectFrom('integrations')
        .select('id')
        .where('provider', '=', provider)
        .where('external_id', '=', externalId)
        .where('app_id', '=', appId)
        .where('id', '!=', id)
        .executeTakeFirst()
      if (taken !== undefined) {
        return conflict('external_id', `${externalId} belongs to integration ${taken.id} already`)
      }
      if (defaultOrganizationId === undefined || (await now.organization(defaultOrganizationId))) return undefined
      return doesNotExist('default_organization_id', 'organization', defaultOrganizationId)
    },
    after: () => ({
      id: String(id),
      provider: row.provider,
      appId: row.appId,
      externalId: row.externalId,
      enterpriseId: row.enterpriseId,
      defaultOrganizationId:
        row.defaultOrganizationId === undefined ? undefined : String(storedId(row.defaultOrganizationId)),
      name: row.name,
      status: row.status,
    }),
    store(after) {
      const columns = {
        provider: after.provider,
        app_id: after.appId,
        external_id: after.externalId,
        enterprise_id: after.enterpriseId ?? null,
        default_organization_id:
          after.defaultOrganizationId === undefined ? null : storedId(after.defaultOrganizationId),
        name: after.name,
        status: after.status,
        version: BigInt(version),
      }
      return trx
        .insertInto('integrations')
        .values({ id, ...columns })
        .onConflict((existing) => existing.column('id').doUpdateSet(columns))
        .execute()
    },
    action: () => 'integration.put',
    concerned: (before, after) => Promise.resolve(concernedBy(before === undefined ? [after] : [before, after])),
  }
}

function organizationToPut({ trx, now, version, at }: Write, row: OrganizationToWrite): Put<Organization> {
  const id = storedId(row.id)
  return {
    subject: `organization ${id}`,
    before: () => now.organization(row.id),
    conflict: () => Promise.resolve(undefined),
    after: (before) => ({
      id: String(id),
      slug: row.slug,
      name: row.name,
      region: row.region,
      status: row.status,
      epoch: before === undefined ? 0 : before.region === row.region ? before.epoch : before.epoch + 1,
      held: row.held ?? before?.held ?? false,
    }),
    store({ slug, name, region, status, epoch, held }, before) {
      const columns = {
        slug,
        name,
        region,
        status,
        epoch: BigInt(epoch),
        held: held ? 1n : 0n,
        version: BigInt(version),
      }
      const leaves = before !== undefined && (before.region !== region || (before.held && !held))
      const left = leaves ? { former_regions: regionsLeft('organizations'), moved_at: BigInt(at) } : {}
      return trx
        .insertInto('organizations')
        .values({ id, ...columns })
        .onConflict((existing) => existing.column('id').doUpdateSet({ ...columns, ...left }))
        .execute()
    },
    action(before, { region, held }) {
      if (before !== undefined && before.region !== region) return 'organization.move'
      if ((before?.held ?? false) !== held) return held ? 'organization.hold' : 'organization.release'
      return 'organization.put'
    },
    concerned: async (_, after) => ({
      integrations: await integrationsOf(trx, id),
      organizations: [after.id],
      installations: [],
    }),
  }
}

function linkToPut({ trx, now, version }: Write, row: Link): Put<Link> {
  const integration_id = storedId(row.integrationId)
  const organization_id = storedId(row.organizationId)
  return {
    subject: linkName(integration_id, organization_id),
    before: () => now.link(row.integrationId, row.organizationId),
    async conflict() {
      if ((await now.integration(row.integrationId)) === undefined) {
        return doesNotExist('integration_id', 'integration', row.integrationId)
      }
      if ((await now.organization(row.organizationId)) === undefined) {
        return doesNotExist('organization_id', 'organization', row.organizationId)
      }
      return undefined
    },
    after: () => ({
      integrationId: String(integration_id),
      organizationId: String(organization_id),
      status: row.status,
    }),
    store({ status }) {
      const columns = { status, version: BigInt(version) }
      return trx
        .insertInto('organization_integrations')
        .values({ integration_id, organization_id, ...columns })
        .onConflict((existing) => existing.columns(['integration_id', 'organization_id']).doUpdateSet(columns))
        .execute()
    },
    action: () => 'link.put',
    concerned: (_, after) => Promise.resolve(concernedByLink(after)),
  }
}

function integrationToDelete({ trx, now }: Write, id: Id): Delete<Integration> {
  return {
    subject: `integration ${id}`,
    action: 'integration.delete',
    before: () => now.integration(id),
    remove: () => trx.deleteFrom('integrations').where('id', '=', storedId(id)).execute(),
    concerned: (before) => Promise.resolve(concernedBy([before])),
  }
}

function organizationToDelete({ trx, now, version }: Write, id: Id): Delete<Organization> {
  return {
    subject: `organization ${id}`,
    action: 'organization.delete',
    before: () => now.organization(id),
    async remove() {
      // The rows change with it, and so must their versions.
      await trx
        .updateTable('integrations')
        .set({ default_organization_id: null, version: BigInt(version) })
        .where('default_organization_id', '=', storedId(id))
        .execute()
      await trx.deleteFrom('organizations').where('id', '=', storedId(id)).execute()
    },
    async concerned(before) {
      const preferring = await trx
        .selectFrom('integrations')
        .select('id')
        .where('default_organization_id', '=', storedId(id))
        .execute()
      const linked = await integrationsOf(trx, storedId(id))
      return {
        integrations: [...new Set([...linked, ...preferring.map((row) => String(row.id))])],
        organizations: [before.id],
        installations: [],
      }
    },
  }
}

function linkToDelete({ trx, now }: Write, integration: Id, organization: Id): Delete<Link> {
  return {
    subject: linkName(integration, organization),
    action: 'link.delete',
    before: () => now.link(integration, organization),
    remove: () =>
      trx
        .deleteFrom('organization_integrations')
        .where('integration_id', '=', storedId(integration))
        .where('organization_id', '=', storedId(organization))
        .execute(),
    concerned: (before) => Promise.resolve(concernedByLink(before)),
  }
}

/** Also where the organization is not served there by now: it may be from now on. */
async function integrationsOf(trx: Write['trx'], organization: bigint): Promise<Id[]> {
  const rows = await trx
    .selectFrom('organization_integrations')
    .select('integration_id')
    .where('organization_id', '=', organization)
    .execute()
  return rows.map((row) => String(row.integration_id))
}

/** One integration, before and after. */
function concernedBy(rows: readonly Integration[]): Concerned {
  const installations = new Map(
    rows.flatMap(({ provider, externalId, enterpriseId }) =>
      [externalId, ...(enterpriseId === undefined ? [] : [enterpriseId])].map(
        (named) => [JSON.stringify([provider, named]), { provider, externalId: named }] as const,
      ),
    ),
  )
  return {
    integrations: [...new Set(rows.map(({ id }) => id))],
    organizations: [],
    installations: [...installations.values()],
  }
}

function concernedByLink({ integrationId, organizationId }: Link): Concerned {
  return { integrations: [integrationId], organizations: [organizationId], installations: [] }
}

function linkName(integration: Id | bigint, organization: Id | bigint): string {
  return `link ${integration}/${organization}`
}

function conflict(path: string, reason: string): Conflict {
  return { kind: 'conflict', path, reason }
}

function doesNotExist(path: string, what: string, id: Id): Conflict {
  return conflict(path, `names ${what} ${id}, which does not exist`)
}

function storedId(id: Id): bigint {
  const stored = toStored(id)
  if (stored === undefined) throw new RangeError(`no row can have the id ${id}`)
  return stored
}
