import { describe, expect, it } from 'vitest'
import { attempt, packUnresolved, type AttemptParts, type Unresolved } from '../../../src/delivery/attempt.ts'
import type { Kept } from '../../../src/delivery/kept.ts'
import { createSealer } from '../../../src/delivery/seal.ts'
import type { WaitingRow } from '../../../src/delivery/spool.ts'
import type { Resolution } from '../../../src/resolve/resolve.ts'
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
  const progress = { attempts: 0, answeredFailures: 0, failingMs: 0, retryAt: 0 }
  const { receivedAt } = kept.what
  return {
    id: 1,
    delivery: 'd1',
    dedupKey: 'k1',
    organizations: [],
    receivedAt,
    spooledAt: receivedAt,
    payload,
    ...progress,
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
