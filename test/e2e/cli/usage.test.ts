import manifest from '../../../package.json' with { type: 'json' }
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openWorkplace, type Workplace } from '../../support/command-line.ts'

let place: Workplace

beforeAll(async () => {
  place = await openWorkplace()
})

afterAll(() => place.close())

const commands = [
  '',
  'serve',
  'demo',
  'check-config',
  'directory',
  'directory import',
  'directory export',
  'directory get',
  'directory move',
  'mailbox',
  'mailbox list',
  'mailbox replay',
  'mailbox pause',
  'mailbox resume',
  'explain',
  'page-token',
  'healthcheck',
]

describe('--help', () => {
  it.concurrent.each(commands)('%s --help exits 0 and says how it is used', async (command) => {
    const words = command.split(' ').filter((word) => word !== '')
    const { exitCode, stdout, stderr } = await place.cli([...words, '--help'])
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(new RegExp(`^Usage: ${['silo-gateway', ...words].join(' ')} `))
  })
})

describe('--version', () => {
  it('prints the version of the package', async () => {
    expect(await place.cli(['--version'])).toMatchObject({ exitCode: 0, stdout: `${manifest.version}\n` })
  })
})

describe('wrong usage', () => {
  it.concurrent.each([
    ['no command', [], 'name one of the commands'],
    ['no command of directory', ['directory'], 'name one of the commands'],
    ['help with an unknown command', ['help', 'teleport'], 'name one of the commands'],
    ['an unknown command', ['teleport'], "unknown command 'teleport'"],
    ['an unknown command of directory', ['directory', 'teleport'], "unknown command 'teleport'"],
    ['an unknown option', ['serve', '--fast'], "unknown option '--fast'"],
    ['an argument too many', ['serve', 'now'], "too many arguments for 'serve'"],
    ['a missing argument', ['directory', 'import'], "missing required argument 'file'"],
    ['a missing option', ['page-token'], "required option '--integration <id>' not specified"],
    ['dead letters that are not chosen', ['mailbox', 'replay'], 'choose the dead letters'],
    ['dead letters chosen twice', ['mailbox', 'replay', '--all', '--region', 'eu'], 'choose the dead letters'],
    ['one dead letter and all of them', ['mailbox', 'replay', '1', '--all'], 'choose the dead letters'],
    ['a mailbox that is no number', ['mailbox', 'pause', 'eu'], "value 'eu' is invalid"],
    ['an id of more than 64 bits', ['directory', 'move', '9223372036854775808', '--release'], '1 to 2^63-1'],
    ['a release that holds', ['directory', 'move', '10', '--release', '--hold'], "cannot be used with option '--hold'"],
    ['two formats at once', ['directory', 'export', '--json', '--ndjson'], "cannot be used with option '--json'"],
    ['a duration that is none', ['page-token', '--integration', '1', '--expires-in', 'soon'], "argument 'soon' is"],
  ])('%s exits 2 with one line on stderr', async (_, args, said) => {
    const { exitCode, stdout, stderr } = await place.cli(args)
    expect([exitCode, stdout]).toEqual([2, ''])
    expect(stderr).toContain(said)
    expect(stderr).toMatch(/^[^\n]+--help[^\n]*\n$/)
  })
})

describe('a command that fails', () => {
  const unopenable = { DATABASE_URL: 'sqlite:no/such/folder/directory.db' }

  it('exits 1 with one line on stderr', async () => {
    const { exitCode, stdout, stderr } = await place.cli(['directory', 'export'], unopenable)
    expect([exitCode, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^cannot open the database no\/such\/folder\/directory\.db: [^\n]+\n$/)
  })

  it('prints its stack only when asked', async () => {
    const { exitCode, stderr } = await place.cli(['directory', 'export', '--stack'], unopenable)
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/\n +at .*\.ts:\d+:\d+/)
  })
})
