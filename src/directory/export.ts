import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Kysely, Selectable } from 'kysely'
import type { DirectorySchema } from './schema.ts'

/** Rows asked for at once: the whole directory never stands in memory. */
const PAGE = 1000

/**
 * Writes the directory as an import file: JSON, one row a line, in the order of ids, ids as text, what is empty left
 * out. It is the state of one moment, whatever is written meanwhile. `ndjson` gives the rows alone, each under the
 * name of its table: the form that can be imported again at any size. `to` is left open.
 */
export async function exportDirectory(
  db: Kysely<DirectorySchema>,
  to: NodeJS.WritableStream,
  format: 'json' | 'ndjson' = 'json',
): Promise<void> {
  await db
    .transaction()
    .setAccessMode('read only')
    .setIsolationLevel('repeatable read')
    .execute((trx) => pipeline(Readable.from(format === 'json' ? document(trx) : lines(trx)), to, { end: false }))
}

const tables = [
  ['integrations', integrationRows],
  ['organizations', organizationRows],
  ['organization_integrations', linkRows],
] as const

async function* document(db: Kysely<DirectorySchema>): AsyncGenerator<string> {
  let before = '{'
  for (const [table, pagesOf] of tables) {
    yield `${before}"${table}":[`
    before = ',\n'
    let separator = '\n'
    for await (const page of pagesOf(db)) {
      yield separator + page.map((row) => JSON.stringify(row)).join(',\n')
      separator = ',\n'
    }
    yield ']'
  }
  yield '}\n'
}

async function* lines(db: Kysely<DirectorySchema>): AsyncGenerator<string> {
  for (const [table, pagesOf] of tables) {
    for await (const page of pagesOf(db)) yield page.map((row) => `${JSON.stringify({ [table]: row })}\n`).join('')
  }
}

async function* integrationRows(db: Kysely<DirectorySchema>) {
  let after = 0n
  for (;;) {
    const rows = await db
      .selectFrom('integrations')
      .selectAll()
      .where('id', '>', after)
      .orderBy('id')
      .limit(PAGE)
      .execute()
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map(integrationRow)
    after = BigInt(last.id)
  }
}

async function* organizationRows(db: Kysely<DirectorySchema>) {
  let after = 0n
  for (;;) {
    const rows = await db
      .selectFrom('organizations')
      .selectAll()
      .where('id', '>', after)
      .orderBy('id')
      .limit(PAGE)
      .execute()
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map(organizationRow)
    after = BigInt(last.id)
  }
}

async function* linkRows(db: Kysely<DirectorySchema>) {
  let after = { integration: 0n, organization: 0n }
  for (;;) {
    const { integration, organization } = after
    const rows = await db
      .selectFrom('organization_integrations')
      .selectAll()
      .where((where) =>
        where(where.refTuple('integration_id', 'organization_id'), '>', where.tuple(integration, organization)),
      )
      .orderBy('integration_id')
      .orderBy('organization_id')
      .limit(PAGE)
      .execute()
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map(linkRow)
    after = { integration: BigInt(last.integration_id), organization: BigInt(last.organization_id) }
  }
}

type RowOf<Table extends keyof DirectorySchema> = Selectable<DirectorySchema[Table]>

function integrationRow(row: RowOf<'integrations'>) {
  return {
    id: String(row.id),
    provider: row.provider,
    ...(row.app_id !== '' && { app_id: row.app_id }),
    external_id: row.external_id,
    ...(row.enterprise_id !== null && { enterprise_id: row.enterprise_id }),
    ...(row.default_organization_id !== null && { default_organization_id: String(row.default_organization_id) }),
    name: row.name,
    status: row.status,
  }
}

function organizationRow(row: RowOf<'organizations'>) {
  const epoch = Number(row.epoch)
  return {
    id: String(row.id),
    slug: row.slug,
    name: row.name,
    region: row.region,
    status: row.status,
    ...(epoch > 0 && { epoch }),
  }
}

function linkRow(row: RowOf<'organization_integrations'>) {
  return {
    integration_id: String(row.integration_id),
    organization_id: String(row.organization_id),
    status: row.status,
  }
}
