import type { IncomingHttpHeaders } from 'node:http'
import { Refusal, SiloClientError } from '../../errors.ts'
import type { Outcome } from '../../dispatch/region-result.ts'
import type { Reply } from '../../provider.ts'
import type { SlackRequest } from './request.ts'

export const TRY_AGAIN = 'This could not be completed just now. Please try again in a moment.'

/** What Slack hears of an outcome. Throws a `SiloClientError` where only an error tells the user that it failed. */
export function respond(request: SlackRequest, outcome: Outcome): Reply {
  if (outcome.kind === 'won') return request.kind === 'event' ? emptyReply(200) : outcome.winner.reply
  if (request.kind !== 'command') throw new SiloClientError(outcome.results)
  return outcome.results.every((result) => result.kind === 'timed_out')
    ? ephemeralReply('This took too long, so it was given up. Please try again in a moment.')
    : ephemeralReply(TRY_AGAIN)
}

/** The directory knows no integration. Slack tries an event again, which covers an installation just being made. */
export function replyToUnknown(request: SlackRequest, headers: IncomingHttpHeaders): Reply {
  switch (request.kind) {
    case 'command':
      return ephemeralReply('This workspace is not connected. Please ask an administrator to install the app again.')
    case 'page':
      throw new Refusal('invalid_page_token', 'This link leads to a workspace that is not connected any more.')
    case 'event':
    case 'action':
    case 'view':
    case 'dialog':
    case 'shortcut':
    case 'options':
    case 'other': {
      // After its third retry Slack would go on hourly where the app has delayed events switched on.
      const lastRetry = headers['x-slack-retry-num'] === '3'
      throw new Refusal('unknown_integration', 'No integration is known for this workspace or enterprise.', {
        headers: lastRetry ? { 'X-Slack-No-Retry': '1' } : {},
      })
    }
  }
}

/** The integration is disabled, or no organization uses it: an answer that each surface takes as done. */
export function replyToInactive(request: SlackRequest): Reply {
  switch (request.kind) {
    case 'command':
      return ephemeralReply('This workspace is connected, but no active organization uses it.')
    case 'view':
    case 'dialog':
      return emptyReply(200)
    case 'options':
      return jsonReply({ options: [] })
    case 'page':
      throw new Refusal('invalid_page_token', 'This link leads to a workspace that no active organization uses.')
    case 'event':
    case 'action':
    case 'shortcut':
    case 'other':
      return emptyReply(202)
  }
}

export function emptyReply(status: 200 | 202): Reply {
  return { status, rawHeaders: [], body: Buffer.alloc(0) }
}

export function jsonReply(body: object): Reply {
  return {
    status: 200,
    rawHeaders: ['Content-Type', 'application/json; charset=utf-8'],
    body: Buffer.from(JSON.stringify(body)),
  }
}

function ephemeralReply(text: string): Reply {
  return jsonReply(ephemeralMessage(text))
}

/** A message only the user sees who typed the command or clicked; the message that was clicked in stays as it is. */
export function ephemeralMessage(text: string): object {
  return { response_type: 'ephemeral', replace_original: false, text }
}
