import { PAGE_SECRET, signToken } from '../support/page-token.ts'
import {
  blockActions,
  blockSuggestion,
  eventCallback,
  globalShortcut,
  slashCommand,
  viewSubmission,
  type SlackBody,
} from '../support/slack-payloads.ts'
import { signSlack } from '../support/slack-signer.ts'
import { SIGNING_SECRET } from '../support/test-gateway.ts'
import type { Team } from './teams.ts'

export const surfaces = [
  'event',
  'command',
  'action, response_url',
  'action',
  'view',
  'shortcut',
  'options',
  'page',
] as const

export type Surface = (typeof surfaces)[number]
export const interactive = surfaces.filter((surface) => surface !== 'event')

/** One request as Slack (or, for a page, a browser) sends it. */
export interface Webhook {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What tells one request from every other, wherever it turns up: in the path or the body, in whatever encoding. */
const markPattern = /mark-\d{7}/

export function markOf(text: string): string | undefined {
  return markPattern.exec(text)?.[0]
}

/** A request that carries its mark, signed now. `responses`: where answers to it are posted. */
export function webhook(surface: Surface, mark: string, team: Team, responses: string): Webhook {
  if (surface === 'page') {
    const token = signToken({ exp: Math.floor(Date.now() / 1000) + 7200, integration_id: team.integration })
    return { method: 'GET', path: `/extensions/slack/link-team/${token}/?${mark}`, headers: {}, body: '' }
  }
  const { path, body, contentType } = slackBody(surface, mark, team, `${responses}/${mark}`)
  const signature = signSlack({ secret: SIGNING_SECRET, body, now: Date.now() })
  return { method: 'POST', path, headers: { 'Content-Type': contentType, ...signature }, body }
}

export const pageSecret = PAGE_SECRET

function slackBody(
  surface: Exclude<Surface, 'page'>,
  mark: string,
  { id, isEverywhere }: Team,
  response_url: string,
): SlackBody & { path: string } {
  const from = { team: { id, domain: 'acme' }, user: { id: 'U0WANDA0001', team_id: id }, fault_mark: mark }
  const action = '/extensions/slack/action/'
  switch (surface) {
    case 'event': {
      const authorizations = [
        { enterprise_id: null, team_id: id, user_id: 'U0BOT000001', is_enterprise_install: false },
      ]
      const event = eventCallback(
        { team_id: id, event_id: `Ev${mark}`, authorizations },
        { type: isEverywhere ? 'app_uninstalled' : 'app_mention', text: mark },
      )
      return { ...event, path: '/extensions/slack/event/' }
    }
    case 'command':
      return { ...slashCommand({ team_id: id, text: mark, response_url }), path: '/extensions/slack/commands/' }
    case 'action, response_url':
      return { ...blockActions({ ...from, response_url }, { value: mark }), path: action }
    case 'action':
      return { ...blockActions({ ...from, response_url: undefined }, { value: mark }), path: action }
    case 'view':
      return { ...viewSubmission(from, { team_id: id, app_installed_team_id: id }), path: action }
    case 'shortcut':
      return { ...globalShortcut(from), path: action }
    case 'options':
      return { ...blockSuggestion(from), path: '/extensions/slack/options-load/' }
  }
}
