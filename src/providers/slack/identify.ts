import { Refusal } from '../../errors.ts'
import type { Identified, ProviderParts, ReceivedWebhook, UnsignedBody } from '../../provider.ts'
import { appNamedBy, malformed, readContent, type Content } from './content.ts'
import type { WebhookAdmission } from './admit.ts'
import type { WebhookDoor } from './doors.ts'
import { isFormType, readOneField, type Form } from './form.ts'
import { actionIds, hintOfCommand, hintOfLinks, hintOfNames } from './hints.ts'
import {
  installationOfCommand,
  installationOfEvent,
  installationOfInteraction,
  type NamedInstallation,
} from './installation.ts'
import { at, listAt, textAt, type JsonObject } from './json.ts'
import { emptyReply, jsonReply } from './reply.ts'
import type { SlackRequest } from './request.ts'
import type { Rules } from './settings.ts'
import { matchingKeys, type SlackKey } from './verify.ts'

export interface SlackWebhooks {
  readonly provider: string
  readonly keys: readonly SlackKey[]
  readonly rules: Rules
  readonly linkPatterns: readonly RegExp[]
  readonly isResponseUrl: (url: string) => boolean
  readonly counters: ProviderParts['counters']
  readonly alarms: ProviderParts['alarms']
}

/** Proves that a webhook is Slack's and reads what it is: rows 4 to 9 and 11 of the decision table, in that order. */
export function identifyWebhook(
  { door, signature }: WebhookAdmission,
  webhook: ReceivedWebhook,
  slack: SlackWebhooks,
): Identified<SlackRequest> {
  const contentType = webhook.headers['content-type']
  if (signature === undefined) {
    if (!isSslCheck(contentType, webhook.body)) throw new Refusal('invalid_signature', 'The request is not signed.')
    return sslCheck(door)
  }
  const matching = matchingKeys(slack.keys, signature, webhook.body)
  if (matching.length === 0) throw wrongSignature()

  const content = readContent(door.surface, contentType, webhook.body)
  const verifying = speakingFor(appNamedBy(content), matching)
  verifying.use.lastUsedAt = webhook.receivedAt
  const { appId: signedBy = '', use } = verifying
  const sentAt = Number(signature.timestamp) * 1000
  const proven = { signedBy, signature: signature.signature, verifiedBy: use.fingerprint, sentAt }
  return identifyContent(door, content, proven, slack)
}

/** The same of a body without a signature, as if one of the secrets had verified it: the newest that may. */
export function readWebhook(
  door: WebhookDoor,
  { contentType, bytes, appId }: UnsignedBody,
  slack: SlackWebhooks,
): Identified<SlackRequest> {
  if (isSslCheck(contentType, bytes)) return sslCheck(door)
  const content = readContent(door.surface, contentType, bytes)
  const assumed = slack.keys.filter((key) => appId === undefined || key.appId === undefined || key.appId === appId)
  const namedApp = appNamedBy(content)
  if (namedApp !== undefined && appId !== undefined && namedApp !== appId) throw wrongSignature()
  const verifying = speakingFor(namedApp ?? appId, assumed)
  const signedBy = appId ?? verifying.appId ?? ''
  return identifyContent(door, content, { signedBy, signature: '', verifiedBy: verifying.use.fingerprint }, slack)
}

/** One app's secret must not speak for another app. */
function speakingFor(app: string | undefined, keys: readonly SlackKey[]): SlackKey {
  const speaking = keys.find(({ appId }) => app === undefined || appId === undefined || appId === app)
  if (speaking === undefined) throw wrongSignature()
  return speaking
}

function identifyContent(
  { surface }: WebhookDoor,
  content: Content,
  by: Omit<Proven, 'appId'>,
  slack: SlackWebhooks,
): Identified<SlackRequest> {
  const proven = { ...by, appId: appNamedBy(content) ?? by.signedBy }
  switch (content.kind) {
    case 'event':
      return identifyEvent(content.body, proven, slack)
    case 'interaction':
      return identifyInteraction(content.payload, surface === 'options', proven, slack)
    case 'command':
      return identifyCommand(content.form, proven, slack)
  }
}

