import type { FanOut } from '../../provider.ts'
import type { SlackRequest } from './request.ts'
import type { Rules } from './settings.ts'

/** How long an empty answer waits for one with a body: an empty 200 closes a modal over another region's errors. */
const PREFER_BODY_MS = 250

/** Whom to ask: the planning table of the README. */
export function fanOut(request: SlackRequest, rules: Rules): FanOut {
  switch (request.kind) {
    case 'command':
    case 'options':
    case 'page':
      return { to: 'first', wins: 'reply' }
    case 'event':
      // Slack takes any non-2xx for a failed delivery, so a region's 4xx is nothing to pass on.
      return concernsAllRegions(request.type, rules)
        ? { to: 'all', wins: 'success', preferBodyForMs: 0 }
        : { to: 'first', wins: 'success' }
    case 'action':
      return request.value !== undefined && rules.first_region_actions.includes(request.value)
        ? { to: 'first', wins: 'reply' }
        : { to: 'all', wins: 'reply', preferBodyForMs: 0 }
    case 'view':
    case 'dialog':
      return { to: 'all', wins: 'reply', preferBodyForMs: request.submitted ? PREFER_BODY_MS : 0 }
    case 'shortcut':
    case 'other':
      return { to: 'all', wins: 'reply', preferBodyForMs: 0 }
  }
}

/** By which rule of that table: the setting that decided, or else the kind of request. */
export function planRule(request: SlackRequest, rules: Rules): string {
  if (request.kind === 'event' && concernsAllRegions(request.type, rules)) return 'all_region_events'
  const isFirst = request.kind === 'action' && fanOut(request, rules).to === 'first'
  return isFirst ? 'first_region_actions' : request.kind
}

/** `'*'` as the whole setting or as an entry of its list is every event. */
function concernsAllRegions(type: string, { all_region_events: types }: Rules): boolean {
  return types.includes('*') || (Array.isArray(types) && types.includes(type))
}
