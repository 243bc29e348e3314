import type { Promised } from '../../provider.ts'
import type { SlackRequest } from './request.ts'
import type { Rules } from './settings.ts'

/** What becomes of a request whose regions fail or are late: the table of the README. */
export function promise(request: SlackRequest, { events_on_failure: onFailure }: Rules): Promised {
  switch (request.kind) {
    case 'event':
      // Enough failed events and Slack switches the whole app off, for every customer.
      return { kind: onFailure === 'spool' ? 'delivery' : 'nothing' }
    case 'command':
      return lateAnswer(request.responseUrl, 'respond')
    case 'action':
      // Slack shows nothing of an answer to a click but an error, so a message has to be posted.
      return lateAnswer(request.responseUrl, 'post')
    case 'view':
    case 'dialog':
    case 'shortcut':
    case 'options':
    case 'other':
    case 'page':
      return { kind: 'nothing' }
  }
}

function lateAnswer(to: string | undefined, failure: 'respond' | 'post'): Promised {
  return to === undefined ? { kind: 'nothing' } : { kind: 'late_answer', to, failure }
}
