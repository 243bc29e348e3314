import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { z } from 'zod'
import { faultsOf, readLocatedYaml, yamlWords, type YamlFault } from '../regions/located-yaml.ts'
import { offsetOfBrokenJson } from './broken-json.ts'
import { toStored } from './id.ts'
import { idRule, label, status, word } from './row-fields.ts'

/** A file whose every fault is shown at once is no help when each of a million lines is broken the same way. */
export const MOST_FAULTS = 20
/** In bytes; a file without line breaks must not be read into memory whole. */
const LONGEST_LINE = 1024 * 1024
const NEWLINE = 0x0a

const id = z
  .union([z.int(idRule).positive(idRule), z.string().refine((text) => toStored(text) !== undefined, idRule)], idRule)
  .transform(BigInt)
const rowStatus = status.default('active')

const integration = z.strictObject({
  id,
  provider: word,
  app_id: z
    .union([word, z.literal('')])
    .nullish()
    .transform((app) => app ?? ''),
  external_id: word,
  enterprise_id: word.nullish().transform((enterprise) => enterprise ?? null),
  default_organization_id: id.nullish().transform((organization) => organization ?? null),
  name: label.default(''),
  status: rowStatus,
})
const organization = z.strictObject({
  id,
  slug: word,
  name: label.default(''),
  region: word,
  status: rowStatus,
  epoch: z.int().nonnegative().default(0).transform(BigInt),
  held: z
    .literal(true, 'must be true or left out: `directory move --release` ends a hold, not a file')
    .optional()
    .transform((held) => (held === true ? 1n : null)),
})
const link = z.strictObject({ integration_id: id, organization_id: id, status: rowStatus })

const rowSchemas = {
  integrations: integration.transform((row) => ({ table: 'integrations' as const, row })),
  organizations: organization.transform((row) => ({ table: 'organizations' as const, row })),
  organization_integrations: link.transform((row) => ({ table: 'organization_integrations' as const, row })),
}

const tableNames = ['integrations', 'organizations', 'organization_integrations'] as const

export type TableName = (typeof tableNames)[number]

/** A row as the file has it, and where: the line of an NDJSON file, the index in its list of a document. */
interface RawRow {
  readonly table: TableName
  readonly position: number
  readonly value: unknown
}

export type ImportRow = z.output<(typeof rowSchemas)[TableName]> & { readonly position: number }

/** A fault in a row; `path` is the way to it within the row. */
export interface RowFault extends YamlFault {
  readonly table: TableName
  readonly position: number
}

export interface ImportFile {
  /** Every row, checked by itself. Throws `ImportRefused` at the end of the file, or when there are too many faults. */
  rows(): AsyncIterable<ImportRow>
  bytesRead(): number
  readonly bytesTotal: number
  /** `FILE:LINE:COL path message`, without column in an NDJSON file; a line a fault. */
  render(faults: readonly RowFault[]): string[]
}

