import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openWorkplace, type Workplace } from '../../support/command-line.ts'
import { workspace } from '../../support/test-gateway.ts'

const imported = JSON.stringify(workspace({ acme: 'us' }))

let place: Workplace

beforeAll(async () => {
  place = await openWorkplace()
  await place.write('regions.yaml', 'version: 1\nregions: [{ name: us, address: http://127.0.0.1:9101 }]\n')
  await place.write('directory.json', imported)
  await place.cli(['directory', 'import', 'directory.json'])
})

afterAll(() => place.close())

describe('directory', () => {
  it('export prints what import takes', async () => {
    const exported = await place.cli(['directory', 'export'])
    expect([exported.exitCode, exported.stderr]).toEqual([0, ''])
    await place.write('again.json', exported.stdout)
    const env = { DATABASE_URL: 'sqlite:another.db' }
    expect(await place.cli(['directory', 'import', 'again.json'], env)).toEqual({
      exitCode: 0,
      stdout: 'Imported 1 integrations, 1 organizations and 1 links.\n',
      stderr: '',
    })
    expect((await place.cli(['directory', 'export'], env)).stdout).toBe(exported.stdout)
  })

  it('get prints where a workspace goes', async () => {
    expect(await place.cli(['directory', 'get', 'T0ACME00001'])).toEqual({
      exitCode: 0,
      stdout: 'integration 1 Acme (active)\n  organization 10 acme in us, moved 0 times\n',
      stderr: '',
    })
  })

  it('get --json prints it for a program, ids as text', async () => {
    const { exitCode, stdout } = await place.cli(['directory', 'get', 'T0ACME00001', '--json'])
    expect(exitCode).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      integration: { id: '1', externalId: 'T0ACME00001', status: 'active' },
      organizations: [{ id: '10', slug: 'acme', region: 'us' }],
    })
  })

  it('get marks what is disabled, which look-ups pass over', async () => {
    const env = { DATABASE_URL: 'sqlite:disabled.db' }
    const rows = {
      integrations: [{ id: 1, provider: 'slack', external_id: 'T0ACME00001', name: 'Acme', status: 'disabled' }],
      organizations: [
        { id: 10, slug: 'acme', region: 'us', status: 'disabled' },
        { id: 11, slug: 'beta', region: 'us' },
      ],
      organization_integrations: [
        { integration_id: 1, organization_id: 10, status: 'disabled' },
        { integration_id: 1, organization_id: 11, status: 'disabled' },
      ],
    }
    await place.write('disabled.json', JSON.stringify(rows))
    await place.cli(['directory', 'import', 'disabled.json'], env)
    expect((await place.cli(['directory', 'get', 'T0ACME00001'], env)).stdout).toBe(
      [
        'integration 1 Acme (disabled)',
        '  organization 10 acme in us, moved 0 times (disabled, link disabled)',
        '  organization 11 beta in us, moved 0 times (link disabled)',
        '  no active organization',
        '',
      ].join('\n'),
    )
    expect(JSON.parse((await place.cli(['directory', 'get', 'T0ACME00001', '--json'], env)).stdout)).toMatchObject({
      integration: { status: 'disabled' },
      organizations: [
        { id: '10', status: 'disabled', linkStatus: 'disabled' },
        { id: '11', status: 'active', linkStatus: 'disabled' },
      ],
    })
  })

  it('get of what is not there: exit 1, one line', async () => {
    const { exitCode, stdout, stderr } = await place.cli(['directory', 'get', 'T0NOBODY001'])
    expect([exitCode, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^[^\n]*T0NOBODY001[^\n]*\n$/)
  })

  it('import of a broken file: exit 1, each fault with file and line, and nothing applied', async () => {
    await place.write(
      'broken.ndjson',
      [
        '{"integrations":{"id":2,"provider":"slack","external_id":"T0NEW000001"}}',
        '{"organizations":{"id":"eleven","slug":"new","region":"us"}}',
        '{"integration_id":2,',
        '',
      ].join('\n'),
    )
    const before = await place.cli(['directory', 'export'])
    const { exitCode, stdout, stderr } = await place.cli(['directory', 'import', 'broken.ndjson'])
    expect([exitCode, stdout]).toEqual([1, ''])
    const lines = stderr.split('\n')
    expect(lines).toEqual([
      expect.stringMatching(/^broken\.ndjson:2 \S*id must be an integer/),
      expect.stringMatching(/^broken\.ndjson:3 /),
      'Nothing was imported.',
      '',
    ])
    expect((await place.cli(['directory', 'export'])).stdout).toBe(before.stdout)
  })

  it('import warns of a region that regions.yaml does not know, and takes it', async () => {
    await place.write('mars.json', JSON.stringify(workspace({ acme: 'mars' })))
    const env = { DATABASE_URL: 'sqlite:mars.db' }
    const { exitCode, stderr } = await place.cli(['directory', 'import', 'mars.json'], env)
    expect(exitCode).toBe(0)
    expect(stderr).toMatch(/^warning: mars\.json:1:\d+ [^\n]*mars is not in the regions file[^\n]*\n$/)
    expect((await place.cli(['directory', 'get', 'T0ACME00001'], env)).stdout).toContain(' in mars,')
  })

  it('import of a large file says on stderr how far it is, and nothing of it on stdout', async () => {
    const rows = Array.from({ length: 12_000 }, (_, index) =>
      JSON.stringify({ id: index + 1, slug: 'o', region: 'us' }),
    )
    await place.write('large.ndjson', rows.join('\n'))
    const run = await place.cli(['directory', 'import', 'large.ndjson'], { DATABASE_URL: 'sqlite:large.db' })
    expect(run).toMatchObject({ exitCode: 0, stdout: 'Imported 0 integrations, 12000 organizations and 0 links.\n' })
    expect(run.stderr).toMatch(
      /^(1\d000 rows, \d+ rows\/s, \d+ %, [^\n]+ left\n)+12000 rows read in [^\n]+\n12000 rows checked, [^\n]+\n$/,
    )
  })

  it('import --json prints the counts', async () => {
    const { stdout } = await place.cli(['directory', 'import', 'directory.json', '--json'])
    expect(JSON.parse(stdout)).toEqual({ integrations: 1, organizations: 1, organization_integrations: 1 })
  })
})
