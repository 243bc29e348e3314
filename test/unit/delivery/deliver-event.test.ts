import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { deliverEvent, type Event, type EventParts } from '../../../src/delivery/deliver-event.ts'
import { createSealer } from '../../../src/delivery/seal.ts'
import type { NewRow } from '../../../src/delivery/spool.ts'
import type { Plan } from '../../../src/dispatch/dispatch.ts'
import type { RegionResult } from '../../../src/dispatch/region-result.ts'
import { contentDigest } from '../../../src/wire/signature.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const BUDGET_MS = 2500
/** A sync on a slow disk, begun while another one was under way. */
const SLOW_SYNC_MS = 400
const plan: Plan = {
  kind: 'first',
  wins: 'success',
  regions: [{ name: 'eu', region: undefined, organizations: [] }],
}

/** An event whose region never answers, and a disk that takes as long as it takes. */
function begin(syncMs: number) {
  const clock = createManualClock()
  const body = Buffer.from('{}')
  const what = {
    delivery: 'd1',
    method: 'POST',
    target: '/',
    headers: [],
    receivedAt: 0,
    cookies: false,
    body,
  } as const
  const event: Event = {
    provider: 'slack',
    kept: { what: { ...what, digest: contentDigest(body) }, signedBy: '' },
    dedupKey: 'k1',
    startedAt: 0,
    deadline: BUDGET_MS,
  }
  const mailboxes: EventParts['mailboxes'] = {
    mustWait: () => false,
    taken() {},
    settleHeld: () => Promise.resolve(),
    append: (rows: readonly NewRow[], { giveUpAt }) =>
      new Promise((resolve, reject) => {
        clock.after(giveUpAt - clock.monotonic(), () => reject(new Error('not in time')))
        clock.after(syncMs, () => resolve(rows.map(() => ({ kind: 'stored', id: 1, mailbox: 1 }))))
      }),
  }
  const never = (): Promise<RegionResult> => new Promise(() => {})
  const parts = { clock, random: () => 0.5, mailboxes, sealer: createSealer([]) }
  const { safe } = deliverEvent(event, plan, '1', never, parts)
  return {
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
