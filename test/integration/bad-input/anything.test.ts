import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startFakeRegion, type FakeRegion } from '../../support/fake-region.ts'
import { rawClient } from '../../support/raw-client.ts'
import { signSlack } from '../../support/slack-signer.ts'
import * as slack from '../../support/slack-payloads.ts'
import { SIGNING_SECRET, startTestGateway, workspace, type TestGateway } from '../../support/test-gateway.ts'

/*
 * One gateway takes everything that is thrown at it; a 500 or a hang at any point is a failure. (An error that nobody
 * caught fails the test by itself: see fail-on-leftovers.)
 */

let region: FakeRegion
let gateway: TestGateway

beforeAll(async () => {
  region = await startFakeRegion((res) => res.end('from the region'))
  gateway = await startTestGateway({
    regions: [{ name: 'eu', address: region.url }],
    directory: workspace({ acme: 'eu' }),
    env: { SLACK_BUDGET_MS: '1000', PAGE_SIGNING_SECRET: 'p'.repeat(32), MAX_BODY_BYTES: '20000' },
  })
})

afterAll(async () => {
  await gateway.close()
  await region.close()
})

const path = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom('commands', 'action', 'event', 'options-load').map((at) => `/extensions/slack/${at}/`),
  },
  { weight: 4, arbitrary: fc.constant('/slack/events') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('link-identity', 'link-team').map((at) => `/extensions/slack/${at}/e30.e30.x/`),
  },
  { weight: 1, arbitrary: fc.webPath().map((text) => (text.startsWith('/') ? text : `/${text}`)) },
)

/** Values that stand where a provider would have ids, texts, lists and objects. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    0,
    -1,
    true,
    [],
    {},
    [null],
    [[]],
    'T0ACME00001',
    'E1',
    'x'.repeat(5000),
    '\u0000',
    '💥',
  ),
  fc.jsonValue(),
)

const words = (text: string): string[] => text.split(/\s+/)
const keys = words(
  `type event actions team enterprise user view id team_id enterprise_id value authorizations is_enterprise_install
  api_app_id event_id challenge callback_id action_id links url app_installed_team_id response_url channel __proto__
  constructor toString`,
)
const types = words(
  `event_callback url_verification app_rate_limited block_actions view_submission interactive_message block_suggestion
  dialog_submission dialog_suggestion shortcut link_shared`,
)
const shape = fc.letrec<{ node: unknown; object: unknown }>((tie) => ({
  object: fc.dictionary(fc.constantFrom(...keys), fc.oneof(odd, fc.constantFrom(...types), tie('node')), {
    maxKeys: 9,
  }),
  node: fc.oneof({ maxDepth: 4 }, odd, tie('object'), fc.array(tie('node'), { maxLength: 3 })),
})).object

const real = fc
  .constantFrom(
    slack.eventCallback(),
    slack.linkShared(['https://x.example.com/organizations/acme/']),
    slack.urlVerification(),
    slack.slashCommand(),
    slack.blockActions(),
    slack.viewSubmission(),
    slack.blockSuggestion(),
    slack.sslCheck(),
  )
  .map(({ body }) => body)

const body = fc.oneof(
  fc.uint8Array({ maxLength: 6000 }).map((bytes) => Buffer.from(bytes)),
  shape.map((value) => Buffer.from(JSON.stringify(value))),
  shape.map((value) => Buffer.from(`payload=${encodeURIComponent(JSON.stringify(value))}`)),
  fc
    .dictionary(fc.constantFrom(...keys, 'command', 'payload', 'ssl_check', 'text'), fc.string())
    .map((fields) => Buffer.from(new URLSearchParams(fields).toString())),
  real.map((text) => Buffer.from(text)),
  // Cut off, and with a byte turned over.
  fc.tuple(real, fc.nat()).map(([text, at]) => Buffer.from(text).subarray(0, at % text.length)),
  fc.tuple(real, fc.nat(), fc.nat(255)).map(([text, at, byte]) => {
    const bytes = Buffer.from(text)
    bytes[at % bytes.length] = byte
    return bytes
  }),
)

const header = fc.oneof(
  fc.tuple(
    fc.constantFrom('X-Slack-Retry-Num', 'Accept', 'Cookie', 'Silo-Region', 'X-Forwarded-For', 'traceparent', 'X-A'),
    fc.string({ unit: 'grapheme-ascii', maxLength: 60 }).map((text) => text.trim()),
  ),
  fc.tuple(
    fc.constant('Content-Type'),
    fc.constantFrom('application/json', slack.FORM, 'text/plain; charset=x', '', ';'),
  ),
  fc.tuple(fc.constant('Content-Encoding'), fc.constantFrom('gzip', 'identity', '')),
  fc.tuple(fc.constant('Connection'), fc.constantFrom('close', 'keep-alive', 'content-type', 'x-slack-signature')),
)

/** Everything that comes back until the connection closes. Our own side stays open: Node drops a caller that closes it. */
async function exchange(bytes: Buffer, { hangUp = false } = {}): Promise<string> {
  const client = rawClient(gateway.port)
  client.write(bytes)
  if (hangUp) client.socket.end()
  return await client.closed
}

