import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import type { Answer } from '../../support/fake-region.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { useSilos } from '../../support/silos.ts'
import { blockSuggestion, eventCallback, slashCommand, type SlackBody } from '../../support/slack-payloads.ts'
import { signSlack } from '../../support/slack-signer.ts'
import { SIGNING_SECRET } from '../../support/test-gateway.ts'

const silos = useSilos()
const EVENT = '/extensions/slack/event/'
const COMMAND = '/extensions/slack/commands/'
const OPTIONS = '/extensions/slack/options-load/'

async function setUp(answer: Answer) {
  const clock = createManualClock({ now: Date.now() })
  const started = await silos({ us: answer }, { clock })
  const signedAt = clock.now()
  return {
    ...started,
    clock,
    /** The very same bytes under the very same signature, each time. */
    again: (path: string, { body, contentType }: SlackBody) =>
      started.post(path, body, {
        contentType,
        secret: null,
        headers: signSlack({ secret: SIGNING_SECRET, body, now: signedAt }),
      }),
  }
}

describe('a request that comes again', () => {
  it('while it is being dealt with: all of a thousand get the one answer of the one call', async () => {
    const held: ServerResponse[] = []
    const { again, regions, records } = await setUp((res) => held.push(res))
    const replies = Array.from({ length: 1000 }, () => again(OPTIONS, blockSuggestion()))
    await regions.us.nextRequest()
    await expect.poll(() => held.length).toBe(1)
    held[0]?.end('{"options":[]}')
    const answers = await Promise.all(replies)
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`))).toEqual(new Set(['200 {"options":[]}']))
    expect(regions.us.requests).toHaveLength(1)
    await expect.poll(() => records.length).toBe(1000)
    expect(records.filter(({ outcome }) => outcome === 'duplicate')).toHaveLength(999)
  })

  it('after it was answered: the answer is given again, without a call', async () => {
    let calls = 0
    const { again, regions } = await setUp((res) => res.end(`call ${(calls += 1)}`))
    expect((await again(COMMAND, slashCommand())).text).toBe('call 1')
    expect((await again(COMMAND, slashCommand())).text).toBe('call 1')
    expect(regions.us.requests).toHaveLength(1)
  })

  it('ten minutes after its answer: is a request of its own, if its signature still were one', async () => {
    const { clock, again } = await setUp((res) => res.end())
    await again(COMMAND, slashCommand())
    clock.advance(301_000)
    expect((await again(COMMAND, slashCommand())).status).toBe(401)
  })

  it('an event, tried again by Slack under a new signature hours later: 200, without a call', async () => {
    const { clock, post, regions } = await setUp((res) => res.end())
    const body = eventCallback()
    await post(EVENT, body.body, body)
    clock.advance(20 * 3_600_000)
    expect(await post(EVENT, body.body, { ...body, headers: { 'X-Slack-Retry-Num': '1' } })).toMatchObject({
      status: 200,
      text: '',
    })
    expect(regions.us.requests).toHaveLength(1)
  })

  it('an event that waits in a mailbox: 200, and it waits there once', async () => {
    const { post, gateway } = await setUp((res) => res.destroy())
    const body = eventCallback()
    for (let time = 0; time < 3; time++) expect((await post(EVENT, body.body, body)).status).toBe(200)
    expect(await gateway.spool.list()).toMatchObject([{ depth: 1 }])
  })

  it('after it failed without a trace: is tried again', async () => {
    const { again, regions } = await setUp((res) => res.writeHead(503).end())
    expect((await again(OPTIONS, blockSuggestion())).status).toBe(502)
    expect((await again(OPTIONS, blockSuggestion())).status).toBe(502)
    expect(regions.us.requests).toHaveLength(2)
  })

  it('is not one only because Slack says so', async () => {
    const { post, regions } = await setUp((res) => res.end())
    const body = eventCallback()
    await post(EVENT, body.body, { ...body, headers: { 'X-Slack-Retry-Num': '2' } })
    expect(regions.us.requests).toHaveLength(1)
  })

  it('is another one with the same event_id of another app or workspace', async () => {
    const clock = createManualClock({ now: Date.now() })
    const { post, regions } = await silos(
      { us: (res) => res.end() },
      {
        clock,
        directory: {
          integrations: ['T0ACME00001', 'T0BETA00001'].map((external_id, index) => ({
            id: 1 + index,
            provider: 'slack',
            external_id,
            name: external_id,
            status: 'active',
          })),
          organizations: [{ id: 10, slug: 'acme', name: 'Acme', region: 'us', status: 'active' }],
          organization_integrations: [1, 2].map((integration_id) => ({
            integration_id,
            organization_id: 10,
            status: 'active',
          })),
        },
      },
    )
    const beta = { team_id: 'T0BETA00001', authorizations: [{ team_id: 'T0BETA00001', is_enterprise_install: false }] }
    for (const body of [eventCallback(), eventCallback({ api_app_id: 'A0OTHER0001' }), eventCallback(beta)]) {
      expect((await post(EVENT, body.body, body)).status).toBe(200)
    }
    expect(regions.us.requests).toHaveLength(3)
  })
})
