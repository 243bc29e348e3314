import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ReceivedWebhook } from '../../../src/provider.ts'
import { redacted } from '../../../src/records/redact.ts'
import { createSlackRig } from '../providers/slack/rig.ts'

const { disclosure } = createSlackRig().provider
const JSON_TYPE = 'application/json'
const FORM = 'application/x-www-form-urlencoded'

function shown(body: string, contentType = JSON_TYPE, headers: Record<string, string> = {}) {
  const webhook = { headers: { 'content-type': contentType, ...headers }, body: Buffer.from(body) }
  return redacted(webhook as unknown as ReceivedWebhook, disclosure)
}

const letters = fc.string({ unit: fc.constantFrom(...'abcdefXYZ0123456789_-'.split('')), minLength: 12, maxLength: 30 })
/** What whoever knows it could act with, and a field that it is told in. */
const named = fc.tuple(
  fc.constantFrom(
    'token',
    'bot_access_token',
    'response_url',
    'trigger_id',
    'client_secret',
    'Authorization',
    'cookie',
  ),
  letters.map((text) => `s3cr3t${text}`),
)
const known = fc.oneof(
  letters.map((text) => `xoxb-1-${text}`),
  letters.map((text) => `xapp-1-${text}`),
  letters.map((text) => `https://hooks.slack.com/actions/T1/2/${text}`),
  letters.map((text) => `https://hooks.slack-gov.com/commands/T1/2/${text}`),
)

describe('what a record shows of a body', () => {
  it('is never a secret, wherever it stands and however often: named as one, or looking like one', () => {
    fc.assert(
      fc.property(named, known, letters, fc.integer({ min: 0, max: 5 }), ([name, secret], token, word, depth) => {
        let inner: unknown = {
          [name]: secret,
          text: `say ${secret} or ${token}`,
          word,
          list: [secret, { [token]: token }],
        }
        for (let level = 0; level < depth; level++) {
          inner = level % 2 === 0 ? { nested: inner } : { text: JSON.stringify(inner) }
        }
        const bodies = [
          shown(JSON.stringify({ ...(inner as object), again: encodeURIComponent(secret) })),
          shown(new URLSearchParams({ payload: JSON.stringify(inner), [name]: secret, text: token }).toString(), FORM),
        ]
        for (const { body } of bodies) {
          expect(body).not.toBeNull()
          for (const hidden of [secret, token, token.slice(-12)]) expect(body).not.toContain(hidden)
          expect(body).toContain(word)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('is never a secret in an address that is written as JSON within JSON, or for a form', () => {
    const url = 'https://hooks.slack.com/actions/T1/2/vErYsEcReT'
    const forms = [
      url.replaceAll('/', String.raw`\/`),
      encodeURIComponent(url),
      JSON.stringify(JSON.stringify({ url })),
    ]
    for (const form of forms) expect(shown(JSON.stringify({ text: `a ${form} b` })).body).not.toContain('vErYsEcReT')
  })

  it('is JSON also of a form, and of the JSON in its payload', () => {
    const body = new URLSearchParams({ payload: '{"type":"block_actions","token":"abcdefgh"}', a: '1' }).toString()
    expect(shown(body, FORM).body).toBe('{"payload":{"type":"block_actions","token":"[redacted]"},"a":"1"}')
  })

  it('ends after 16 KiB, and says so', () => {
    const { body, bytes, cut } = shown(JSON.stringify({ text: 'x'.repeat(20_000) }))
    expect([body?.length, bytes, cut]).toEqual([16_384, 20_011, true])
  })

  it.each([
    ['too large to be read', JSON.stringify('x'.repeat(70_000)), JSON_TYPE],
    ['not UTF-8 text of JSON or a form', 'token=abc', 'text/plain'],
    ['broken JSON', '{"token":"abcdefgh"', JSON_TYPE],
    ['nested more deeply than anybody does', '['.repeat(30_000) + ']'.repeat(30_000), JSON_TYPE],
  ])('is nothing where it is %s', (_, body, contentType) => {
    expect(shown(body, contentType)).toMatchObject({ body: null, bytes: Buffer.byteLength(body) })
  })

  it('has the value of a header only where it is known for no secret', () => {
    const given = {
      'x-slack-signature': 'v0=abc',
      authorization: 'Bearer abc',
      cookie: 'a=b',
      'x-slack-retry-num': '1',
    }
    expect(shown('{}', JSON_TYPE, given).headers).toEqual({
      'content-type': JSON_TYPE,
      'x-slack-signature': '[redacted]',
      authorization: '[redacted]',
      cookie: '[redacted]',
      'x-slack-retry-num': '1',
    })
  })
})
