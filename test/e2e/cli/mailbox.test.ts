import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { NO_PROGRESS, type MailboxAddress, type NewRow, type NewRowState } from '../../../src/spool/spool.ts'
import { openDirectSpool } from '../../../src/spool/sqlite/direct-spool.ts'
import { openWorkplace, type Run, type Workplace } from '../../support/command-line.ts'

let place: Workplace
let databases = 0
let env: { DATABASE_URL: string; ADMIN_PORT: string }

beforeAll(async () => {
  place = await openWorkplace()
})

beforeEach(() => {
  databases += 1
  // Nobody listens there: a gateway of somebody else's may run on the port that is the default.
  env = { DATABASE_URL: `sqlite:spool-${databases}.db`, ADMIN_PORT: '0' }
})

afterAll(() => place.close())

const cli = (...args: string[]): Promise<Run> => place.cli(['mailbox', ...args], env)
const done = (stdout: string): Run => ({ exitCode: 0, stdout, stderr: '' })
const failed = (stderr: string): Run => ({ exitCode: 1, stdout: '', stderr })

const forRegion = (integration: string, region: string): MailboxAddress => ({
  kind: 'region',
  provider: 'slack',
  integration,
  region,
})
const waiting: NewRowState = {
  kind: 'waiting',
  ...NO_PROGRESS,
}
const dead = (reason: string): NewRowState => ({ kind: 'dead', reason, attempts: 1 })

/** Leaves deliveries in the database, as a gateway would have. */
async function leave(...rows: [MailboxAddress, NewRowState][]): Promise<void> {
  const spool = await openDirectSpool(join(place.folder, `spool-${databases}.db`), { clock: systemClock })
  await spool.append(
    rows.map(([mailbox, state], index): NewRow => ({
      mailbox,
      delivery: `delivery-${index}`,
      dedupKey: `key-${index}`,
      organizations: ['10'],
      receivedAt: systemClock.now(),
      payload: { keyId: undefined, bytes: Buffer.from('12345678') },
      maxSpoolBytes: undefined,
      state,
    })),
    { giveUpAt: systemClock.monotonic() + 5000 },
  )
  await spool.close()
}

const listed = async () => JSON.parse((await cli('list', '--json')).stdout) as Record<string, unknown>[]
const listedDead = async () => JSON.parse((await cli('list', '--dead', '--json')).stdout) as { id: number }[]

describe('mailbox list', () => {
  it('says that there is nothing', async () => {
    expect(await cli('list')).toEqual(done('No mailbox has anything in it, and none is paused.\n'))
    expect(await cli('list', '--dead')).toEqual(done('There are no dead letters.\n'))
    expect(await cli('list', '--json')).toEqual(done('[]\n'))
    expect(await cli('list', '--dead', '--json')).toEqual(done('[]\n'))
  })

  it('shows for whom how much waits, and what is dead', async () => {
    const eu = forRegion('1', 'eu')
    const unresolved = { kind: 'unresolved', provider: 'slack', installation: 'T0NEW000001' } as const
    await leave([eu, waiting], [eu, waiting], [eu, dead('http_400')], [unresolved, waiting])
    const { exitCode, stdout, stderr } = await cli('list')
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['MAILBOX', 'PROVIDER', 'INTEGRATION', 'REGION', 'WAITING', 'SIZE', 'OLDEST', 'STATE', 'DEAD LETTERS'],
      ['1', 'slack', '1', 'eu', '2', '16 B', expect.stringMatching(/^\d+ s$/), 'waiting', '1'],
      ['2', 'slack', '-', 'unresolved T0NEW000001', '1', '8 B', expect.stringMatching(/^\d+ s$/), 'waiting', '0'],
      [''],
    ])
  })

  it('--json shows the same to a program', async () => {
    await leave([forRegion('1', 'eu'), waiting])
    expect(await listed()).toEqual([
      {
        id: 1,
        kind: 'region',
        provider: 'slack',
        integration: '1',
        region: 'eu',
        installation: null,
        organization: null,
        depth: 1,
        bytes: 8,
        isEmpty: false,
        paused: null,
        retryAt: 0,
        oldestAt: expect.any(Number),
        oldestAgeMs: expect.any(Number),
        headAttempts: 0,
        deadLetters: 0,
      },
    ])
  })

  it('--dead shows what was given up, the newest first', async () => {
    await leave([forRegion('1', 'eu'), dead('http_400')], [forRegion('2', 'us'), dead('poison')])
    const { stdout } = await cli('list', '--dead')
    const rows = stdout.split('\n').map((line) => line.split(/ {2,}/).slice(2, 6))
    expect(rows).toEqual([
      ['PROVIDER', 'INTEGRATION', 'REGION', 'REASON'],
      ['slack', '2', 'us', 'poison'],
      ['slack', '1', 'eu', 'http_400'],
      [],
    ])
    expect(await listedDead()).toMatchObject([
      { provider: 'slack', integration: '2', region: 'us', reason: 'poison', delivery: 'delivery-1', attempts: 1 },
      { provider: 'slack', integration: '1', region: 'eu', reason: 'http_400', delivery: 'delivery-0', attempts: 1 },
    ])
  })

  it('--dead ends quietly in the middle once its reader has seen enough', async () => {
    await leave(
      ...Array.from({ length: 2500 }, (): [MailboxAddress, NewRowState] => [forRegion('1', 'eu'), dead('poison')]),
    )
    expect(await place.cliInto('head -n 1', ['mailbox', 'list', '--dead'], env)).toEqual({
      exitCode: 141,
      stdout: expect.stringMatching(/^ID +MAILBOX .*\n$/),
      stderr: '',
    })
    expect(await listedDead()).toHaveLength(2500)
  })
})