it('whatever is signed and posted gets an answer, and never a 500', async () => {
  await fc.assert(
    fc.asyncProperty(path, body, fc.array(header, { maxLength: 4 }), async (to, bytes, headers) => {
      const signature = signSlack({ secret: SIGNING_SECRET, body: bytes, now: Date.now() })
      const lines = [...headers, ...Object.entries(signature), ['Content-Length', String(bytes.length)], ['Host', 'x']]
      const head = `POST ${to} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}`
      const heard = await exchange(Buffer.concat([Buffer.from(`${head}Connection: close\r\n\r\n`), bytes]))
      expect(heard).toMatch(/^HTTP\/1\.1 (200|202|204|400|401|404|405|413|415|431) /)
    }),
    { numRuns: 400 },
  )
  expect(region.requests.length).toBeGreaterThan(0)
})

it('whatever is not signed never reaches a region, whoever it claims to be', async () => {
  const before = region.requests.length
  const forged = fc.oneof(
    fc.constant([]),
    fc
      .tuple(
        fc.constantFrom('v0=', 'v1=', ''),
        fc.stringMatching(/^[0-9a-f]{60,64}$/),
        fc.integer({ min: -400, max: 400 }),
      )
      .map(([version, hex, skew]) => [
        ['X-Slack-Signature', `${version}${hex}`],
        ['X-Slack-Request-Timestamp', String(Math.floor(Date.now() / 1000) + skew)],
      ]),
    // Slack's own, of another body.
    fc
      .constant(null)
      .map(() => Object.entries(signSlack({ secret: SIGNING_SECRET, body: 'another', now: Date.now() }))),
    fc.constant(null).map(() => Object.entries(signSlack({ secret: 'another', body: '', now: Date.now() }))),
  )
  await fc.assert(
    fc.asyncProperty(path, body, forged, fc.array(header, { maxLength: 3 }), async (to, bytes, signature, headers) => {
      const lines = [...headers, ...signature, ['Content-Length', String(bytes.length)], ['Host', 'x']]
      const head = `POST ${to} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}`
      const heard = await exchange(Buffer.concat([Buffer.from(`${head}Connection: close\r\n\r\n`), bytes]))
      expect(heard).toMatch(/^HTTP\/1\.1 (200|400|401|404|405|413|415|431) /)
      expect(heard).not.toContain('from the region')
    }),
    { numRuns: 300 },
  )
  expect(region.requests.length).toBe(before)
})

it('arbitrary bytes on the connection get an error or nothing, and never reach a region', async () => {
  const before = region.requests.length
  const line = fc.oneof(
    fc.constantFrom(
      'POST /slack/events HTTP/1.1\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      'Host: x\r\n',
      '\r\n',
      '\r\n\r\n',
    ),
    fc.constantFrom(
      'Transfer-Encoding: chunked\r\n',
      'Content-Length: 5\r\n',
      'Expect: 100-continue\r\n',
      '5\r\nhello\r\n0\r\n\r\n',
    ),
    fc.string({ unit: 'binary' }),
  )
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((raw) => Buffer.from(raw)),
    fc.array(line, { maxLength: 8 }).map((lines) => Buffer.from(lines.join(''))),
  )
  await fc.assert(
    fc.asyncProperty(bytes, async (sent) => {
      expect(await exchange(sent, { hangUp: true })).not.toMatch(/HTTP\/1\.1 5/)
    }),
    { numRuns: 300 },
  )
  expect(region.requests.length).toBe(before)
})

it('went by without an error of the gateway’s own', () => {
  expect(gateway.records.filter(({ code }) => code === 'internal_error')).toEqual([])
  expect(gateway.logs.filter(({ level }) => level === 'error')).toEqual([])
})
