import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Refusal } from '../../../../src/errors.ts'
import { parseForm } from '../../../../src/providers/slack/form.ts'
import { FORM, JSON_TYPE, TEAM } from '../../../support/slack-payloads.ts'
import { ACTIONS, COMMANDS, createSlackRig, EVENTS, head, OPTIONS, PAGE_SECRET, SINGLE, type Sent } from './rig.ts'

const rules = {
  links: ['/organizations/(?<org>[a-z0-9-]+)/'],
  local_actions: ['link_clicked'],
  first_region_actions: ['link'],
}
const rig = createSlackRig({ rules, env: { PAGE_SIGNING_SECRET: PAGE_SECRET } })
const path = fc.constantFrom(EVENTS, ACTIONS, COMMANDS, OPTIONS, SINGLE)
const contentType = fc.oneof(fc.constantFrom(FORM, JSON_TYPE, `${FORM}; charset=utf-8`), fc.string())

/** Runs a request through everything that the provider says of it before a region is asked. */
async function goThrough(sent: Sent): Promise<'answered' | 'request' | Refusal['code']> {
  try {
    const identified = await rig.identify(sent)
    if (identified.kind === 'answered') return 'answered'
    const { request } = identified
    rig.provider.fanOut(request)
    rig.provider.inactive(request)
    rig.provider.promise(request)
    rig.provider.unknownIntegration(request, head())
    return 'request'
  } catch (error) {
    if (error instanceof Refusal) return error.code
    throw error
  }
}

const verdicts = ['answered', 'request', 'malformed_request', 'no_installation_named', 'unknown_integration']

/** Names that Slack's bodies have, so that arbitrary values land where they are looked at. */
const name = fc.constantFrom(
  'type',
  'team',
  'id',
  'team_id',
  'enterprise',
  'enterprise_id',
  'is_enterprise_install',
  'view',
  'app_installed_team_id',
  'user',
  'actions',
  'action_id',
  'callback_id',
  'value',
  'event',
  'event_id',
  'links',
  'url',
  'authorizations',
  'challenge',
  'api_app_id',
  'response_url',
  '__proto__',
  'constructor',
)
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    TEAM,
    'E1',
    'block_actions',
    'block_suggestion',
    'view_submission',
    'link_shared',
    'a::1::2',
    'link_clicked',
  ),
  fc.constantFrom('url_verification', 'app_rate_limited', 'interactive_message', 'https://x/organizations/acme/'),
)
const { tree: payload } = fc.letrec((tie) => ({
  leaf: fc.oneof(text, fc.constant(null), fc.boolean(), fc.double(), fc.constant(true)),
  tree: fc.dictionary(name, tie('node'), { maxKeys: 12, noNullPrototype: true }),
  node: fc.oneof({ depthSize: 'small' }, tie('leaf'), tie('tree'), fc.array(tie('node'), { maxLength: 3 })),
}))

