import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startCollector, type Collector } from '../support/collector.ts'
import { openWorkplace, type ServeProcess, type Workplace } from '../support/command-line.ts'
import { startFakeRegion, type FakeRegion } from '../support/fake-region.ts'
import { signToken } from '../support/page-token.ts'
import { freePort } from '../support/ports.ts'
import {
  appRateLimited,
  blockActions,
  blockSuggestion,
  dialogSubmission,
  eventCallback,
  FORM,
  globalShortcut,
  interactiveMessage,
  JSON_TYPE,
  messageAction,
  slashCommand,
  sslCheck,
  urlVerification,
  viewSubmission,
  type SlackBody,
} from '../support/slack-payloads.ts'
import { signSlack } from '../support/slack-signer.ts'
import { send, workspace } from '../support/test-gateway.ts'

const key = (letter: string) => Buffer.alloc(32, letter).toString('base64')

/** What the process is told. */
const told = {
  'signing secret': 'SiGnInG-SeCrEt-1',
  'signing secret of an app': 'SiGnInG-SeCrEt-2',
  'admin token': 'AdMiN-ToKeN-1',
  'key of a region': key('r'),
  'key of the spool': key('s'),
  'secret of pages': 'PaGe-SeCrEt-that-is-longer-than-32-bytes',
  'key of the collector': 'CoLlEcToR-KeY-1',
}

/** What callers, regions and operators send; the path of a response_url and signatures join them as they come. */
const sent = {
  'bot token': 'xoxb-2345678901-aBcDeFgHiJ',
  'user token': 'xoxp-2345678901-kLmNoPqRsT',
  'verification token': 'VeRiFiCaTiOnToKeN',
  'trigger id': '13345224609.738474920.8088aabbcc',
  'response url': '/actions/T0ACME00001/397700885554/96rGlfmibIGlgcZRskXaIFfN',
  'authorization of a caller': 'CaLlEr-BeArEr-1',
  'cookie of a caller': 'CaLlEr-CoOkIe-1',
  'cookie of a region': 'ReGiOn-CoOkIe-1',
  'wrong signing secret': 'WrOnG-SeCrEt-1',
  'wrong admin token': 'WrOnG-ToKeN-1',
  'password in regions.yaml': 'ReGiOn-PaSsWoRd-1',
}

/** Everything that is ever said, by where it was said. */
const places = new Map<string, string>()
const signatures = new Set<string>()

let place: Workplace
const servers: (FakeRegion | Collector)[] = []

beforeAll(async () => {
  place = await openWorkplace()
  await liveThroughAll()
}, 120_000)

afterAll(async () => {
  await place.close()
  for (const server of servers) await server.close()
})

/** A day of a gateway on which all happens that it says something about. */
async function liveThroughAll(): Promise<void> {
  const collector = await startCollector()
  const slack = await startFakeRegion((res) => res.end())
  let isWell = false
  let deliveredLater = false
  const us = await startFakeRegion((res, { body }) => {
    if (body.includes('late')) setTimeout(() => res.end('at last'), 600)
    else res.writeHead(200, { 'Set-Cookie': sent['cookie of a region'] }).end(sent['user token'])
  })
  const eu = await startFakeRegion((res, { headers }) => {
    deliveredLater ||= isWell && Number(headers['silo-attempt']) > 1
    res.writeHead(isWell ? 200 : 500).end(sent['bot token'])
  })
  servers.push(collector, slack, us, eu)
  const ap = { url: `http://127.0.0.1:${await freePort()}` }
  const regionsYaml = (password = '') =>
    JSON.stringify({
      version: 1,
      regions: Object.entries({ us, eu, ap }).map(([name, { url }]) => ({
        name,
        address: url.replace('//', `//${password}`),
        signing_key: 'k1',
      })),
      slack: { all_region_events: ['*'] },
    })
  await place.write('regions.yaml', regionsYaml())
  await place.write('directory.json', JSON.stringify(workspace({ acme: 'us', beta: 'eu', gamma: 'ap' })))
  const imported = await place.cli(['directory', 'import', 'directory.json'])
  const gateway = await place.serve({
    SLACK_SIGNING_SECRETS: `${told['signing secret']},A0SILO00001:${told['signing secret of an app']}`,
    SLACK_BUDGET_MS: '400',
    SLACK_RESPONSE_HOSTS: `127.0.0.1:${slack.port}`,
    ADMIN_TOKEN: told['admin token'],
    REGION_SIGNING_KEYS: `k1:${told['key of a region']}`,
    SPOOL_KEYS: `s1:${told['key of the spool']}`,
    PAGE_SIGNING_SECRET: told['secret of pages'],
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: `x-key=${told['key of the collector']}`,
    RECORD_BODIES: 'all',
    LOG_LEVEL: 'debug',
    DATABASE_URL: `sqlite:${join(place.folder, 'silo-gateway.db')}`,
  })

  await receiveAll(gateway, `${slack.url}${sent['response url']}`)
  isWell = true
  await vi.waitUntil(() => slack.requests.length > 0 && deliveredLater, { timeout: 60_000 })
  await administer(gateway)

  await place.write('regions.yaml', regionsYaml(`operator:${sent['password in regions.yaml']}@`))
  gateway.signal('SIGHUP')
  await gateway.logged('The changed configuration is not valid; the old one stays')
  await place.write('regions.yaml', regionsYaml())
  gateway.signal('SIGHUP')
  await gateway.logged('The configuration was reloaded')

  await look(gateway)
  gateway.signal('SIGTERM')
  const { stdout, stderr } = await gateway.ended
  places.set('the log', stdout)
  places.set('stderr', stderr + imported.stdout + imported.stderr)
  places.set(
    'traces',
    JSON.stringify(collector.spans, (_, value: unknown) => (typeof value === 'bigint' ? '' : value)),
  )

  for (const { headers } of [...us.requests, ...eu.requests]) {
    signatures.add(String(headers['x-slack-signature']).slice('v0='.length))
    signatures.add(/:(.*):/.exec(String(headers['signature']))?.[1] ?? 'no signature')
  }
}

