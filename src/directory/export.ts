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
  const first = db.selectFrom('integrations').selectAll().orderBy('id').limit(PAGE)
  for await (const rows of pages(first, (last) => first.where('id', '>', BigInt(last.id)))) {
    yield rows.map(integrationRow)
  }
}

async function* organizationRows(db: Kysely<DirectorySchema>) {
  const first = db.selectFrom('organizations').selectAll().orderBy('id').limit(PAGE)
  for await (const rows of pages(first, (last) => first.where('id', '>', BigInt(last.id)))) {
    yield rows.map(organizationRow)
  }
}

async function* linkRows(db: Kysely<DirectorySchema>) {
  const key = ['integration_id', 'organization_id'] as const
  const first = db.selectFrom('organization_integrations').selectAll().orderBy(key[0]).orderBy(key[1]).limit(PAGE)
  const after = ({ integration_id, organization_id }: RowOf<'organization_integrations'>) =>
    first.where((where) =>
      where(where.refTuple(...key), '>', where.tuple(BigInt(integration_id), BigInt(organization_id))),
    )
  for await (const rows of pages(first, after)) yield rows.map(linkRow)
}

interface Page<Row> {
  execute(): Promise<Row[]>
}

/** Each page is asked for by the last row of the one before, so that none costs more than the first. */
async function* pages<Row>(first: Page<Row>, after: (last: Row) => Page<Row>): AsyncGenerator<Row[]> {
  for (let rows = await first.execute(), last = rows.at(-1); last !== undefined; last = rows.at(-1)) {
    yield rows
    rows = await after(last).execute()
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
    ...(Number(row.held) === 1 && { held: true }),
  }
}

function linkRow(row: RowOf<'organization_integrations'>) {
  return {
    integration_id: String(row.integration_id),
    organization_id: String(row.organization_id),
    status: row.status,
  }
}
