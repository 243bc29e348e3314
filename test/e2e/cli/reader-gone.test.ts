import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openWorkplace, type Workplace } from '../../support/command-line.ts'
import { workspace } from '../../support/test-gateway.ts'

// Nobody listens there: a gateway of somebody else's may run on the port that is the default.
const env = { ADMIN_PORT: '0' }
const quietly = { exitCode: 141, stdout: '', stderr: '' }
let place: Workplace

beforeAll(async () => {
  place = await openWorkplace()
  await place.write('regions.yaml', 'version: 1\nregions: [{ name: us, address: http://127.0.0.1:9101 }]\n')
  // More than fits into a pipe.
  const organizations = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`organization-${index}`, 'us']))
  await place.write('directory.json', JSON.stringify(workspace(organizations)))
  await place.cli(['directory', 'import', 'directory.json'], env)
})

afterAll(() => place.close())

describe('a command whose reader has seen enough', () => {
  it.each([
    ['directory export', '{"integrations":[\n'],
    ['directory export --ndjson', '{"integrations":{"id":"1","provider":"slack","external_id":"T0ACME00001"'],
  ])('%s ends quietly in the middle, as a command does that SIGPIPE has ended', async (command, first) => {
    const run = await place.cliInto('head -n 1', command.split(' '), env)
    expect(run).toEqual({ ...quietly, stdout: expect.stringContaining(first) })
  })

  it.each([
    'directory get T0ACME00001',
    'mailbox list',
    'mailbox list --json',
    'mailbox list --dead',
    'mailbox list --dead --json',
    'mailbox replay --all',
    'directory import --help',
    '--version',
  ])('%s ends quietly when nobody reads at all', async (command) => {
    expect(await place.cliInto('true', command.split(' '), env)).toEqual(quietly)
  })

  it.each(['nonsense', 'check-config'])('%s ends with 2 even when nobody reads what is wrong', async (command) => {
    const run = await place.cliInto('true', [command], env, { stderr: true })
    expect(run).toEqual({ exitCode: 2, stdout: '', stderr: '' })
  })
})
