import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ImportRefused, openImportFile, type ImportRow } from '../../../src/directory/import-file.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function read(file: string, content: string | Buffer): Promise<ImportRow[]> {
  const path = join(folder, file)
  await writeFile(path, content)
  const rows: ImportRow[] = []
  for await (const row of (await openImportFile(path)).rows()) rows.push(row)
  return rows
}

async function faultsOf(file: string, content: string | Buffer): Promise<string[]> {
  const refused: unknown = await read(file, content).catch((error: unknown) => error)
  if (!(refused instanceof ImportRefused)) throw new Error('the file was not refused', { cause: refused })
  return refused.faults.map((fault) => fault.replace(`${folder}/`, ''))
}

const ID_RULE = 'must be an integer from 1 to 2^53-1, or its digits as text up to 2^63-1'
const organization = '{"id":10,"slug":"acme","region":"us"}'
const organizationRow = { id: 10n, slug: 'acme', name: '', region: 'us', status: 'active', epoch: 0n, held: null }

describe('a row', () => {
  it('may leave out what has a default', async () => {
    expect(await read('rows.ndjson', '{"id":1,"provider":"slack","external_id":"T1"}')).toEqual([
      {
        table: 'integrations',
        position: 1,
        row: {
          id: 1n,
          provider: 'slack',
          app_id: '',
          external_id: 'T1',
          enterprise_id: null,
          default_organization_id: null,
          name: '',
          status: 'active',
        },
      },
    ])
  })

  it('may say null for what is optional', async () => {
    const row = '"app_id":null,"enterprise_id":null,"default_organization_id":null'
    const [read1] = await read('rows.ndjson', `{"id":1,"provider":"slack","external_id":"T1",${row}}`)
    expect(read1?.row).toMatchObject({ app_id: '', enterprise_id: null, default_organization_id: null })
  })

  it.each([
    ['1', 1n],
    ['9007199254740991', 9007199254740991n],
    ['"007"', 7n],
    ['"9007199254740993"', 9007199254740993n],
    ['"9223372036854775807"', 9223372036854775807n],
  ])('may have the id %s', async (id, expected) => {
    const rows = await read('rows.ndjson', `{"id":${id},"slug":"acme","region":"us"}`)
    expect(rows.map(({ row }) => row)).toEqual([{ ...organizationRow, id: expected }])
  })

  it.each([
    '0',
    '-1',
    '1.5',
    '9007199254740992',
    '9007199254740993',
    '1e30',
    '"0"',
    '"00"',
    '"-1"',
    '" 1"',
    '"9223372036854775808"',
    '""',
    'true',
    'null',
  ])('may not have the id %s', async (id) => {
    expect(await faultsOf('rows.ndjson', `{"id":${id},"slug":"acme","region":"us"}`)).toEqual([
      `rows.ndjson:1 id ${ID_RULE}`,
    ])
  })

  it('may have texts as long as they may be', async () => {
    const [slug, name] = ['a'.repeat(255), '\u{1f600}'.repeat(1000)]
    const rows = await read('rows.ndjson', JSON.stringify({ id: 10, slug, region: 'us', name }))
    expect(rows.map(({ row }) => row)).toEqual([{ ...organizationRow, slug, name }])
  })

  it.each([
    ['an unknown column', '{"id":1,"slug":"a","region":"us","colour":"red"}', 'colour is not a known key'],
    ['a missing column', '{"id":1,"slug":"a"}', 'region is required'],
    ['a missing id', '{"slug":"a","region":"us"}', 'id is required'],
    ['a number where text belongs', '{"id":1,"slug":5,"region":"us"}', 'slug must be text'],
    ['an unknown status', '{"id":1,"slug":"a","region":"us","status":"on"}', 'status must be one of active, disabled'],
    ['a blank in a slug', '{"id":1,"slug":"a b","region":"us"}', 'slug must be 1 to 255 characters without blanks'],
    ['an empty slug', '{"id":1,"slug":"","region":"us"}', 'slug must be 1 to 255 characters without blanks'],
    [
      'a NUL in a name',
      '{"id":1,"slug":"a","region":"us","name":"\\u0000"}',
      'name must be at most 1000 characters, none of them a control',
    ],
    ['a NUL in a slug', '{"id":1,"slug":"a\\u0000","region":"us"}', 'slug must be 1 to 255 characters without blanks'],
    [
      'half a surrogate pair',
      '{"id":1,"slug":"\\ud800","region":"us"}',
      'slug must be 1 to 255 characters without blanks',
    ],
    [
      'half a surrogate pair in a name',
      '{"id":1,"slug":"a","region":"us","name":"\\udc00"}',
      'name must be at most 1000 characters, none of them a control',
    ],
    [
      'a slug that is too long',
      `{"id":1,"slug":"${'a'.repeat(256)}","region":"us"}`,
      'slug must be 1 to 255 characters without blanks',
    ],
    [
      'a name that is too long',
      `{"id":1,"slug":"a","region":"us","name":"${'a'.repeat(1001)}"}`,
      'name must be at most 1000 characters, none of them a control',
    ],
  ])('is refused with %s', async (_what, row, fault) => {
    expect(await faultsOf('rows.ndjson', row)).toEqual([`rows.ndjson:1 ${fault}`])
  })
})

