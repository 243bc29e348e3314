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
      const { eventType, installKey, mustNotDispatch, type } = sample.expect
      const expected = mustNotDispatch ? 'answered: ssl_check' : `${eventType ?? type} of ${installKey}`
      expect(await observe(path(sample), sample)).toBe(expected)
    })
  })
})

/** What the provider makes of a sample: its type and its installation, or the rule that answers it. */
async function observe(path: string, sample: Sample): Promise<string> {
  const rig = createSlackRig()
  const identified = await rig.identify({ path, body: sample, ...(sample.expect.mustNotDispatch && { secret: null }) })
  if (identified.kind === 'answered') {
    // A rate limit has no installation to look up; its workspace is in the warning.
    const team = rig.warnings[0]?.fields['team'] as string | undefined
    return team === undefined ? `answered: ${identified.rule}` : `${identified.rule} of team:${team}`
  }
  const { installation, kind, type } = { kind: '', ...identified.request }
  if (installation.by !== 'external') return 'a page'
  const { externalId } = installation
  const typed = kind === 'command' ? 'slash_command' : type
  return `${typed} of ${externalId.startsWith('E') ? 'enterprise' : 'team'}:${externalId}`
}

describe.skipIf(!present)('signature cases', () => {
  it.for(vectors.map((vector) => [vector.id, vector] as const))('%s', async ([, vector]) => {
    const { verdict, reply } = await judge(vector)
    expect(verdict).toBe(vector.expect)
    expect(reply).toContain(vector.responseContains ?? '')
  })
})

async function judge({ secrets, headers, nowSec, ...body }: Vector): Promise<{ verdict: string; reply: string }> {
  const env = { SLACK_SIGNING_SECRETS: secrets.join(',') }
  // Without a usable secret there is no gateway to ask.
  if (!slack.environment.safeParse(env).success) return { verdict: 'invalid', reply: '' }
  const rig = createSlackRig({ env, now: nowSec * 1000 })
  const sent = {
    body,
    secret: null,
    headers: Object.fromEntries(
      // The way Node hands on a header that came more than once.
      Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? value : value.join(', ')]),
    ),
  }
  const code = await rig.codeOf(sent)
  if (code === 'invalid_signature' || code === undefined) return { verdict: code ? 'invalid' : 'crashed', reply: '' }
  if (code !== 'ssl_check' && code !== 'url_verification') return { verdict: 'valid', reply: '' }
  const { reply } = answeredOf(await rig.identify(sent))
  return { verdict: code === 'ssl_check' ? 'ssl-check-ok' : 'valid', reply: reply.body.toString() }
}