/** What the signature proved: the app that sent this, and the app of the secret, which may be one for any app. */
interface Proven {
  readonly appId: string
  readonly signedBy: string
  readonly signature: string
  readonly verifiedBy: string | undefined
  /** By its timestamp, which has whole seconds; unix milliseconds. */
  readonly sentAt?: number
}

/**
 * Slack checks a command URL's certificate with an unsigned form. Nothing else of it is read: a `payload` smuggled in
 * beside it has been taken for real by others. (https://github.com/slackapi/bolt-js/issues/2897)
 */
function isSslCheck(contentType: string | undefined, body: Buffer): boolean {
  if (!isFormType(contentType)) return false
  const values = readOneField(body.toString('latin1'), 'ssl_check')
  return values.length === 1 && values[0] === '1'
}

function sslCheck({ surface }: WebhookDoor): Identified<SlackRequest> {
  return { kind: 'answered', rule: 'ssl_check', surface, reply: emptyReply(200) }
}

function identifyEvent(body: JsonObject, proven: Proven, slack: SlackWebhooks): Identified<SlackRequest> {
  switch (at(body, 'type')) {
    case 'url_verification':
      return answerChallenge(at(body, 'challenge'))
    case 'app_rate_limited':
      slack.counters.count('app_rate_limited_total', {})
      slack.alarms.raise(
        'warn',
        JSON.stringify(['slack: app_rate_limited', proven.appId, textAt(body, 'team_id')]),
        { team: textAt(body, 'team_id'), app: proven.appId },
        'Slack drops events of this workspace: more than 30,000 within an hour',
      )
      return { kind: 'answered', rule: 'app_rate_limited', surface: 'event', reply: emptyReply(200) }
  }
  const event = at(body, 'event')
  const type = textAt(event, 'type')
  if (type === undefined) throw malformed('The body has no event with a type.')

  const eventId = textAt(body, 'event_id')
  const named = demandInstallation(installationOfEvent(body))
  const common = routable(named, proven, slack)
  return request({
    ...common,
    kind: 'event',
    surface: 'event',
    type,
    hint: type === 'link_shared' ? hintOfLinks(event, slack.linkPatterns) : undefined,
    // Two apps can be given the same event id, and so can two workspaces.
    ...(eventId !== undefined && {
      dedupKey: JSON.stringify([proven.appId, named.externalId, eventId]),
      remember: 'status',
    }),
  })
}

function answerChallenge(challenge: unknown): Identified<SlackRequest> {
  if (typeof challenge !== 'string') throw malformed('The challenge is not a text.')
  return { kind: 'answered', rule: 'url_verification', surface: 'event', reply: jsonReply({ challenge }) }
}

function identifyCommand(form: Form, proven: Proven, slack: SlackWebhooks): Identified<SlackRequest> {
  const command = form.get('command')?.[0] ?? ''
  if (command === '' && !form.get('team_id')?.[0] && !form.get('enterprise_id')?.[0]) {
    throw malformed('The form is no slash command.')
  }
  return request({
    ...routable(demandInstallation(installationOfCommand(form)), proven, slack),
    kind: 'command',
    surface: 'command',
    type: command,
    hint: hintOfCommand(form.get('text')?.[0] ?? ''),
    responseUrl: checkedResponseUrl(form.get('response_url')?.[0], 'command', slack),
  })
}

function identifyInteraction(
  payload: JsonObject,
  mustBeSuggestion: boolean,
  proven: Proven,
  slack: SlackWebhooks,
): Identified<SlackRequest> {
  const suggestion = isSuggestion(payload)
  if (mustBeSuggestion && !suggestion) throw malformed('The payload asks for no options.')
  if (suggestion && at(payload, 'value') === undefined) throw malformed('The payload has no value to find options for.')

  const common = {
    ...routable(demandInstallation(installationOfInteraction(payload)), proven, slack),
    type: textAt(payload, 'type') ?? '',
  }
  if (suggestion) {
    const name = textAt(payload, common.type === 'dialog_suggestion' ? 'callback_id' : 'action_id')
    return request({ ...common, kind: 'options', surface: 'options', hint: hintOfNames([name]) })
  }
  const kind = kindOf(payload, common.type)
  switch (kind) {
    case 'action':
      return identifyAction(payload, common, slack)
    case 'view':
    case 'dialog': {
      const name = kind === 'view' ? textAt(payload, 'view', 'callback_id') : textAt(payload, 'callback_id')
      const submitted = common.type.endsWith('_submission')
      return request({ ...common, kind, submitted, surface: 'action', hint: hintOfNames([name]) })
    }
    case 'shortcut':
    case 'other':
      return request({ ...common, kind, surface: 'action', hint: undefined })
  }
}