describe('an NDJSON file', () => {
  it.each([
    `{"organizations":${organization}}`,
    `{"organization":${organization}}`,
    `{"organizations":[${organization}]}`,
    '{"table":"organizations","id":10,"slug":"acme","region":"us"}',
    '{"table":"organization","id":10,"slug":"acme","region":"us"}',
    organization,
  ])('takes the line %s', async (line) => {
    expect(await read('rows.ndjson', line)).toEqual([{ table: 'organizations', position: 1, row: organizationRow }])
  })

  it('knows the rows of every table by their columns', async () => {
    const lines = [
      '{"id":1,"provider":"slack","external_id":"T1"}',
      organization,
      '{"integration_id":1,"organization_id":10}',
    ]
    const rows = await read('rows.jsonl', lines.join('\n'))
    expect(rows.map(({ table }) => table)).toEqual(['integrations', 'organizations', 'organization_integrations'])
  })

  it('passes over empty lines and takes any line ending, counting lines as an editor does', async () => {
    const rows = await read('rows.ndjson', `\r\n${organization}\r\n\n${organization.replace('10', '11')}\n`)
    expect(rows.map(({ position }) => position)).toEqual([2, 4])
  })

  it('keeps a line separator inside a text', async () => {
    const [row] = await read('rows.ndjson', '{"id":10,"slug":"acme","region":"us","name":"a\u2028b"}')
    expect(row?.row).toMatchObject({ name: 'a\u2028b' })
  })

  it('keeps characters whole that fall on the edge of two reads', async () => {
    const name = 'ü'.repeat(500)
    const lines = Array.from(
      { length: 200 },
      (_, index) => `{"id":${index + 1},"slug":"a","region":"us","name":"${name}"}`,
    )
    const rows = await read('rows.ndjson', lines.join('\n'))
    expect(rows).toHaveLength(200)
    expect(new Set(rows.map(({ row }) => ('name' in row ? row.name : '')))).toEqual(new Set([name]))
  })

  it('is refused with every broken line, by its number', async () => {
    const lines = [organization, '{"id":1,', '[]', '{"table":"users","id":1}', '{}', '{"id":2,"slug":"a"}']
    const unclear = 'must be an object that is a row of one of integrations, organizations, organization_integrations'
    expect(await faultsOf('rows.ndjson', lines.join('\n'))).toEqual([
      'rows.ndjson:2 is not JSON',
      `rows.ndjson:3 ${unclear}`,
      `rows.ndjson:4 ${unclear}`,
      `rows.ndjson:5 ${unclear}`,
      'rows.ndjson:6 region is required',
    ])
  })

  it('is given up after twenty faults', async () => {
    expect(await faultsOf('rows.ndjson', 'x\n'.repeat(100))).toHaveLength(20)
  })

  it('is refused when it is not UTF-8', async () => {
    const bytes = Buffer.concat([Buffer.from(`${organization}\n`), Buffer.from([0xff, 0x0a])])
    expect(await faultsOf('rows.ndjson', bytes)).toEqual(['rows.ndjson:2 is not UTF-8'])
  })

  it('is refused when it has no lines', async () => {
    expect(await faultsOf('rows.ndjson', ' '.repeat(2 * 1024 * 1024))).toEqual(['rows.ndjson:1 is too long for a row'])
  })
})