/** The file is not imported, and nothing of it is. `faults`: one line each, with file and line. */
export class ImportRefused extends Error {
  override readonly name = 'ImportRefused'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

/**
 * Opens an import file. `.json`, `.yaml` and `.yml` hold one document of up to three lists, `integrations`,
 * `organizations` and `organization_integrations`; it is held in memory whole. `.ndjson` and `.jsonl` are read as a
 * stream, one JSON object a line, in any order:
 *
 *     {"integrations": {"id": 1, "provider": "slack", "external_id": "T1"}}
 *     {"table": "organizations", "id": 10, "slug": "acme", "region": "us"}
 *     {"integration_id": 1, "organization_id": 10}
 *
 * that is, a row under the name of its table (or a list of rows, or the name in the singular), a row that names its
 * table, or a row alone, known by its columns.
 * @throws ImportRefused when the file cannot be read or is no such document.
 */
export async function openImportFile(path: string): Promise<ImportFile> {
  switch (extname(path).toLowerCase()) {
    case '.ndjson':
    case '.jsonl':
      return openLines(path)
    case '.json':
      return openDocument(path, brokenJson)
    case '.yaml':
    case '.yml':
      return openDocument(path, () => undefined)
    default:
      throw new ImportRefused([`${path} must end in .json, .yaml, .yml, .ndjson or .jsonl`])
  }
}

async function openDocument(path: string, broken: (text: string) => string | undefined): Promise<ImportFile> {
  const bytes = await readFile(path).catch((error: unknown) => unreadable(path, error))
  const text = textOf(bytes)
  if (text === undefined) throw new ImportRefused([`${path} is not UTF-8`])
  const fault = broken(text)
  if (fault !== undefined) throw new ImportRefused([`${path}:${fault}`])
  // JSON is YAML too, and this reader knows where everything stands.
  const located = readLocatedYaml(text, path)
  if (!located.ok) throw new ImportRefused(located.faults)

  const list = z.array(z.unknown()).default([])
  const schema = z.strictObject({ integrations: list, organizations: list, organization_integrations: list })
  const document = schema.safeParse(located.value, { error: yamlWords })
  if (!document.success) throw new ImportRefused(located.render(faultsOf(document.error.issues)))

  const tables = document.data
  async function* rawRows(): AsyncGenerator<RawRow> {
    for (const table of tableNames) {
      for (const [position, value] of tables[table].entries()) yield { table, position, value }
    }
  }
  const render = (faults: readonly RowFault[]) =>
    located.render(
      faults.map(({ table, position, path, ...fault }) => ({ ...fault, path: [table, position, ...path] })),
    )
  return { rows: () => checked(rawRows(), render), bytesRead: () => bytes.length, bytesTotal: bytes.length, render }
}

/** `LINE:COL message`; an empty file is no worse as JSON than as YAML. */
function brokenJson(text: string): string | undefined {
  if (text.trim() === '' || parse(text) !== undefined) return undefined
  const before = text.slice(0, offsetOfBrokenJson(text)).split('\n')
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1} not valid JSON here`
}

async function openLines(path: string): Promise<ImportFile> {
  const { size: bytesTotal } = await stat(path).catch((error: unknown) => unreadable(path, error))
  let bytesRead = 0

  async function* rawRows(): AsyncGenerator<RawRow | string> {
    let position = 0
    for await (const bytes of linesOf(path, (count) => (bytesRead += count))) {
      position++
      if (bytes.length > LONGEST_LINE) throw new ImportRefused([`${path}:${position} is too long for a row`])
      const line = textOf(bytes)
      if (line?.trim() === '') continue
      const value = line === undefined ? undefined : parse(line)
      const rows = rowsOf(value)
      if (rows !== undefined) for (const row of rows) yield { ...row, position }
      else if (line === undefined) yield `${path}:${position} is not UTF-8`
      else if (value === undefined) yield `${path}:${position} is not JSON`
      else yield `${path}:${position} must be an object that is a row of one of ${tableNames.join(', ')}`
    }
  }
  const render = (faults: readonly RowFault[]) =>
    faults.map(({ position, path: within, message }) => {
      const column = z.core.toDotPath(within)
      return `${path}:${position} ${column === '' ? '' : `${column} `}${message}`
    })
  return { rows: () => checked(rawRows(), render), bytesRead: () => bytesRead, bytesTotal, render }
}

/** Checks each row by itself; a text among them is a fault already. */
async function* checked(
  rows: AsyncIterable<RawRow | string>,
  render: (faults: readonly RowFault[]) => string[],
): AsyncGenerator<ImportRow> {
  const faults: string[] = []
  for await (const raw of rows) {
    if (typeof raw === 'string') faults.push(raw)
    else {
      const { table, position } = raw
      const result = parseRow(raw)
      if (result.ok) yield result.row
      else faults.push(...render(faultsOf(result.issues).map((fault) => ({ ...fault, table, position }))))
    }
    if (faults.length >= MOST_FAULTS) throw new ImportRefused(faults.slice(0, MOST_FAULTS))
  }
  if (faults.length > 0) throw new ImportRefused(faults)
}

type Parsed = { ok: true; row: ImportRow } | { ok: false; issues: readonly z.core.$ZodIssue[] }

function parseRow({ table, position, value }: RawRow): Parsed {
  const result = rowSchemas[table].safeParse(value, { error: yamlWords })
  if (!result.success) return { ok: false, issues: result.error.issues }
  return { ok: true, row: { ...result.data, position } }
}

const tableNamed: ReadonlyMap<unknown, TableName> = new Map([
  ...tableNames.map((name) => [name, name] as const),
  ['integration', 'integrations'],
  ['organization', 'organizations'],
  ['organization_integration', 'organization_integrations'],
])

/** The rows of one line and their table, or undefined when it does not say. */
function rowsOf(value: unknown): { table: TableName; value: unknown }[] | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entries = Object.entries(value)
  const [only] = entries
  const envelope = entries.length === 1 && only ? tableNamed.get(only[0]) : undefined
  if (only && envelope) {
    const rows: readonly unknown[] = Array.isArray(only[1]) ? only[1] : [only[1]]
    return rows.map((row) => ({ table: envelope, value: row }))
  }
  if ('table' in value) {
    const { table: name, ...row } = value
    const table = tableNamed.get(name)
    return table && [{ table, value: row }]
  }
  if ('integration_id' in value) return [{ table: 'organization_integrations', value }]
  if ('external_id' in value) return [{ table: 'integrations', value }]
  if ('slug' in value || 'region' in value) return [{ table: 'organizations', value }]
  return undefined
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** Split as bytes, so that a line that is no UTF-8 is known by its number, and U+2028, a line end to node:readline, is not. */
async function* linesOf(path: string, onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  try {
    const chunks: AsyncIterable<Buffer> = createReadStream(path)
    for await (const chunk of chunks) {
      onBytes(chunk.length)
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let start = 0
      for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE, start)) {
        yield rest.subarray(start, end)
        start = end + 1
      }
      rest = rest.subarray(start)
      if (rest.length > LONGEST_LINE) break
    }
  } catch (error) {
    return unreadable(path, error)
  }
  if (rest.length > 0) yield rest
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

function unreadable(path: string, error: unknown): never {
  throw new ImportRefused([`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`])
}
