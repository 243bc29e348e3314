import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { deliverEvent, type Event, type EventParts } from '../../../src/delivery/deliver-event.ts'
import type { Organization } from '../../../src/directory/directory.ts'
import type { Plan } from '../../../src/dispatch/dispatch.ts'
import type { RegionResult } from '../../../src/dispatch/region-result.ts'
import { createSealer } from '../../../src/spool/seal.ts'
import { regionOf, type NewRow } from '../../../src/spool/spool.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { keptWebhook } from './kept-webhook.ts'

const BUDGET_MS = 2500
/** A sync on a slow disk, begun while another one was under way. */
const SLOW_SYNC_MS = 400
const plan: Plan = {
  kind: 'first',
  wins: 'success',
  regions: [{ name: 'eu', region: undefined, organizations: [] }],
}

const event: Event = { provider: 'slack', kept: keptWebhook, dedupKey: 'k1', startedAt: 0, deadline: BUDGET_MS }

/** An event whose region does not answer in time, and a disk that takes as long as it takes. */
function begin(syncMs: number) {
  const clock = createManualClock()
  const settlements: unknown[] = []
  const call = Promise.withResolvers<RegionResult>()
  const mailboxes: EventParts['mailboxes'] = {
    mustWait: () => false,
    taken() {},
    settleHeld(address, row, judgement) {
      settlements.push({ address, row, judgement })
      return Promise.resolve()
    },
    append: (rows: readonly NewRow[], { giveUpAt }) =>
      new Promise((resolve, reject) => {
        clock.after(giveUpAt - clock.monotonic(), () => reject(new Error('not in time')))
        clock.after(syncMs, () => resolve(rows.map(() => ({ kind: 'stored', id: 1, mailbox: 1 }))))
      }),
  }
  const parts = { clock, random: () => 0.5, mailboxes, sealer: createSealer([]) }
  const { safe, settled } = deliverEvent(event, plan, '1', () => call.promise, parts)
  return {
    settlements,
    settled,
    call,
    async fate(): Promise<string> {
      const fate = safe.then(
        () => 'accepted',
        () => 'refused',
      )
      for (let ms = 0; ms < BUDGET_MS; ms += 10) {
        clock.advance(10)
        await nextTurn()
      }
      return await Promise.race([fate, nextTurn('not answered')])
    },
  }
}

describe('an event whose region does not answer', () => {
  it('is written down so early that a slow disk has it by the deadline', async () => {
    expect(await begin(SLOW_SYNC_MS).fate()).toBe('accepted')
  })

  it('is refused at the deadline where the disk has not got it by then', async () => {
    expect(await begin(BUDGET_MS).fate()).toBe('refused')
  })
})

describe('a fault of our own in a first attempt', () => {
  it('lets go of the row that it held, to be sent again', async () => {
    const event = begin(0)
    expect(await event.fate()).toBe('accepted')
    event.call.reject(new TypeError('a fault'))
    await nextTurn()
    const address = { kind: 'region', provider: 'slack', integration: '1', region: 'eu' }
    const judgement = { kind: 'transient', reason: 'internal_error', why: 'unreachable', retryAfterMs: undefined }
    expect(event.settlements).toEqual([{ address, row: { id: 1, delivery: 'd1' }, judgement }])
  })

  it('is told to whoever waits for the end of it, and to nobody where nobody does', async () => {
    const event = begin(0)
    await event.fate()
    event.call.reject(new TypeError('a fault'))
    await nextTurn()
    await expect(event.settled).rejects.toThrow('a fault')
  })
})

