/**
 * Bodies as Slack sends them, one builder for each kind of request, written by hand after Slack's reference. Every
 * builder takes what shall be different: a field given as `undefined` is left out, any other value stands as it is.
 */

export const APP = 'A0SILO00001'
export const TEAM = 'T0ACME00001'
export const ENTERPRISE = 'E0ACMEGRID1'
const USER = 'U0WANDA0001'
const CHANNEL = 'C0GENERAL01'

type Fields = Record<string, unknown>

/** A body and the content type it is posted with. */
export interface SlackBody {
  readonly contentType: string
  readonly body: string
}

export const FORM = 'application/x-www-form-urlencoded'
export const JSON_TYPE = 'application/json'

let events = 0

/** An `event_callback` of one workspace's installation. `event` is merged into an `app_mention`. */
export function eventCallback(envelope: Fields = {}, event: Fields = {}): SlackBody {
  return json({
    token: 'XXYYZZ',
    team_id: TEAM,
    context_team_id: TEAM,
    context_enterprise_id: null,
    api_app_id: APP,
    event: {
      type: 'app_mention',
      user: USER,
      text: '<@U0BOT000001> grüß dich https://example.com/a',
      ts: '1700000000.000100',
      channel: CHANNEL,
      event_ts: '1700000000.000100',
      ...event,
    },
    type: 'event_callback',
    // Its own each time: the same one again would be the same event again.
    event_id: `Ev${String((events += 1)).padStart(9, '0')}`,
    event_time: 1_700_000_000,
    authorizations: [
      { enterprise_id: null, team_id: TEAM, user_id: 'U0BOT000001', is_bot: true, is_enterprise_install: false },
    ],
    is_ext_shared_channel: false,
    event_context: '4-eyJldCI6ImFwcF9tZW50aW9uIn0',
    ...envelope,
  })
}

/** A `link_shared` event for these URLs. */
export function linkShared(urls: readonly string[], envelope: Fields = {}): SlackBody {
  return eventCallback(envelope, {
    type: 'link_shared',
    message_ts: '1700000000.000100',
    unfurl_id: 'C0GENERAL01.1700000000.000100.abc',
    source: 'conversations_history',
    links: urls.map((url) => ({ url, domain: 'example.com' })),
  })
}

export function urlVerification(fields: Fields = {}): SlackBody {
  return json({
    token: 'XXYYZZ',
    challenge: '3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7',
    type: 'url_verification',
    ...fields,
  })
}

export function appRateLimited(fields: Fields = {}): SlackBody {
  return json({
    token: 'XXYYZZ',
    type: 'app_rate_limited',
    team_id: TEAM,
    minute_rate_limited: 1_700_000_000,
    api_app_id: APP,
    ...fields,
  })
}

/** A slash command: flat form fields, every value a text. */
export function slashCommand(fields: Record<string, string | undefined> = {}): SlackBody {
  return form({
    token: 'XXYYZZ',
    team_id: TEAM,
    team_domain: 'acme',
    channel_id: CHANNEL,
    channel_name: 'general',
    user_id: USER,
    user_name: 'wanda',
    command: '/silo',
    text: '',
    api_app_id: APP,
    is_enterprise_install: 'false',
    response_url: `https://hooks.slack.com/commands/${TEAM}/170000/abcdef`,
    trigger_id: '1700.42.abcdef',
    ...fields,
  })
}

/** A click on a button in a message; `action` is merged into the button. */
export function blockActions(fields: Fields = {}, action: Fields = {}): SlackBody {
  return interaction({
    type: 'block_actions',
    user: { id: USER, username: 'wanda', name: 'wanda', team_id: TEAM },
    api_app_id: APP,
    token: 'XXYYZZ',
    container: { type: 'message', message_ts: '1700000000.000100', channel_id: CHANNEL, is_ephemeral: false },
    trigger_id: '1700.42.abcdef',
    team: { id: TEAM, domain: 'acme' },
    enterprise: null,
    is_enterprise_install: false,
    channel: { id: CHANNEL, name: 'general' },
    message: { type: 'message', text: 'An issue – “now” 100%', ts: '1700000000.000100' },
    response_url: `https://hooks.slack.com/actions/${TEAM}/170000/abcdef`,
    actions: [
      {
        type: 'button',
        action_id: 'resolve',
        block_id: 'b1',
        text: { type: 'plain_text', text: 'Resolve', emoji: true },
        value: 'resolve',
        action_ts: '1700000000.000200',
        ...action,
      },
    ],
    ...fields,
  })
}

/** A click on a button of a message attachment, the way before Block Kit. */
export function interactiveMessage(fields: Fields = {}, action: Fields = {}): SlackBody {
  return interaction({
    type: 'interactive_message',
    actions: [{ name: 'decision', type: 'button', value: 'approve', ...action }],
    callback_id: 'approval',
    team: { id: TEAM, domain: 'acme' },
    channel: { id: CHANNEL, name: 'general' },
    user: { id: USER, name: 'wanda' },
    action_ts: '1700000000.000200',
    message_ts: '1700000000.000100',
    attachment_id: '1',
    token: 'XXYYZZ',
    is_app_unfurl: false,
    original_message: { text: 'Approve?', ts: '1700000000.000100' },
    response_url: `https://hooks.slack.com/actions/${TEAM}/170000/abcdef`,
    trigger_id: '1700.42.abcdef',
    ...fields,
  })
}

