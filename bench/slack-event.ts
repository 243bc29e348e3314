import { createHmac } from 'node:crypto'

/** The app's, with which events are signed. */
export const SECRET = 'bench-signing-secret'

export const EVENTS_PATH = '/extensions/slack/event/'

/** The workspaces of a bench: as many channels, the events of each of which come in order. */
export const MAILBOXES = 1000

export function teamOf(mailbox: number): string {
  return `T0BENCH${String(mailbox).padStart(5, '0')}`
}

/** A mention in a channel, about 700 bytes, as Slack posts it. `sequence` tells its place among its mailbox's. */
export function eventBody(mailbox: number, sequence: number): string {
  const team = teamOf(mailbox)
  return JSON.stringify({
    token: 'XXYYZZ',
    team_id: team,
    api_app_id: 'A0BENCH0001',
    event: {
      client_msg_id: '7a3c1d90-2b1e-4f6c-9d57-0d8a4f1e2b3c',
      type: 'app_mention',
      user: 'U0BENCH0001',
      text: '<@U0BOT000001> could you have a look at the issue that came up this morning, please? Thank you!',
      ts: '1700000000.000100',
      channel: 'C0BENCH0001',
      event_ts: '1700000000.000100',
    },
    type: 'event_callback',
    event_id: `Ev${mailbox}-${sequence}`,
    event_time: 1_700_000_000,
    authorizations: [
      { enterprise_id: null, team_id: team, user_id: 'U0BOT000001', is_bot: true, is_enterprise_install: false },
    ],
    is_ext_shared_channel: false,
    event_context: '4-eyJldCI6ImFwcF9tZW50aW9uIn0',
  })
}

/** An event as Slack posts it, signed now. Mailboxes take turns, and the next number of each is its next event. */
export function slackEvent(number: number) {
  const body = eventBody(number % MAILBOXES, Math.floor(number / MAILBOXES))
  return { path: EVENTS_PATH, headers: slackHeaders(body), body }
}

/** Which event a body is. */
export function eventIn(body: string): { mailbox: number; sequence: number } {
  const [, mailbox, sequence] = /"event_id":"Ev(\d+)-(\d+)"/.exec(body) ?? []
  return { mailbox: Number(mailbox), sequence: Number(sequence) }
}

/** Slack's headers for a body, signed now: good for 300 s. */
export function slackHeaders(body: string, contentType = 'application/json'): [name: string, value: string][] {
  const timestamp = String(Math.floor(Date.now() / 1000))
  const digest = createHmac('sha256', SECRET).update(`v0:${timestamp}:`).update(body).digest('hex')
  return [
    ['User-Agent', 'Slackbot 1.0 (+https://api.slack.com/robots)'],
    ['Accept', '*/*'],
    ['Accept-Encoding', 'gzip,deflate'],
    ['Content-Type', contentType],
    ['X-Slack-Request-Timestamp', timestamp],
    ['X-Slack-Signature', `v0=${digest}`],
  ]
}