describe('mailbox replay', () => {
  const letters: [MailboxAddress, NewRowState][] = [
    [forRegion('1', 'eu'), dead('http_400')],
    [forRegion('1', 'us'), dead('poison')],
    [forRegion('2', 'eu'), dead('poison')],
    [forRegion('2', 'us'), dead('http_400')],
  ]

  it('puts one back', async () => {
    await leave(...letters)
    const [newest] = await listedDead()
    expect(await cli('replay', String(newest?.id))).toEqual(done('Replayed 1 dead letter.\n'))
    expect(await listedDead()).toHaveLength(3)
    expect((await listed()).filter(({ depth }) => depth === 1)).toMatchObject([{ integration: '2', region: 'us' }])
  })

  it.each([
    ['--integration', '1', 2],
    ['--region', 'eu', 2],
    ['--reason', 'poison', 2],
    ['--mailbox', '1', 1],
    ['--region', 'mars', 0],
  ])('puts back those with %s %s', async (option, value, count) => {
    await leave(...letters)
    expect(await cli('replay', option, value, '--json')).toEqual(done(`{"replayed":${count}}\n`))
    expect(await listedDead()).toHaveLength(4 - count)
  })

  it('takes several options together for one that has all of it', async () => {
    await leave(...letters)
    expect(await cli('replay', '--region', 'eu', '--reason', 'poison')).toEqual(done('Replayed 1 dead letter.\n'))
  })

  it('--all puts back every one', async () => {
    await leave(...letters)
    expect(await cli('replay', '--all')).toEqual(done('Replayed 4 dead letters.\n'))
    expect(await listedDead()).toEqual([])
  })

  it('of one that is not there: exit 1, one line', async () => {
    expect(await cli('replay', '99')).toEqual(
      failed('There is no such dead letter 99: mailbox list --dead shows those there are.\n'),
    )
  })
})

describe('mailbox pause and resume', () => {
  it('let a mailbox wait, and go on', async () => {
    await leave([forRegion('1', 'eu'), waiting])
    expect(await cli('pause', '1', '--reason', 'eu is being migrated')).toEqual(done('Mailbox 1 is paused.\n'))
    expect((await cli('list')).stdout).toContain('paused: eu is being migrated')
    expect(await cli('resume', '1')).toEqual(done('Mailbox 1 goes on.\n'))
    expect(await listed()).toMatchObject([{ paused: null }])
  })

  it('--json tells the same to a program', async () => {
    await leave([forRegion('1', 'eu'), waiting])
    expect(await cli('pause', '1', '--reason', 'moving', '--json')).toEqual(done('{"id":1,"paused":"moving"}\n'))
    expect(await cli('resume', '1', '--json')).toEqual(done('{"id":1,"paused":null}\n'))
  })

  it('says that it was done by hand where no reason is given', async () => {
    await leave([forRegion('1', 'eu'), waiting])
    await cli('pause', '1')
    expect(await listed()).toMatchObject([{ paused: 'by hand' }])
  })

  it.each(['pause', 'resume'])('%s of one that is not there: exit 1, one line', async (verb) => {
    expect(await cli(verb, '99')).toEqual(failed('There is no mailbox 99: mailbox list shows those there are.\n'))
  })
})