describe('whatever is signed is identified or refused, never an accident', () => {
  it('arbitrary bytes', async () => {
    await fc.assert(
      fc.asyncProperty(path, contentType, fc.uint8Array({ maxLength: 200 }), async (path, contentType, body) => {
        expect(verdicts).toContain(await goThrough({ path, body: { contentType, body } }))
      }),
    )
  })

  it('arbitrary JSON', async () => {
    await fc.assert(
      fc.asyncProperty(
        path,
        contentType,
        fc.oneof(
          fc.json(),
          payload.map((value) => JSON.stringify(value)),
        ),
        async (path, contentType, body) => {
          expect(verdicts).toContain(await goThrough({ path, body: { contentType, body } }))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('arbitrary payloads of interactivity', async () => {
    await fc.assert(
      fc.asyncProperty(path, payload, async (path, value) => {
        const body = new URLSearchParams({ payload: JSON.stringify(value) }).toString()
        expect(verdicts).toContain(await goThrough({ path, body: { contentType: FORM, body } }))
      }),
      { numRuns: 500 },
    )
  })

  it('arbitrary and truncated forms', async () => {
    const field = fc.tuple(fc.oneof(name, fc.constantFrom('payload', 'command', 'text'), text), text)
    await fc.assert(
      fc.asyncProperty(path, fc.array(field, { maxLength: 8 }), fc.nat(), async (path, fields, cut) => {
        const body = new URLSearchParams(fields).toString()
        const truncated = body.slice(0, cut % (body.length + 1))
        expect(verdicts).toContain(await goThrough({ path, body: { contentType: FORM, body: truncated } }))
      }),
      { numRuns: 300 },
    )
  })
})

describe('whatever is not signed is refused', () => {
  it('with arbitrary signature headers', async () => {
    const header = fc.oneof(
      fc.string(),
      fc
        .string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), minLength: 64, maxLength: 64 })
        .map((hex) => `v0=${hex}`),
      fc.constantFrom('1700000000', '1700000300', '1699999700', '0', '-1', 'NaN'),
    )
    await fc.assert(
      fc.asyncProperty(path, fc.option(header), fc.option(header), async (path, signature, timestamp) => {
        const headers = {
          ...(signature !== null && { 'x-slack-signature': signature }),
          ...(timestamp !== null && { 'x-slack-request-timestamp': timestamp }),
        }
        const body = { contentType: JSON_TYPE, body: '{"type":"url_verification","challenge":"x"}' }
        expect(await goThrough({ path, body, secret: null, headers })).toBe('invalid_signature')
      }),
    )
  })

  it('when any bit of the body is turned', async () => {
    const body = Buffer.from('{"type":"url_verification","challenge":"x"}')
    const { headers } = rig.receive({ body: { body } })
    const signed = {
      'x-slack-signature': String(headers['x-slack-signature']),
      'x-slack-request-timestamp': String(headers['x-slack-request-timestamp']),
    }
    expect(await goThrough({ body: { body }, secret: null, headers: signed })).toBe('answered')
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: body.length * 8 - 1 }), async (bit) => {
        const turned = Buffer.from(body)
        turned[bit >> 3] = turned[bit >> 3]! ^ (1 << (bit & 7))
        expect(await goThrough({ body: { body: turned }, secret: null, headers: signed })).toBe('invalid_signature')
      }),
    )
  })

  it('with arbitrary page tokens', async () => {
    const token = fc.oneof(
      fc.webSegment(),
      fc.array(fc.base64String(), { maxLength: 4 }).map((parts) => parts.join('.')),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('link-team', 'link-identity'), token, async (purpose, token) => {
        const path = `/extensions/slack/${purpose}/${token}`
        fc.pre(rig.provider.match(path) !== undefined)
        expect(await goThrough({ path, method: 'GET', secret: null })).toBe('invalid_page_token')
      }),
    )
  })
})

describe('forms', () => {
  const asUrlStandard = (body: string) => {
    const form = new Map<string, string[]>()
    for (const [name, value] of new URLSearchParams(body)) form.set(name, [...(form.get(name) ?? []), value])
    return form
  }

  it('are read as the URL standard reads them, but for what is not UTF-8', () => {
    // ASCII: beside a stray percent sign Node's URLSearchParams turns other characters into replacement characters.
    const piece = fc.oneof(fc.string(), fc.constantFrom('&', '=', '+', '%', '%2', '%zz', '%20', '%C3%BC', '%26'))
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const body = `a=b&${pieces.join('')}`
        const expected = asUrlStandard(body)
        const replaced = [...expected].flat(2).some((text) => text.includes('\uFFFD'))
        expect(parseForm(body)).toEqual(replaced ? undefined : expected)
      }),
    )
  })

  it('survive being written and read', () => {
    const field = fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }))
    fc.assert(
      fc.property(fc.array(field), (fields) => {
        expect(parseForm(new URLSearchParams(fields).toString())).toEqual(
          asUrlStandard(new URLSearchParams(fields).toString()),
        )
      }),
    )
  })
})
