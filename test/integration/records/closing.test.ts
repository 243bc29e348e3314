import { mkdtemp, rm } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { startFakeRegion, type FakeRegion } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { eventCallback } from '../../support/slack-payloads.ts'
import { SINGLE } from '../../support/slack-surfaces.ts'
import { until } from '../../support/steps.ts'
import { startTestGateway, workspace } from '../../support/test-gateway.ts'

describe('what becomes of a delivery while its gateway closes', () => {
  let folder: string
  let us: FakeRegion | undefined
  afterEach(async () => {
    await us?.close()
    await rm(folder, { recursive: true })
  })

  it('is in its record, for the gateway that comes next: an attempt that was under way', async () => {
    folder = await mkdtemp(join(tmpdir(), 'silo-gateway-closing-'))
    const held: ServerResponse[] = []
    let asked = 0
    us = await startFakeRegion((res) => (asked++ === 0 ? res.writeHead(503).end() : held.push(res)))
    const clock = createManualClock({ now: Date.now() })
    const regions = [{ name: 'us', address: us.url }]
    const env = { DATABASE_URL: `sqlite:${join(folder, 'gateway.db')}` }

    const first = await startTestGateway({ regions, directory: workspace({ acme: 'us' }), clock, env })
    const { body, contentType } = eventCallback()
    const { headers } = await first.post(SINGLE, body, { contentType })
    await until(clock, () => held.length > 0)
    const closed = first.close()
    // Whatever does not wait for it has ended by now.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    held[0]?.end()
    await closed

    const next = await startTestGateway({ regions, clock, env })
    expect(await next.gateway.deliveries.read(String(headers['x-request-id']))).toMatchObject({
      later: [{ region: 'us', number: 2, result: 'answered', status: 200 }],
    })
    expect([...first.gateway.counters.read().keys()].filter((name) => name.startsWith('records_dropped'))).toEqual([])
    await next.close()
  })
})
