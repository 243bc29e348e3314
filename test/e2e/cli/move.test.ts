import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { createSealer } from '../../../src/spool/seal.ts'
import { NO_PROGRESS, type MailboxAddress, type NewRow } from '../../../src/spool/spool.ts'
import { openDirectSpool } from '../../../src/spool/sqlite/direct-spool.ts'
import { openWorkplace, type Run, type Workplace } from '../../support/command-line.ts'
import { workspace } from '../../support/test-gateway.ts'

let place: Workplace
let env: { DATABASE_URL: string; ADMIN_PORT: string }
let database: string

beforeAll(async () => {
  place = await openWorkplace()
  const regions = ['us', 'eu'].map((name) => `{ name: ${name}, address: "http://127.0.0.1:9" }`)
  await place.write('regions.yaml', `version: 1\nregions: [${regions.join(', ')}]\n`)
  await place.write('directory.json', JSON.stringify(workspace({ acme: 'us' })))
})
afterAll(() => place.close())

beforeEach(async () => {
  database = `${randomUUID()}.db`
  // Nobody listens there: a gateway of somebody else's may run on the port that is the default.
  env = { DATABASE_URL: `sqlite:${database}`, ADMIN_PORT: '0' }
  await place.cli(['directory', 'import', 'directory.json'], env)
})

const move = (...args: string[]): Promise<Run> => place.cli(['directory', 'move', ...args], env)
const inRegion = (region: string): MailboxAddress => ({ kind: 'region', provider: 'slack', integration: '1', region })

/** Leaves deliveries in the database, as a gateway without SPOOL_KEYS would have. */
async function leave(mailbox: MailboxAddress, ...deliveries: string[]): Promise<void> {
  const spool = await openDirectSpool(join(place.folder, database), { clock: systemClock })
  const rows = deliveries.map((delivery): NewRow => ({
    mailbox,
    delivery,
    dedupKey: delivery,
    organizations: ['10'],
    receivedAt: systemClock.now(),
    payload: createSealer([]).seal(Buffer.from('x'), { delivery, region: 'us' }),
    maxSpoolBytes: undefined,
    state: { kind: 'waiting', ...NO_PROGRESS },
  }))
  await spool.append(rows, { giveUpAt: systemClock.monotonic() + 5000 })
  await spool.close()
}

async function waiting(mailbox: MailboxAddress): Promise<string[]> {
  const spool = await openDirectSpool(join(place.folder, database), { clock: systemClock })
  const rows = await spool.waitingFor(mailbox, '10', { limit: 10 })
  await spool.close()
  return rows.map(({ delivery }) => delivery)
}

describe('directory move, where no gateway runs', () => {
  it('says where the organization lives now, and what has followed in its order', async () => {
    await leave(inRegion('us'), 'd1', 'd2')
    expect(await move('10', '--to', 'eu')).toEqual({
      exitCode: 0,
      stdout: 'Organization 10 acme lives in eu, moved 1 times. 2 waiting deliveries have followed.\n',
      stderr: '',
    })
    expect(await waiting(inRegion('us'))).toEqual([])
    expect(await waiting(inRegion('eu'))).toEqual(['d1', 'd2'])
  })

  it('--hold lets everything wait until --release', async () => {
    await leave(inRegion('us'), 'd1')
    const held = await move('10', '--to', 'eu', '--hold', '--json')
    expect(JSON.parse(held.stdout)).toEqual({
      id: '10',
      slug: 'acme',
      region: 'eu',
      epoch: 1,
      held: true,
      moved_deliveries: 1,
      warnings: [],
    })
    expect(await waiting({ kind: 'held', provider: 'slack', integration: '1', organization: '10' })).toEqual(['d1'])
    const released = await move('10', '--release', '--json')
    expect(JSON.parse(released.stdout)).toMatchObject({ region: 'eu', epoch: 1, held: false, moved_deliveries: 1 })
    expect(await waiting(inRegion('eu'))).toEqual(['d1'])
  })

  it('to a region that nobody knows warns, and does it', async () => {
    const { exitCode, stdout, stderr } = await move('10', '--to', 'mars')
    expect([exitCode, stderr]).toEqual([0, 'warning: mars is not in the regions file\n'])
    expect(stdout).toContain('lives in mars')
  })

  it('of an organization that is not there: exit 1, one line', async () => {
    expect(await move('99', '--to', 'eu')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'There is no organization 99.\n',
    })
  })

  it.each([
    ['nowhere', ['10'], 'say where with --to'],
    ['a hold without a place', ['10', '--hold'], 'say where with --to'],
    ['a move and a release', ['10', '--to', 'eu', '--release'], 'cannot be used with option'],
    ['what is no id', ['acme', '--to', 'eu'], "value 'acme' is invalid"],
  ])('%s exits 2 with one line on stderr', async (_, args, said) => {
    const { exitCode, stdout, stderr } = await move(...args)
    expect([exitCode, stdout]).toEqual([2, ''])
    expect(stderr).toContain(said)
    expect(stderr).toMatch(/^[^\n]+--help[^\n]*\n$/)
  })
})
