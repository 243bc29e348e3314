import { describe, expect, it } from 'vitest'
import { attempt, isHeld, packUnresolved, type AttemptParts, type Unresolved } from '../../../src/delivery/attempt.ts'
import type { Fetched } from '../../../src/delivery/follow.ts'
import type { Kept } from '../../../src/delivery/kept.ts'
import { pack } from '../../../src/delivery/kept.ts'
import type { Lookup, Organization } from '../../../src/directory/directory.ts'
import type { Resolution } from '../../../src/resolve/resolve.ts'
import { createSealer } from '../../../src/spool/seal.ts'
import { NO_PROGRESS, regionOf, type MailboxAddress, type WaitingRow } from '../../../src/spool/spool.ts'
import { contentDigest } from '../../../src/wire/signature.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const sealer = createSealer([])
const installation = { by: 'external', provider: 'slack', appId: '', externalId: 'T1' } as const
const address = { kind: 'unresolved', provider: 'slack', installation: JSON.stringify(installation) } as const
const organization = {
  id: '7',
  slug: 'acme',
  name: 'Acme',
  region: 'eu',
  status: 'active',
  epoch: 0,
  held: false,
} as const
const body = Buffer.from('{}')
const kept: Kept = {
  what: {
    delivery: 'd1',
    method: 'POST',
    target: '/slack/events',
    headers: ['Content-Type', 'application/json'],
    receivedAt: 1_700_000_000_000,
    cookies: false,
    body,
    digest: contentDigest(body),
  },
  signedBy: '',
}

function rowOf(unresolved: Unresolved): WaitingRow {
  const payload = sealer.seal(packUnresolved(unresolved, kept), { delivery: 'd1', region: '' })
  const { receivedAt } = kept.what
  return {
    id: 1,
    delivery: 'd1',
    dedupKey: 'k1',
    organizations: [],
    receivedAt,
    spooledAt: receivedAt,
    payload,
    ...NO_PROGRESS,
  }
}

/** Everything but the directory is of no concern to an event that has no home yet. */
function partsWith(asked: unknown[]): AttemptParts {
  const nobody = (): never => {
    throw new Error('nobody is asked for this')
  }
  const resolution: Resolution = {
    kind: 'routed',
    verdict: 'found',
    ageMs: 0,
    route: {
      integration: {
        id: '1',
        provider: 'slack',
        appId: '',
        externalId: 'T1',
        enterpriseId: undefined,
        defaultOrganizationId: undefined,
        name: 'Acme',
        status: 'active',
      },
      organizations: [organization],
      regions: [{ name: 'eu', region: undefined, organizations: [organization] }],
      hint: 'none',
    },
  }
  return {
    clock: createManualClock(),
    alarms: { raise() {} },
    directory: { find: nobody },
    topology: nobody,
    resolve(request) {
      asked.push(request)
      return Promise.resolve(resolution)
    },
    provider: nobody,
    sealer: () => sealer,
    fetchEarlier: () => Promise.resolve('nothing'),
    maySend: () => true,
    forward: nobody,
  }
}

describe('an event whose home is not known', () => {
  it.each([
    ['no hint', undefined],
    ['a hint by ids', { by: 'id', ids: ['7'] }],
    ['a hint by slugs', { by: 'slug', slugs: ['acme'], pick: 'those' }],
  ] as const)('finds it with %s once the directory can be asked', async (_, hint) => {
    const asked: unknown[] = []
    const row = rowOf({ installation, hint, to: 'first' })
    const found = await attempt(address, row, partsWith(asked))
    expect(found).toMatchObject({ kind: 'moved', rows: [{ delivery: 'd1', organizations: ['7'] }] })
    expect(asked).toEqual([{ installation, hint, to: 'first' }])
  })
})

const slack = { provider: 'slack', integration: '1' } as const
const us: MailboxAddress = { ...slack, kind: 'region', region: 'us' }
const eu: MailboxAddress = { ...slack, kind: 'region', region: 'eu' }
const own = { ...slack, kind: 'held', organization: '7' } as const
const found = (...organizations: Organization[]): Lookup => ({
  verdict: 'found',
  ageMs: 0,
  installation: {
    integration: {
      id: '1',
      provider: 'slack',
      appId: '',
      externalId: 'T1',
      enterpriseId: undefined,
      defaultOrganizationId: undefined,
      name: 'Acme',
      status: 'active',
    },
    organizations,
  },
})
const held: Organization = { ...organization, held: true }
const other: Organization = { ...organization, id: '8' }

/** One attempt at a delivery for organizations 7 and 8, and whom it was sent to. */
async function attemptAt(
  mailbox: MailboxAddress,
  lookup: Lookup,
  { organizations = ['7', '8'], ...more }: Partial<AttemptParts> & { organizations?: string[] } = {},
) {
  const region = regionOf(mailbox)
  const row: WaitingRow = {
    ...rowOf({ installation, hint: undefined, to: 'first' }),
    organizations,
    payload: sealer.seal(pack(kept), { delivery: 'd1', region }),
  }
  const sent: unknown[] = []
  const parts: AttemptParts = {
    ...partsWith([]),
    directory: { find: () => Promise.resolve(lookup) },
    topology: () => ({ regions: [], byName: new Map() }),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all that is asked of a provider here
    provider: () => ({ signAgain: () => [] }) as unknown as ReturnType<AttemptParts['provider']>,
    forward(_what, { destination }) {
      sent.push([destination.name, destination.organizations.map(({ id, epoch }) => `${id}=${epoch}`).join()])
      return Promise.resolve({ kind: 'timed_out', region, sent: true, timing: { startedMs: 0, endedMs: 1 } })
    },
    ...more,
  }
  const attempted = await attempt(mailbox, row, parts)
  const rows = attempted.kind === 'moved' ? attempted.rows : []
  return { attempted, sent, homes: rows.map(({ mailbox: to, organizations: ids }) => [regionOf(to), ids.join()]), rows }
}