export function viewSubmission(fields: Fields = {}, view: Fields = {}): SlackBody {
  return interaction({
    type: 'view_submission',
    team: { id: TEAM, domain: 'acme' },
    user: { id: USER, username: 'wanda', name: 'wanda', team_id: TEAM },
    api_app_id: APP,
    token: 'XXYYZZ',
    trigger_id: '1700.42.abcdef',
    view: {
      id: 'V0SILO00001',
      team_id: TEAM,
      type: 'modal',
      callback_id: 'new_issue',
      private_metadata: '',
      state: { values: { b1: { title: { type: 'plain_text_input', value: 'Größe & Maß' } } } },
      hash: '1700000000.abcdef',
      app_id: APP,
      app_installed_team_id: TEAM,
      bot_id: 'B0SILO00001',
      ...view,
    },
    response_urls: [],
    is_enterprise_install: false,
    enterprise: null,
    ...fields,
  })
}

export function viewClosed(fields: Fields = {}, view: Fields = {}): SlackBody {
  return viewSubmission({ type: 'view_closed', is_cleared: false, response_urls: undefined, ...fields }, view)
}

/** A global shortcut: names no app. */
export function globalShortcut(fields: Fields = {}): SlackBody {
  return interaction({
    type: 'shortcut',
    token: 'XXYYZZ',
    action_ts: '1700000000.000200',
    team: { id: TEAM, domain: 'acme' },
    user: { id: USER, username: 'wanda', team_id: TEAM },
    callback_id: 'open_issue',
    trigger_id: '1700.42.abcdef',
    ...fields,
  })
}

/** A message shortcut. */
export function messageAction(fields: Fields = {}): SlackBody {
  return interaction({
    type: 'message_action',
    token: 'XXYYZZ',
    action_ts: '1700000000.000200',
    team: { id: TEAM, domain: 'acme' },
    user: { id: USER, name: 'wanda' },
    channel: { id: CHANNEL, name: 'general' },
    callback_id: 'link_issue',
    trigger_id: '1700.42.abcdef',
    message_ts: '1700000000.000100',
    message: { type: 'message', user: USER, ts: '1700000000.000100', text: 'it is broken' },
    response_url: `https://hooks.slack.com/app/${TEAM}/170000/abcdef`,
    ...fields,
  })
}

export function dialogSubmission(fields: Fields = {}): SlackBody {
  return interaction({
    type: 'dialog_submission',
    submission: { title: 'broken', severity: '2' },
    callback_id: 'report',
    state: '',
    team: { id: TEAM, domain: 'acme' },
    user: { id: USER, name: 'wanda' },
    channel: { id: CHANNEL, name: 'general' },
    action_ts: '1700000000.000200',
    token: 'XXYYZZ',
    response_url: `https://hooks.slack.com/app/${TEAM}/170000/abcdef`,
    ...fields,
  })
}

export function dialogCancellation(fields: Fields = {}): SlackBody {
  return dialogSubmission({ type: 'dialog_cancellation', submission: undefined, ...fields })
}

/** A "step from an app" being edited: retired, and still sent to apps that once had one. */
export function workflowStepEdit(fields: Fields = {}): SlackBody {
  return interaction({
    type: 'workflow_step_edit',
    token: 'XXYYZZ',
    action_ts: '1700000000.000200',
    team: { id: TEAM, domain: 'acme' },
    user: { id: USER, username: 'wanda', team_id: TEAM },
    callback_id: 'copy_review',
    trigger_id: '1700.42.abcdef',
    workflow_step: { workflow_id: '12345', step_id: '67890', inputs: {}, outputs: [] },
    ...fields,
  })
}

/** The options of an external select, asked for while somebody types. */
export function blockSuggestion(fields: Fields = {}): SlackBody {
  return interaction({
    type: 'block_suggestion',
    user: { id: USER, username: 'wanda', name: 'wanda', team_id: TEAM },
    container: { type: 'message', message_ts: '1700000000.000100', channel_id: CHANNEL, is_ephemeral: false },
    api_app_id: APP,
    token: 'XXYYZZ',
    action_id: 'assignee',
    block_id: 'b1',
    value: 'wan',
    team: { id: TEAM, domain: 'acme' },
    enterprise: null,
    is_enterprise_install: false,
    channel: { id: CHANNEL, name: 'general' },
    ...fields,
  })
}

export function dialogSuggestion(fields: Fields = {}): SlackBody {
  return interaction({
    type: 'dialog_suggestion',
    token: 'XXYYZZ',
    action_ts: '1700000000.000200',
    team: { id: TEAM, domain: 'acme' },
    user: { id: USER, name: 'wanda' },
    channel: { id: CHANNEL, name: 'general' },
    name: 'assignee',
    value: 'wan',
    callback_id: 'report',
    ...fields,
  })
}

/** The options of a message menu: an `interactive_message` without `actions`. */
export function menuSuggestion(fields: Fields = {}): SlackBody {
  return interactiveMessage({ actions: undefined, name: 'assignee', value: 'wan', ...fields })
}

/** What Slack posts now and then to the command URLs of distributed apps: never signed. */
export function sslCheck(fields: Record<string, string | undefined> = {}): SlackBody {
  return form({ ssl_check: '1', token: 'XXYYZZ', ...fields })
}

/** Any payload, the way interactivity posts it. */
export function interaction(payload: unknown): SlackBody {
  return form({ payload: JSON.stringify(payload) })
}

export function json(body: unknown): SlackBody {
  return { contentType: JSON_TYPE, body: JSON.stringify(body) }
}

export function form(fields: Record<string, string | undefined>): SlackBody {
  const given = Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined)
  return { contentType: FORM, body: new URLSearchParams(given).toString() }
}