interface Sending {
  /** `null`: it is not signed. */
  readonly secret?: string | null
  readonly now?: number
  readonly headers?: Record<string, string>
}

/** Every surface, each in good order and in every kind of bad. */
async function receiveAll({ port }: ServeProcess, responseUrl: string): Promise<void> {
  const secrets = {
    token: sent['verification token'],
    response_url: responseUrl,
    trigger_id: sent['trigger id'],
    bot_access_token: sent['bot token'],
  }
  const text = { text: `${sent['bot token']} ${sent['user token']}` }
  const bodies: SlackBody[] = [
    eventCallback(secrets, text),
    slashCommand({ ...secrets, ...text }),
    slashCommand({ ...secrets, text: 'link team acme late' }),
    slashCommand({ ...secrets, text: 'link team gamma' }),
    slashCommand({ ...secrets, team_id: 'T0NOBODY001' }),
    blockActions(secrets),
    blockActions({ ...secrets, response_url: undefined }),
    interactiveMessage(secrets),
    viewSubmission({ ...secrets, response_urls: [{ response_url: responseUrl }] }, { private_metadata: text.text }),
    globalShortcut(secrets),
    messageAction(secrets),
    dialogSubmission({ ...secrets, state: text.text }),
    blockSuggestion({ ...secrets, value: text.text }),
    blockSuggestion({ ...secrets, action_id: 'pick::12' }),
    urlVerification({ ...secrets, challenge: text.text }),
    appRateLimited(secrets),
    eventCallback({ ...secrets, team_id: null, authorizations: [] }),
    eventCallback({ ...secrets, event: text.text }),
    { contentType: JSON_TYPE, body: `{"token":"${sent['verification token']}","event":${sent['bot token']}` },
    { contentType: FORM, body: `payload=${encodeURIComponent(`{"token":"${sent['bot token']}"`)}` },
  ]
  const post = async (
    { body, contentType }: SlackBody,
    { secret = told['signing secret'], now = Date.now(), headers = {} }: Sending = {},
  ) => {
    const signature = secret === null ? undefined : signSlack({ secret, body, now })
    if (signature !== undefined) signatures.add(signature['x-slack-signature'].slice('v0='.length))
    await send(port, {
      method: 'POST',
      path: '/slack/events',
      body,
      headers: {
        'Content-Type': contentType,
        Authorization: `Bearer ${sent['authorization of a caller']}`,
        Cookie: `session=${sent['cookie of a caller']}`,
        ...signature,
        ...headers,
      },
    })
  }
  // First: of what nobody has signed only so much is told of in a second.
  await post(sslCheck({ token: sent['verification token'] }), { secret: null })
  await post(slashCommand({ ...secrets, text: 'x'.repeat(1_200_000) }))
  for (const body of bodies) {
    await post(body)
    await post(body, { secret: told['signing secret of an app'], now: Date.now() - 1000 })
    await post(body, { secret: sent['wrong signing secret'] })
    await post(body, { secret: null })
    await post(body, { now: 1000 })
  }
  const event = eventCallback(secrets, text)
  for (const retry of ['0', '1']) await post(event, { headers: { 'X-Slack-Retry-Num': retry } })

  const exp = Math.floor(Date.now() / 1000) + 600
  for (const secret of [told['secret of pages'], 'another']) {
    const token = signToken({ integration_id: 1, slack_user_id: 'U1', exp }, { secret })
    signatures.add(token)
    for (const page of ['link-identity', 'link-team']) {
      const headers = { Cookie: `session=${sent['cookie of a caller']}` }
      await send(port, { method: 'GET', path: `/extensions/slack/${page}/${token}/`, headers })
    }
  }
}

const asOperator = { Authorization: `Bearer ${told['admin token']}` }

/** What operators do, the wrong ones as well. */
async function administer({ adminPort }: ServeProcess): Promise<void> {
  const ask = (method: string, path: string, body?: unknown, headers: Record<string, string> = asOperator) =>
    send(adminPort, {
      method,
      path,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      headers: { 'Content-Type': JSON_TYPE, ...headers },
    })
  await ask('GET', '/api/regions', undefined, { Authorization: `Bearer ${sent['wrong admin token']}` })
  await ask('POST', '/api/session', { token: sent['wrong admin token'] }, {})
  await ask('PUT', '/api/organizations/77', { slug: 'new', region: 'us' })
  await ask('PUT', '/api/organizations/77', { slug: 7 })
  await ask('POST', '/api/regions/eu/drain')
  await ask('POST', '/api/regions/eu/resume')
  await ask('POST', '/api/dead-letters/replay', {})
  const { body, contentType } = eventCallback({ token: sent['verification token'] }, { text: sent['bot token'] })
  const explained = await ask('POST', '/api/explain', { path: '/slack/events', content_type: contentType, body })
  places.set('POST /api/explain', explained.text)
  const made = await ask('POST', '/api/page-tokens', { integration_id: '1', slack_user_id: 'U1' })
  for (const [token] of made.text.matchAll(/[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/g)) signatures.add(token)
}

/** Everything that the admin listener shows without being told of what. */
async function look({ adminPort }: ServeProcess): Promise<void> {
  const get = async (path: string) => {
    const { text } = await send(adminPort, { method: 'GET', path, headers: asOperator })
    places.set(`GET ${path}`, text)
    return text
  }
  await get('/metrics')
  const { paths } = JSON.parse(await get('/openapi.json')) as { paths: Record<string, Record<string, unknown>> }
  const readable = Object.entries(paths).flatMap(([path, methods]) => ('get' in methods ? [path] : []))
  for (const path of readable.filter((one) => !one.includes('{') && one !== '/api/stream')) await get(path)
  const { items } = JSON.parse(await get('/api/deliveries?limit=200')) as { items: { id: string }[] }
  for (const { id } of items) await get(`/api/deliveries/${id}`)
}

/** How a secret may stand in a text. */
const formsOf = (secret: string) => [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]

const holding = (secret: string) =>
  [...places].flatMap(([where, text]) => (formsOf(secret).some((form) => text.includes(form)) ? [where] : []))

describe('whatever happens, nothing that is said holds', () => {
  it.each(Object.entries({ ...told, ...sent }))('the %s', (_, secret) => {
    expect(holding(secret)).toEqual([])
  })

  it('a signature, of Slack’s or of ours, or the token of a page', () => {
    expect(signatures.size).toBeGreaterThan(100)
    expect([...signatures].flatMap((signature) => holding(signature))).toEqual([])
  })
})

describe('what is said', () => {
  const log = () =>
    (places.get('the log') ?? '')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  const told = (msg: string) => log().filter((line) => line['msg'] === msg)

  it('tells of every surface, and of each way to end', () => {
    const outcomes = new Set(told('webhook').map(({ outcome }) => outcome))
    expect([...outcomes]).toEqual(
      expect.arrayContaining([
        'app_rate_limited',
        'body_too_large',
        'duplicate',
        'invalid_signature',
        'late',
        'malformed_request',
        'passed_on',
        'silo_client_error',
        'ssl_check',
        'told_failure',
        'unknown_integration',
        'url_verification',
      ]),
    )
    const surfaces = new Set(told('webhook').map(({ surface }) => surface))
    expect([...surfaces]).toEqual(expect.arrayContaining(['event', 'command', 'action', 'options', 'page', 'any']))
  })

  it('tells of attempts, first and later ones, and of late answers', () => {
    const attempts = told('attempt')
    expect(attempts.map(({ result }) => result)).toEqual(
      expect.arrayContaining(['answered', 'http_500', 'connect_refused']),
    )
    expect(attempts.some(({ attempt, result }) => Number(attempt) > 1 && result === 'answered')).toBe(true)
    expect(told('late answer')).toContainEqual(expect.objectContaining({ result: 'posted' }))
  })

  it('is said in records, metrics and traces as well', () => {
    expect(places.get('GET /api/deliveries')).toContain('view_submission')
    expect(places.get('GET /metrics')).toContain('webhooks_total{')
    expect(places.get('traces')).toContain('late answer')
  })
})
