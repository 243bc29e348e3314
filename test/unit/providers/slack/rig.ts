import type { Identity, IdentityStore } from '../../../../src/directory/identities.ts'
import type { AnsweredResult, RegionResult } from '../../../../src/dispatch/region-result.ts'
import type { Refusal } from '../../../../src/errors.ts'
import type { Identified, ReceivedWebhook, Reply, RequestHead } from '../../../../src/provider.ts'
import { slack } from '../../../../src/providers/slack/index.ts'
import type { ListedSecret, ListSecret, SecretUse } from '../../../../src/secrets/secret-uses.ts'
import { createAlarms } from '../../../../src/telemetry/alarm.ts'
import { createCounters } from '../../../../src/telemetry/counters.ts'
import type { Log } from '../../../../src/telemetry/log.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import type { SlackBody } from '../../../support/slack-payloads.ts'
import { signSlack } from '../../../support/slack-signer.ts'

export const NOW = 1_700_000_000_000
export const SECRET = '5f2b1e8c9d7a4b3c8e6f0a1d2c3b4a59'
export const PAGE_SECRET = 'a page secret of more than thirty-two bytes'
export const EVENTS = '/extensions/slack/event/'
export const ACTIONS = '/extensions/slack/action/'
export const COMMANDS = '/extensions/slack/commands/'
export const OPTIONS = '/extensions/slack/options-load/'
export const SINGLE = '/slack/events'

export interface Sent {
  readonly path?: string
  readonly method?: string
  readonly body?: SlackBody | { readonly contentType?: string; readonly body: string | Uint8Array }
  /** Signs with this secret; `null` leaves the signature out. */
  readonly secret?: string | null
  readonly headers?: Record<string, string>
  readonly signedAt?: number
  readonly user?: string
  readonly host?: string
}

/** Slack's provider with everything around it in memory. `env` and `rules` are as an operator writes them. */
export function createSlackRig({ env = {}, rules, now = NOW }: { env?: object; rules?: unknown; now?: number } = {}) {
  const clock = createManualClock({ now })
  const counters = createCounters()
  const warnings: { fields: Record<string, unknown>; message: string }[] = []
  const log: Log = {
    debug() {},
    info() {},
    warn: (fields, message) => void warnings.push({ fields, message }),
    error() {},
  }
  const identities = createIdentities()
  const secrets: (ListedSecret & { readonly use: SecretUse })[] = []
  const listSecret: ListSecret = (secret) => {
    const use = { lastUsedAt: 0 }
    secrets.push({ ...secret, use })
    return use
  }
  const provider = slack.create(
    {
      environment: slack.environment.parse({ SLACK_SIGNING_SECRETS: SECRET, ...env }),
      rules: slack.rules.parse(rules),
    },
    { clock, counters, log, alarms: createAlarms({ clock, log }), identities, listSecret },
  )

  function receive(sent: Sent): ReceivedWebhook {
    const { path = SINGLE, method = 'POST', body = { body: '' }, secret = SECRET, headers = {} } = sent
    const signature = secret === null ? {} : signSlack({ secret, body: body.body, now: sent.signedAt ?? clock.now() })
    const type = body.contentType === undefined ? {} : { 'content-type': body.contentType }
    const all = { ...type, ...signature, ...headers }
    return {
      method,
      target: path,
      headers: all,
      rawHeaders: Object.entries(all).flat(),
      delivery: 'delivery-1',
      requestId: 'request-1',
      body: Buffer.from(body.body as string),
      receivedAt: clock.now(),
      startedAt: clock.monotonic(),
      deadline: clock.monotonic() + 2500,
      peer: { forwardedFor: '192.0.2.1', proto: 'https', host: sent.host ?? 'hooks.example.com', user: sent.user },
    }
  }

  function door(path: string) {
    const door = provider.match(path)
    if (door === undefined) throw new Error(`No door at ${path}`)
    return door
  }

  /** The head, then the body, as the journey takes them. */
  async function identify(sent: Sent) {
    const webhook = receive(sent)
    const admission = await provider.admit(door(sent.path ?? SINGLE), webhook)
    return await provider.identify(admission, webhook)
  }

  /** The request of a webhook that is one. */
  async function request(sent: Sent) {
    const identified = await identify(sent)
    if (identified.kind !== 'request') throw new Error(`Answered by ${identified.rule}`)
    return identified.request
  }

  return {
    provider,
    clock,
    counters,
    warnings,
    identities,
    secrets,
    receive,
    door,
    identify,
    admit: async (sent: Sent) => await provider.admit(door(sent.path ?? SINGLE), receive(sent)),
    request,
    /** The code a request is refused with, or the rule by which it is answered, or what it is. */
    codeOf: async (sent: Sent) =>
      await identify(sent).then(
        (identified) => (identified.kind === 'answered' ? identified.rule : identified.request.surface),
        (error: { code?: string }) => error.code,
      ),
    async page(sent: Sent): Promise<Reply> {
      const webhook = receive({ secret: null, ...sent })
      const admission = await provider.admit(door(sent.path ?? SINGLE), webhook)
      return await provider.answerControlPage(admission, webhook)
    },
  }
}

export type SlackRig = ReturnType<typeof createSlackRig>

export function answeredOf<Request>(identified: Identified<Request>) {
  if (identified.kind !== 'answered') throw new Error('Not answered here')
  return identified
}

/** What a refusal says to the core. */
export function refusal(code: Refusal['code'], more: Partial<Pick<Refusal, 'close' | 'headers'>> = {}) {
  return { name: 'Refusal', code, ...more }
}

export function headerOf(reply: Reply, name: string): string | undefined {
  const at = reply.rawHeaders.findIndex((header, index) => index % 2 === 0 && header.toLowerCase() === name)
  return at < 0 ? undefined : reply.rawHeaders[at + 1]
}

export const head = (headers: RequestHead['headers'] = {}): RequestHead => ({
  method: 'POST',
  target: '/',
  headers,
  rawHeaders: [],
})

export function answered(status: number, body = ''): AnsweredResult {
  const reply = { status, rawHeaders: ['X-From', 'region'], body: Buffer.from(body) }
  return { kind: 'answered', region: 'eu', timing: { startedMs: 0, endedMs: 1 }, reply }
}

export const timedOut: RegionResult = {
  kind: 'timed_out',
  sent: true,
  region: 'us',
  timing: { startedMs: 0, endedMs: 1 },
}
export const refused: RegionResult = {
  kind: 'refused',
  region: 'ap',
  reason: 'region_down',
  timing: { startedMs: 0, endedMs: 0 },
}

function createIdentities(): IdentityStore & { readonly links: Identity[] } {
  const links: Identity[] = []
  const same = (one: Identity, other: Identity) =>
    one.integrationId === other.integrationId && one.externalUserId === other.externalUserId
  return {
    links,
    async link(identity) {
      links.splice(0, links.length, ...links.filter((known) => !same(known, identity)), identity)
    },
    async unlink(identity) {
      const at = links.findIndex((known) => same(known, identity) && known.user === identity.user)
      if (at >= 0) links.splice(at, 1)
      return at >= 0
    },
    async find(integrationId, externalUserId) {
      return links.find((known) => known.integrationId === integrationId && known.externalUserId === externalUserId)
    },
    integrationName: async (provider, id) => (provider === 'slack' && id === '1' ? 'Acme <& Söhne>' : undefined),
  }
}
