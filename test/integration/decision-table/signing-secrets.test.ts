import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../support/expect-problem.ts'
import { startSilo, type Silo } from '../../support/silo.ts'
import { SINGLE, surfaces } from '../../support/slack-surfaces.ts'
import {
  appRateLimited,
  blockActions,
  eventCallback,
  globalShortcut,
  slashCommand,
  TEAM,
  urlVerification,
  viewSubmission,
  type SlackBody,
} from '../../support/slack-payloads.ts'

const ONE = 'A0ONE000001'
const TWO = 'A0TWO000001'
const OTHER = 'A0OTHER0001'

// The workspace has installed app one, app two, and something that serves every other app: each in its own region.
const integration = (id: number, app_id: string | undefined) => ({ id, provider: 'slack', external_id: TEAM, app_id })
const directory = {
  integrations: [integration(1, ONE), integration(2, TWO), integration(3, undefined)],
  organizations: ['one', 'two', 'any'].map((slug, index) => ({ id: 10 + index, slug, region: slug, status: 'active' })),
  organization_integrations: [1, 2, 3].map((id) => ({
    integration_id: id,
    organization_id: 9 + id,
    status: 'active',
  })),
}

let silo: Silo
beforeAll(async () => {
  silo = await startSilo({
    regions: { one: {}, two: {}, any: {} },
    directory,
    env: { SLACK_SIGNING_SECRETS: `${ONE}:new-one,${ONE}:old-one, ${TWO}:of-two ,shared,older-shared` },
  })
})
afterAll(() => silo.close())

const builders: [string, (app: string | undefined) => SlackBody][] = [
  ['event', (api_app_id) => eventCallback({ api_app_id })],
  ['command', (api_app_id) => slashCommand({ api_app_id })],
  ['action', (api_app_id) => blockActions({ api_app_id })],
  ['view', (api_app_id) => viewSubmission({ api_app_id })],
  ['shortcut', (api_app_id) => globalShortcut({ api_app_id })],
]

const cases: [body: string | undefined, secret: string, region: string | 401][] = [
  [ONE, 'new-one', 'one'],
  [ONE, 'old-one', 'one'],
  [ONE, 'shared', 'one'],
  [ONE, 'older-shared', 'one'],
  [ONE, 'of-two', 401],
  [TWO, 'of-two', 'two'],
  [TWO, 'shared', 'two'],
  [TWO, 'new-one', 401],
  [TWO, 'old-one', 401],
  [OTHER, 'shared', 'any'],
  [OTHER, 'of-two', 401],
  [OTHER, 'new-one', 401],
  [undefined, 'new-one', 'one'],
  [undefined, 'old-one', 'one'],
  [undefined, 'of-two', 'two'],
  [undefined, 'shared', 'any'],
  [undefined, 'unknown', 401],
  [ONE, `${ONE}:new-one`, 401],
  [ONE, ' of-two ', 401],
]

describe('a body is verified by a secret of its app or of none', () => {
  it.each(
    cases.flatMap(([app, secret, outcome]) => builders.map(([what, build]) => ({ what, app, secret, outcome, build }))),
  )('$what of app $app signed with "$secret" → $outcome', async ({ app, secret, outcome, build }) => {
    const { reply, asked } = await silo.deliver(SINGLE, build(app), { secret })
    if (outcome === 401) expectProblem(reply, 401, 'invalid_signature')
    expect(asked).toEqual(outcome === 401 ? [] : [outcome])
  })

  it.each(['new-one', 'old-one', 'of-two', 'shared'])('a challenge names no app: "%s" verifies it', async (secret) => {
    expect((await silo.deliver(SINGLE, urlVerification(), { secret })).reply.status).toBe(200)
  })

  it('what is answered here is held to the app as well', async () => {
    const limited = appRateLimited({ api_app_id: TWO })
    expectProblem((await silo.deliver(SINGLE, limited, { secret: 'new-one' })).reply, 401, 'invalid_signature')
    expect((await silo.deliver(SINGLE, limited, { secret: 'of-two' })).reply.status).toBe(200)
    const challenge = urlVerification({ api_app_id: TWO })
    expectProblem((await silo.deliver(SINGLE, challenge, { secret: 'new-one' })).reply, 401, 'invalid_signature')
  })

  it.each(surfaces)('a $name of app one cannot be signed by app two', async (surface) => {
    const { body, contentType } = surface.from(TEAM)
    const named = body.includes('payload=')
      ? `payload=${encodeURIComponent(JSON.stringify({ ...JSON.parse(new URLSearchParams(body).get('payload')!), api_app_id: ONE }))}`
      : body.replace(/A0SILO00001/, ONE)
    const { reply, asked } = await silo.deliver(SINGLE, { body: named, contentType }, { secret: 'of-two' })
    expectProblem(reply, 401, 'invalid_signature')
    expect(asked).toEqual([])
  })
})
