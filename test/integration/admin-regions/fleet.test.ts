import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../../support/manual-clock.ts'
import { blockSuggestion, eventCallback } from '../../support/slack-payloads.ts'
import { until } from '../../support/steps.ts'
import { startTestGateway, workspace, type TestGatewayOptions } from '../../support/test-gateway.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** Two gateways on one database, each with a clock of its own. */
async function fleet() {
  const folder = await mkdtemp(join(tmpdir(), 'fleet-'))
  closing.push(() => rm(folder, { recursive: true }))
  const start = async (content: Pick<TestGatewayOptions, 'directory'> = {}) => {
    const clock = createManualClock()
    const test = await startTestGateway({
      ...content,
      clock,
      regions: [{ name: 'us', address: 'http://127.0.0.1:9' }],
      env: { DATABASE_URL: `sqlite:${join(folder, 'fleet.db')}` },
    })
    closing.push(() => test.close())
    return { ...test, clock }
  }
  const here = await start({ directory: workspace({ acme: 'us' }) })
  return { here, there: await start() }
}

const stateOf = ({ gateway }: { gateway: { topology(): { byName: ReadonlyMap<string, { state: string }> } } }) =>
  gateway.topology().byName.get('us')?.state

describe('what one gateway of a fleet is told', () => {
  it('is in effect in the other within a second: the state of a region', async () => {
    const { here, there } = await fleet()
    await here.gateway.steering.steerRegion('us', 'down', 'ann')
    expect([stateOf(here), stateOf(there)]).toEqual(['down', 'active'])
    await until(there.clock, () => stateOf(there) === 'down', { steps: 4 })
    const suggestion = blockSuggestion()
    const reply = await there.post('/extensions/slack/options-load/', suggestion.body, suggestion)
    expect(reply.json()).toMatchObject({ regions: { us: 'region_down' } })
  })

  it('is in effect in the other within a second: shed rules', async () => {
    const { here, there } = await fleet()
    const rule = { provider: 'slack', answer: 'too_many_requests', retry_after_seconds: 3 } as const
    await here.gateway.steering.putShed([rule], { author: 'ann', precondition: { kind: 'none' } })
    await until(there.clock, () => there.gateway.steering.shed().version === 1, { steps: 4 })
    const event = eventCallback()
    expect((await there.post('/extensions/slack/event/', event.body, event)).status).toBe(429)
  })

  it('is the use of a secret, once it is written down', async () => {
    const { here, there } = await fleet()
    const event = eventCallback({ type: 'url_verification', challenge: 'c' })
    await here.post('/extensions/slack/event/', event.body, event)
    const known = async () => (await there.gateway.secrets()).map(({ lastUsedAt }) => lastUsedAt)
    const usedAt = here.clock.now()
    expect(await known()).toEqual([null])
    await until(here.clock, async () => (await known())[0] !== null)
    expect(await known()).toEqual([usedAt])
  })
})