function identifyAction(
  payload: JsonObject,
  common: ReturnType<typeof routable> & { readonly type: string },
  slack: SlackWebhooks,
): Identified<SlackRequest> {
  const names = actionIds(payload)
  const value = valueOf(payload)
  const isLocal = (name: string | undefined): boolean => name !== undefined && slack.rules.local_actions.includes(name)
  if (isLocal(value) || names.some((name) => isLocal(name?.split('::')[0]))) {
    return { kind: 'answered', rule: 'local_action', surface: 'action', reply: emptyReply(200) }
  }
  const responseUrl = checkedResponseUrl(textAt(payload, 'response_url'), 'action', slack)
  return request({ ...common, kind: 'action', surface: 'action', value, hint: hintOfNames(names), responseUrl })
}

/**
 * A response_url that may not be posted to is as if there were none. Even then it is quoted to nobody: what leads
 * elsewhere today may be a secret of somebody's all the same.
 */
function checkedResponseUrl(
  url: string | undefined,
  surface: 'command' | 'action',
  { isResponseUrl, counters, alarms }: SlackWebhooks,
): string | undefined {
  if (url === undefined || url === '') return undefined
  if (isResponseUrl(url)) return url
  counters.count('response_url_refused_total', {})
  alarms.raise(
    'warn',
    `slack: response_url refused: ${surface}`,
    { surface },
    'A response_url leads neither to Slack nor to SLACK_RESPONSE_HOSTS: nothing is posted there',
  )
  return undefined
}

/** The first truthy value that an action carries; one that is not a text is no name of anything. */
function valueOf(payload: JsonObject): string | undefined {
  const value = listAt(payload, 'actions')
    .map((action) => at(action, 'value'))
    .find(Boolean)
  return typeof value === 'string' ? value : undefined
}

/** A message menu asks for its options with the type of a click, but without the list of actions. */
function isSuggestion(payload: JsonObject): boolean {
  const type = at(payload, 'type')
  if (type === 'interactive_message') return !Array.isArray(at(payload, 'actions'))
  return type === 'block_suggestion' || type === 'dialog_suggestion'
}

function kindOf(payload: JsonObject, type: string): 'action' | 'view' | 'dialog' | 'shortcut' | 'other' {
  switch (type) {
    case 'block_actions':
    case 'interactive_message':
      return 'action'
    case 'view_submission':
    case 'view_closed':
      return 'view'
    case 'dialog_submission':
    case 'dialog_cancellation':
      return 'dialog'
    case 'shortcut':
    case 'message_action':
      return 'shortcut'
    default:
      return Array.isArray(at(payload, 'actions')) ? 'action' : 'other'
  }
}

function demandInstallation(named: NamedInstallation | undefined): NamedInstallation {
  if (named === undefined) throw new Refusal('no_installation_named', 'The body names no workspace and no enterprise.')
  return named
}

/** What every kind of request has in common. The signature is the same only for the very same bytes sent again. */
function routable({ externalId, enterpriseId, foundIn }: NamedInstallation, proven: Proven, slack: SlackWebhooks) {
  return {
    installation: {
      by: 'external' as const,
      provider: slack.provider,
      appId: proven.appId,
      externalId,
      ...(enterpriseId === undefined ? {} : { enterpriseId }),
    },
    foundIn,
    dedupKey: proven.signature,
    remember: 'answer' as const,
    signedBy: proven.signedBy,
    ...(proven.sentAt !== undefined && { sentAt: proven.sentAt }),
    verifiedBy: proven.verifiedBy,
  }
}

function request(request: SlackRequest): Identified<SlackRequest> {
  return { kind: 'request', request }
}

function wrongSignature(): Refusal {
  return new Refusal('invalid_signature', 'The signature is not made with a secret of this app.')
}