describe('a document', () => {
  it('may be YAML', async () => {
    const yaml = 'organizations:\n  - id: 10\n    slug: acme\n    region: us\n'
    expect(await read('rows.yaml', yaml)).toEqual([{ table: 'organizations', position: 0, row: organizationRow }])
  })

  it('may be JSON, indented by tabs', async () => {
    const json = JSON.stringify({ organizations: [JSON.parse(organization)] }, null, '\t')
    expect(await read('rows.json', json)).toEqual([{ table: 'organizations', position: 0, row: organizationRow }])
  })

  it('is refused with line and column of every fault', async () => {
    const json = `{"organizations": [
  {"id": 9007199254740993, "slug": "acme", "region": "us"},
  {"id": 11, "slug": "acme"},
  7
]}`
    expect(await faultsOf('rows.json', json)).toEqual([
      `rows.json:2:10 organizations[0].id ${ID_RULE}`,
      'rows.json:3:3 organizations[1].region is required',
      'rows.json:4:3 organizations[2] must be a map',
    ])
  })

  it.each([
    ['an unknown table', '{"users": []}', 'rows.json:1:2 users is not a known key'],
    ['a table that is no list', '{"organizations": {}}', 'rows.json:1:19 organizations must be a list'],
    [
      'a table that stands twice',
      '{"organizations":[],\n"organizations":[]}',
      'rows.json:2:1 organizations stands twice in the same map',
    ],
    ['a list instead of tables', '[]', 'rows.json:1:1 must be a map'],
    ['nothing in it', '', 'rows.json:1:1 the file is empty'],
  ])('is refused with %s', async (_what, json, fault) => {
    expect(await faultsOf('rows.json', json)).toEqual([fault])
  })

  it('is refused where its JSON breaks off', async () => {
    expect(await faultsOf('rows.json', '{"organizations": [}')).toEqual(['rows.json:1:20 not valid JSON here'])
  })

  it.each([
    ['a comma too many', '{"organizations": [\r\n  {"id": 1},\n]}', '3:1'],
    ['a missing comma', '{"organizations": [\n  {"id": 1\n  "slug": "a"}]}', '3:3'],
    ['a comment', '{ # none\n}', '1:3'],
    ['single quotes', "{'organizations': []}", '1:2'],
    ['no end', '{"organizations": [', '1:20'],
    ['YAML in it', 'organizations: []', '1:1'],
  ])('is refused as JSON for %s', async (_what, json, place) => {
    expect(await faultsOf('rows.json', json)).toEqual([`rows.json:${place} not valid JSON here`])
  })

  it('is refused when it is not UTF-8', async () => {
    expect(await faultsOf('rows.json', Buffer.from([0x7b, 0xff, 0x7d]))).toEqual(['rows.json is not UTF-8'])
  })
})

describe('a file', () => {
  it.each(['rows.json', 'rows.ndjson'])('that is not there is refused by its name: %s', async (file) => {
    await expect(openImportFile(join(folder, file))).rejects.toThrow(/rows\.(nd)?json cannot be read: ENOENT/)
  })

  it('of another kind is refused', async () => {
    expect(await faultsOf('rows.csv', '')).toEqual(['rows.csv must end in .json, .yaml, .yml, .ndjson or .jsonl'])
  })
})