describe('an event for organizations that are held', () => {
  const organization = (id: string, held = false): Organization => ({
    id,
    slug: id,
    name: id,
    region: 'eu',
    status: 'active',
    epoch: 0,
    held,
  })

  /** Delivers an event to `eu`, which takes it; `pending`: mailboxes that something waits in. */
  async function deliver(organizations: Organization[], { pending = [] as string[], appended = 'stored' } = {}) {
    const clock = createManualClock()
    const rows: NewRow[] = []
    const asked: string[] = []
    const reply = { status: 200, rawHeaders: [], body: Buffer.of() }
    const { safe, settled } = deliverEvent(
      event,
      { ...plan, regions: [{ name: 'eu', region: undefined, organizations }] },
      '1',
      (region) => {
        asked.push(`${region.name} for ${region.organizations.map(({ id }) => id).join()}`)
        return Promise.resolve({ kind: 'answered', region: 'eu', reply, timing: { startedMs: 0, endedMs: 1 } })
      },
      {
        clock,
        random: () => 0.5,
        sealer: createSealer([]),
        mailboxes: {
          mustWait: (address) => pending.includes(regionOf(address)),
          taken() {},
          settleHeld: () => Promise.resolve(),
          append(given) {
            rows.push(...given)
            const stored = { kind: 'stored', id: 1, mailbox: 1 } as const
            return Promise.resolve(given.map(() => (appended === 'full' ? { kind: 'full' } : stored)))
          },
        },
      },
    )
    const outcome = await safe.catch((error: unknown) => error)
    const results = await settled
    return {
      asked,
      outcome,
      results,
      kinds: results.map(({ kind }) => kind),
      rows: rows.map((row) => `${regionOf(row.mailbox)} ${row.organizations.join()} ${row.state.kind}`),
    }
  }

  it('waits for them in their own mailboxes, and goes to the others of their region at once', async () => {
    const { asked, rows, kinds, outcome } = await deliver([organization('10', true), organization('11')])
    expect(asked).toEqual(['eu for 11'])
    expect(rows).toEqual(['@10 10 waiting'])
    expect(kinds).toEqual(['answered'])
    expect(outcome).toEqual({ takenBy: 'eu' })
  })

  it('is not sent to a region all of whose organizations are held', async () => {
    const { asked, rows, kinds } = await deliver([organization('10', true), organization('11', true)])
    expect(asked).toEqual([])
    expect(rows).toEqual(['@10 10 waiting', '@11 11 waiting'])
    expect(kinds).toEqual(['spooled'])
  })

  it('waits behind what came while they were, once they are released', async () => {
    const { asked, rows } = await deliver([organization('10'), organization('11')], { pending: ['@10'] })
    expect(asked).toEqual(['eu for 11'])
    expect(rows).toEqual(['@10 10 waiting'])
  })

  it('waits behind what is still where one of them has lived', async () => {
    const moved = { ...organization('10'), formerly: { regions: ['us'], until: 0 } }
    const { asked, rows } = await deliver([moved, organization('11')], { pending: ['us'] })
    expect(asked).toEqual([])
    expect(rows).toEqual(['eu 10,11 waiting'])
    expect(await deliver([moved], { pending: ['ap'] })).toMatchObject({ asked: ['eu for 10'], rows: [] })
    expect(await deliver([organization('11')], { pending: ['us'] })).toMatchObject({ asked: ['eu for 11'], rows: [] })
  })

  it('waits for the others of their region where that must be waited for', async () => {
    const { asked, rows } = await deliver([organization('10', true), organization('11')], { pending: ['eu'] })
    expect(asked).toEqual([])
    expect(rows).toEqual(['eu 11 waiting', '@10 10 waiting'])
  })

  it('is refused where there is no room for what waits for them', async () => {
    const { outcome, results } = await deliver([organization('10', true), organization('11', true)], {
      appended: 'full',
    })
    expect(outcome).toMatchObject({ status: 503, results: [{ region: 'eu', reason: 'spool_full' }] })
    expect(results).toMatchObject([{ kind: 'refused', region: 'eu', reason: 'spool_full' }])
  })
})

describe('an event for several regions that cannot be stored for one of them', () => {
  it('is refused with what has become of each, and names the one', async () => {
    const regions = ['eu', 'us', 'ap', 'de'].map((name) => ({ name, region: undefined, organizations: [] }))
    const [eu, ...others] = regions
    const reply = { status: 200, rawHeaders: [], body: Buffer.of() }
    const timing = { startedMs: 0, endedMs: 1 }
    const clock = createManualClock()
    const { safe } = deliverEvent(
      event,
      { kind: 'all', wins: 'success', preferBodyForMs: 0, regions: [eu!, ...others] },
      '1',
      ({ name: region }) =>
        Promise.resolve(
          region === 'de'
            ? { kind: 'failed', reason: 'http_503', sent: true, region, timing }
            : { kind: 'answered', region, reply, timing },
        ),
      {
        clock,
        random: () => 0.5,
        sealer: createSealer([]),
        mailboxes: {
          mustWait: (address) => ['us', 'ap'].includes(regionOf(address)),
          taken() {},
          settleHeld: () => Promise.resolve(),
          append: (rows) =>
            Promise.resolve(
              rows.map(({ mailbox }) =>
                regionOf(mailbox) === 'us' ? { kind: 'full' } : { kind: 'stored', id: 1, mailbox: 1 },
              ),
            ),
        },
      },
    )
    const error = await safe.catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      status: 503,
      message: 'No region could answer (us: spool_full)',
      regions: { us: 'spool_full' },
      results: [
        { region: 'eu', kind: 'answered' },
        { region: 'us', kind: 'refused', reason: 'spool_full' },
        { region: 'ap', kind: 'spooled' },
        { region: 'de', kind: 'spooled' },
      ],
    })
  })
})