describe('a delivery that waits for a region', () => {
  it('is sent for the organizations that live there, with how often each has moved by now', async () => {
    const { sent } = await attemptAt(eu, found({ ...organization, epoch: 3 }, other))
    expect(sent).toEqual([['eu', '7=3,8=0']])
  })

  it('is not sent for any once one of them has moved: each goes to its own region', async () => {
    const { sent, homes } = await attemptAt(us, found(organization, { ...other, region: 'us' }))
    expect(sent).toEqual([])
    expect(homes).toEqual([
      ['eu', '7'],
      ['us', '8'],
    ])
  })

  it('goes to the mailbox of each organization that is held, and for the others stays', async () => {
    const { sent, homes, rows } = await attemptAt(eu, found(held, other))
    expect(sent).toEqual([])
    expect(homes).toEqual([
      ['@7', '7'],
      ['eu', '8'],
    ])
    for (const { mailbox, payload } of rows) {
      const context = { delivery: 'd1', region: regionOf(mailbox) }
      expect(sealer.open(payload, context)).toMatchObject({ kind: 'opened' })
    }
  })

  it('waits behind what one of them has left where it has lived', async () => {
    const asked: unknown[] = []
    const fetching = (fetched: Fetched) => ({
      fetchEarlier(...[{ id }, home, { dedupKey }]: Parameters<AttemptParts['fetchEarlier']>) {
        asked.push([id, home.region, dedupKey])
        return Promise.resolve(id === '8' ? fetched : 'nothing')
      },
    })
    const lookup = found(organization, other)
    expect(await attemptAt(eu, lookup, fetching('some'))).toMatchObject({ attempted: { kind: 'behind' }, sent: [] })
    expect(asked).toEqual([
      ['7', 'eu', 'k1'],
      ['8', 'eu', 'k1'],
    ])
    const { attempted, sent } = await attemptAt(eu, lookup, fetching('busy'))
    expect(attempted).toMatchObject({ judgement: { why: 'not_tried', reason: 'following' } })
    expect(sent).toEqual([])
  })

  it.each(['unknown', 'stale'] as const)('waits while the store cannot say where they live (%s)', async (verdict) => {
    const known = found(organization)
    const lookup: Lookup =
      verdict === 'unknown' || known.verdict === 'absent' || known.verdict === 'unknown'
        ? { verdict: 'unknown', cause: 'away' }
        : { verdict, installation: known.installation, ageMs: 1 }
    const { attempted, sent } = await attemptAt(eu, lookup)
    expect(sent).toEqual([])
    expect(attempted).toMatchObject({ judgement: { why: 'not_tried', reason: 'directory_away' } })
  })
})

describe('a delivery that waits for an organization that is held', () => {
  it('is sent nowhere', async () => {
    const { attempted, sent } = await attemptAt(own, found(held), { organizations: ['7'] })
    expect(sent).toEqual([])
    expect(attempted).toMatchObject({ judgement: { why: 'not_tried', reason: 'held' } })
  })

  it('goes to its region once it is released', async () => {
    const { homes, sent } = await attemptAt(own, found(organization), { organizations: ['7'] })
    expect(homes).toEqual([['eu', '7']])
    expect(sent).toEqual([])
  })

  it('dies where nobody is left who could take it', async () => {
    expect((await attemptAt(own, found(other), { organizations: ['7'] })).attempted).toEqual({
      kind: 'dead',
      reason: 'no_organization',
    })
  })

  it('is looked at once it may be released, or is nobody any more', async () => {
    const isHeldBy = (lookup: Lookup) => isHeld(own, { find: () => Promise.resolve(lookup) })
    expect(await isHeldBy(found(held))).toBe(true)
    expect(await isHeldBy({ verdict: 'unknown', cause: 'away' })).toBe(true)
    expect(await isHeldBy(found(organization))).toBe(false)
    expect(await isHeldBy(found({ ...other, held: true }))).toBe(false)
    expect(await isHeldBy({ verdict: 'absent' })).toBe(false)
  })
})

describe('an event whose home is found', () => {
  it('waits for those of its organizations that are held', async () => {
    const parts = partsWith([])
    const resolution = await parts.resolve({ installation, hint: undefined })
    if (resolution.kind !== 'routed') throw new Error('it is not')
    const regions = [{ name: 'eu', region: undefined, organizations: [held, other] }] as const
    const route = { ...resolution.route, regions }
    const row = rowOf({ installation, hint: undefined, to: 'first' })
    const resolved = { ...parts, resolve: () => Promise.resolve({ ...resolution, route }) }
    expect(await attempt(address, row, resolved)).toMatchObject({
      rows: [
        { mailbox: own, organizations: ['7'] },
        { mailbox: eu, organizations: ['8'] },
      ],
    })
  })
})
