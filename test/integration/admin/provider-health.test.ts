import { afterEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../../support/manual-clock.ts'
import { appRateLimited, eventCallback, slashCommand, type SlackBody } from '../../support/slack-payloads.ts'
import { useSilos } from '../../support/silos.ts'
import { openAdmin, type Admin } from './admin-rig.ts'

const silos = useSilos()
let admin: Admin
afterEach(() => admin.close())

describe('GET /api/provider-health', () => {
  it('holds the events of the last hour to the lines at which Slack steps in', async () => {
    const clock = createManualClock()
    const { gateway, post, nextRecord } = await silos(
      { us: undefined },
      { clock, slack: { events_on_failure: 'fail' } },
    )
    admin = await openAdmin(gateway)
    const startedAt = new Date(clock.now()).toISOString()
    const send = async ({ body, contentType }: SlackBody, secret?: string) => {
      await post('/slack/events', body, { contentType, ...(secret !== undefined && { secret }) })
      await nextRecord()
    }
    for (const event_id of ['Ev1', 'Ev2', 'Ev3']) await send(eventCallback({ event_id }))
    await send(eventCallback({ authorizations: [], team_id: 'T0UNKNOWN01' }))
    await send(eventCallback(), 'a secret of somebody else')
    await send({ body: '{"type":"event_callback"', contentType: 'application/json' })
    await send(eventCallback({ authorizations: [], team_id: undefined }))
    await send(slashCommand())
    await send(appRateLimited())
    const { status, json } = await admin.ask('GET', '/api/provider-health')
    expect(status).toBe(200)
    expect(json).toEqual({
      items: [
        {
          provider: 'slack',
          since: startedAt,
          window_ms: 3_600_000,
          answered: 6,
          not_ok: 3,
          share_not_ok: 0.5,
          limit_share: 0.95,
          limit_says: expect.stringContaining('more than 95 %'),
          unproven: 1,
          busiest: [
            { installation: 'T0ACME00001', app_id: 'A0SILO00001', deliveries: 3 },
            { installation: 'T0UNKNOWN01', app_id: 'A0SILO00001', deliveries: 1 },
          ],
          deliveries_limit: 30_000,
          rate_limited_seen: 1,
          rate_limited_last_at: startedAt,
        },
      ],
      next_cursor: null,
    })
  })

  it('says of a gateway that has just started that nothing has failed', async () => {
    const { gateway } = await silos({ us: undefined })
    admin = await openAdmin(gateway)
    const { json } = await admin.ask('GET', '/api/provider-health')
    expect(json).toMatchObject({ items: [{ answered: 0, not_ok: 0, share_not_ok: 0, rate_limited_last_at: null }] })
  })
})
