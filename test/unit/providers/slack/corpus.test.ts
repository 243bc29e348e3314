import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { slack } from '../../../../src/providers/slack/index.ts'
import { ACTIONS, answeredOf, COMMANDS, createSlackRig, EVENTS, OPTIONS, SINGLE } from './rig.ts'

const folder = new URL('../../../../../shared/slack-corpus/', import.meta.url)
const present = existsSync(folder)
if (!present) console.log('Skipped: the sample bodies of Slack are not beside this checkout (../shared/slack-corpus)')

interface Sample {
  readonly name: string
  readonly surface: 'event' | 'interactivity' | 'options' | 'command'
  readonly contentType: string
  readonly body: string
  readonly expect: { type: string; eventType: string | null; installKey: string | null; mustNotDispatch?: boolean }
}

interface Vector {
  readonly id: string
  readonly expect: 'valid' | 'invalid' | 'ssl-check-ok'
  readonly secrets: readonly string[]
  readonly contentType: string
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: string
  readonly nowSec: number
  readonly responseContains?: string
}

const samples = present
  ? ['events', 'interactivity', 'options', 'commands'].flatMap((name) =>
      readFileSync(new URL(`${name}.jsonl`, folder), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Sample),
    )
  : []
const { vectors } = (
  present ? JSON.parse(readFileSync(new URL('signing-vectors.json', folder), 'utf8')) : { vectors: [] }
) as { vectors: Vector[] }

const pathOf = { event: EVENTS, interactivity: ACTIONS, options: OPTIONS, command: COMMANDS }

describe.skipIf(!present)('sample bodies of Slack', () => {
  it('are all here', () => {
    expect(samples).toHaveLength(235)
    expect(vectors).toHaveLength(43)
  })

  describe.each([
    ['on the path of its surface', (sample: Sample) => pathOf[sample.surface]],
    ['on the single path', () => SINGLE],
  ])('%s', (_, path) => {
    it.for(samples.map((sample) => [sample.name, sample] as const))('%s names its installation', async ([, sample]) => {
      const rig = createSlackRig()
      const sent = { path: path(sample), body: sample }
      if (sample.expect.mustNotDispatch) {
        expect(answeredOf(await rig.identify({ ...sent, secret: null })).rule).toBe('ssl_check')
        return
      }
      const identified = await rig.identify(sent)
      if (sample.expect.type === 'app_rate_limited') {
        expect(answeredOf(identified).rule).toBe('app_rate_limited')
        expect(rig.warnings.map(({ fields }) => `team:${String(fields['team'])}`)).toEqual([sample.expect.installKey])
        return
      }
      if (identified.kind !== 'request' || identified.request.installation.by !== 'external') expect.fail('no request')
      const { installation, type } = identified.request
      expect(sample.expect.installKey?.split(':')[1]).toBe(installation.externalId)
      expect(sample.expect.installKey?.split(':')[0]).toBe(
        installation.externalId.startsWith('E') ? 'enterprise' : 'team',
      )
      if (sample.surface !== 'command') expect(type).toBe(sample.expect.eventType ?? sample.expect.type)
    })
  })
})

describe.skipIf(!present)('signature cases', () => {
  it.for(vectors.map((vector) => [vector.id, vector] as const))('%s', async ([, vector]) => {
    const secrets = vector.secrets.join(',')
    if (!slack.environment.safeParse({ SLACK_SIGNING_SECRETS: secrets }).success) {
      // Without a usable secret there is no gateway to ask.
      expect(vector.secrets.every((secret) => secret.trim() === '')).toBe(true)
      expect(vector.expect).toBe('invalid')
      return
    }
    const rig = createSlackRig({ env: { SLACK_SIGNING_SECRETS: secrets }, now: vector.nowSec * 1000 })
    const headers = Object.fromEntries(
      // The way Node hands on a header that came more than once.
      Object.entries(vector.headers).map(([name, value]) => [
        name,
        typeof value === 'string' ? value : value.join(', '),
      ]),
    )
    const outcome = await rig.identify({ body: vector, secret: null, headers }).then(
      (identified) => ({ code: undefined, identified }),
      (error: { code: string }) => ({ code: error.code, identified: undefined }),
    )
    switch (vector.expect) {
      case 'invalid':
        expect(outcome.code).toBe('invalid_signature')
        break
      case 'ssl-check-ok':
        expect(outcome.identified).toMatchObject({ kind: 'answered', rule: 'ssl_check', reply: { status: 200 } })
        break
      case 'valid':
        expect([undefined, 'malformed_request', 'no_installation_named']).toContain(outcome.code)
        if (vector.responseContains !== undefined) {
          expect(String(outcome.identified?.kind === 'answered' && outcome.identified.reply.body)).toContain(
            vector.responseContains,
          )
        }
    }
  })
})
