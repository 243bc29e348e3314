import { createHmac, randomBytes } from 'node:crypto'
import { Agent, request as httpRequest } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import type { Clock } from '../clock.ts'
import type { ResponseUrls } from './response-urls.ts'

/** How long Slack waits for an answer. https://docs.slack.dev/apis/events-api/#responding */
export const SLACK_WAITS_MS = 3000

export const workspace = { appId: 'A0DEMO00001', teamId: 'T0DEMO00001', domain: 'demo' } as const

/** One request that Slack makes: where it goes, how it is written, and whether Slack signs it. */
export interface Sending {
  readonly kind: 'challenge' | 'ssl_check' | 'event' | 'retry' | 'command' | 'action' | 'view' | 'options'
  /** What a user or administrator did to cause it. */
  readonly what: string
  readonly path: string
  readonly contentType: string
  readonly body: string
  readonly signed: boolean
  /** Where an answer may be posted to later. */
  readonly responseUrl?: string
}

/** What Slack makes of its request. `ms` is from sending to the last byte, on Slack's side. */
export type Hearing =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly body: string
      readonly ms: number
      /** The gateway's X-Request-Id. */
      readonly requestId: string | undefined
    }
  | { readonly kind: 'timed_out'; readonly ms: number }
  | { readonly kind: 'unreachable'; readonly reason: string; readonly ms: number }

export interface Slack {
  post(sending: Sending): Promise<Hearing>
  close(): void
}

/** A Slack that signs with `signingSecret` and posts to the gateway at `url`. */
export function createSlack({
  url,
  signingSecret,
  clock,
}: {
  url: string
  signingSecret: string
  clock: Clock
}): Slack {
  const agent = new Agent({ keepAlive: true })
  return {
    close: () => agent.destroy(),
    post({ kind, path, contentType, body, signed }) {
      const startedAt = clock.monotonic()
      const elapsed = (): number => clock.monotonic() - startedAt
      const { promise, resolve } = Promise.withResolvers<Hearing>()
      const request = httpRequest(new URL(path, url), {
        agent,
        method: 'POST',
        headers: {
          'User-Agent': 'Slackbot 1.0 (+https://api.slack.com/robots)',
          Accept: '*/*',
          'Accept-Encoding': 'gzip,deflate',
          'Content-Type': contentType,
          'Content-Length': Buffer.byteLength(body),
          ...(signed && signature(signingSecret, body, clock.now())),
          ...(kind === 'retry' && { 'X-Slack-Retry-Num': '1', 'X-Slack-Retry-Reason': 'http_timeout' }),
        },
      })
      const cancelTimeout = clock.after(SLACK_WAITS_MS, () => {
        resolve({ kind: 'timed_out', ms: elapsed() })
        request.destroy()
      })
      const fail = (error: Error): void => resolve({ kind: 'unreachable', reason: error.message, ms: elapsed() })
      request.on('error', fail)
      request.on('response', (response) => {
        readText(response).then(
          (text) =>
            resolve({
              kind: 'answered',
              status: response.statusCode ?? 0,
              body: text,
              ms: elapsed(),
              requestId: response.headers['x-request-id']?.toString(),
            }),
          fail,
        )
      })
      request.end(body)
      return promise.finally(cancelTimeout)
    },
  }
}

/** https://docs.slack.dev/authentication/verifying-requests-from-slack */
function signature(secret: string, body: string, now: number): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000))
  const digest = createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')
  return { 'X-Slack-Request-Timestamp': timestamp, 'X-Slack-Signature': `v0=${digest}` }
}

const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'

/**
 * Everything Slack sends an app, over and over, each made when it is asked for. There are links to what belongs to each
 * of the organizations; an options load means the first.
 */
export function* everySending(
  clock: Clock,
  linked: readonly [Linked, ...Linked[]],
  responseUrls: Pick<ResponseUrls, 'issue'>,
): Generator<Sending, never> {
  const [{ id, slug }] = linked
  for (;;) {
    yield { ...challenge(), kind: 'challenge', what: 'setup check', signed: true }
    yield { ...sslCheck(), kind: 'ssl_check', what: 'certificate', signed: false }
    const mention = event(clock.now(), { type: 'app_mention', text: 'hi' })
    yield { ...mention, kind: 'event', what: 'app_mention', signed: true }
    yield {
      ...command(responseUrls.issue('commands', '/acme status')),
      kind: 'command',
      what: '/acme status',
      signed: true,
    }
    const click = buttonClick(clock.now(), responseUrls.issue('actions', 'button Resolve'))
    yield { ...click, kind: 'action', what: 'button Resolve', signed: true }
    yield { ...viewSubmission(clock.now()), kind: 'view', what: 'modal New issue', signed: true }
    for (const to of linked) yield linkTo(to.slug, clock.now())
    yield { ...suggestion(id), kind: 'options', what: `users of ${slug}`, signed: true }
  }
}

interface Linked {
  readonly id: number
  readonly slug: string
}

/** Somebody posts a link to what belongs to an organization: an event for its region alone. */
export function linkTo(slug: string, now: number): Sending {
  const link = `https://app.example.com/organizations/${slug}/issues/7/`
  return { ...event(now, linkShared(link)), kind: 'event', what: `link to ${slug}`, signed: true }
}

/** The same event once more, as when Slack has missed the answer: the body is the same, the signature is made anew. */
export function retryOf(sending: Sending): Sending {
  return { ...sending, kind: 'retry' }
}

type Written = Pick<Sending, 'path' | 'contentType' | 'body' | 'responseUrl'>

function challenge(): Written {
  return json({ token: 'deprecated', challenge: random(24), type: 'url_verification' })
}

function sslCheck(): Written {
  return form('/extensions/slack/commands/', { ssl_check: '1', token: 'deprecated' })
}

function event(now: number, inner: { type: string } & Record<string, unknown>): Written {
  const at = slackTime(now)
  return json({
    token: 'deprecated',
    team_id: workspace.teamId,
    context_team_id: workspace.teamId,
    context_enterprise_id: null,
    api_app_id: workspace.appId,
    event: { user: user.id, ts: at, event_ts: at, channel: channel.id, ...inner },
    type: 'event_callback',
    event_id: `Ev${random(8)}`,
    event_time: Math.floor(now / 1000),
    authorizations: [
      {
        enterprise_id: null,
        team_id: workspace.teamId,
        user_id: 'U0DEMOBOT01',
        is_bot: true,
        is_enterprise_install: false,
      },
    ],
    is_ext_shared_channel: false,
    event_context: `4-${random(16)}`,
  })
}

function linkShared(link: string): { type: string } & Record<string, unknown> {
  return {
    type: 'link_shared',
    message_ts: '1700000000.000100',
    unfurl_id: random(8),
    source: 'conversations_history',
    links: [{ url: link, domain: 'app.example.com' }],
  }
}

function command(responseUrl: string): Written {
  const written = form('/extensions/slack/commands/', {
    token: 'deprecated',
    team_id: workspace.teamId,
    team_domain: workspace.domain,
    channel_id: channel.id,
    channel_name: channel.name,
    user_id: user.id,
    user_name: user.name,
    command: '/acme',
    text: 'status',
    api_app_id: workspace.appId,
    is_enterprise_install: 'false',
    response_url: responseUrl,
    trigger_id: triggerId(),
  })
  return { ...written, responseUrl }
}

function buttonClick(now: number, responseUrl: string): Written {
  const at = slackTime(now)
  const written = interaction('/extensions/slack/action/', {
    type: 'block_actions',
    container: { type: 'message', message_ts: at, channel_id: channel.id, is_ephemeral: false },
    channel,
    message: { type: 'message', user: 'U0DEMOBOT01', ts: at, text: 'A new issue' },
    response_url: responseUrl,
    actions: [
      {
        type: 'button',
        action_id: 'resolve',
        block_id: 'issue',
        text: { type: 'plain_text', text: 'Resolve', emoji: true },
        value: 'resolve',
        action_ts: at,
      },
    ],
  })
  return { ...written, responseUrl }
}

function viewSubmission(now: number): Written {
  return interaction('/extensions/slack/action/', {
    type: 'view_submission',
    view: {
      id: 'V0DEMO00001',
      team_id: workspace.teamId,
      type: 'modal',
      callback_id: 'new_issue',
      private_metadata: '',
      state: { values: { issue: { title: { type: 'plain_text_input', value: 'It is broken' } } } },
      hash: `${Math.floor(now / 1000)}.${random(4)}`,
      app_id: workspace.appId,
      app_installed_team_id: workspace.teamId,
      bot_id: 'B0DEMO00001',
    },
    response_urls: [],
  })
}

function suggestion(organizationId: number): Written {
  return interaction('/extensions/slack/options-load/', {
    type: 'block_suggestion',
    container: { type: 'message', message_ts: '1700000000.000100', channel_id: channel.id, is_ephemeral: false },
    channel,
    action_id: `assignee::${organizationId}`,
    block_id: 'issue',
    value: 'wa',
  })
}

const user = { id: 'U0DEMO00001', username: 'wanda', name: 'wanda', team_id: workspace.teamId } as const
const channel = { id: 'C0DEMO00001', name: 'general' } as const

function interaction(path: string, fields: Record<string, unknown>): Written {
  return form(path, {
    payload: JSON.stringify({
      token: 'deprecated',
      api_app_id: workspace.appId,
      team: { id: workspace.teamId, domain: workspace.domain },
      enterprise: null,
      is_enterprise_install: false,
      user,
      trigger_id: triggerId(),
      ...fields,
    }),
  })
}

function json(body: object): Written {
  return { path: '/extensions/slack/event/', contentType: JSON_TYPE, body: JSON.stringify(body) }
}

function form(path: string, fields: Record<string, string>): Written {
  return { path, contentType: FORM_TYPE, body: new URLSearchParams(fields).toString() }
}

function slackTime(now: number): string {
  return `${(now / 1000).toFixed(3)}100`
}

function triggerId(): string {
  return `170.42.${random(8)}`
}

function random(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}
