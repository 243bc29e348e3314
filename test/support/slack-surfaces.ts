import {
  blockActions,
  blockSuggestion,
  dialogCancellation,
  dialogSubmission,
  dialogSuggestion,
  eventCallback,
  globalShortcut,
  interactiveMessage,
  menuSuggestion,
  messageAction,
  slashCommand,
  viewClosed,
  viewSubmission,
  workflowStepEdit,
  type SlackBody,
} from './slack-payloads.ts'

export const COMMANDS = '/extensions/slack/commands/'
export const ACTION = '/extensions/slack/action/'
export const EVENT = '/extensions/slack/event/'
export const OPTIONS_LOAD = '/extensions/slack/options-load/'
export const SINGLE = '/slack/events'

/** One kind of request, the paths Slack may post it to besides the single one, and how it names an installation. */
export interface Surface {
  readonly name: string
  readonly kind: 'event' | 'command' | 'action' | 'view' | 'dialog' | 'shortcut' | 'other' | 'options'
  readonly paths: readonly string[]
  /** The request as the workspace with this id sends it, without the fields that are given as `undefined`. */
  from(team: string, without?: Without): SlackBody
  /** The request with nothing in it that could name a workspace or an enterprise. */
  fromNobody(): SlackBody
}

type Without = Readonly<Record<string, undefined>>

type BuildInteraction = (fields: Record<string, unknown>, view?: Record<string, unknown>) => SlackBody

const interactive = (name: string, kind: Surface['kind'], build: BuildInteraction): Surface => ({
  name,
  kind,
  paths: kind === 'options' ? [OPTIONS_LOAD, ACTION] : [ACTION],
  from: (team, without) => {
    const own = { team: { id: team, domain: 'acme' }, user: { id: 'U0WANDA0001', team_id: team }, ...without }
    return kind === 'view' ? build(own, { team_id: team, app_installed_team_id: team }) : build(own)
  },
  fromNobody: () => {
    const nobody = { team: null, enterprise: null, user: { id: 'U0WANDA0001' } }
    return kind === 'view' ? build(nobody, { app_installed_team_id: null }) : build(nobody)
  },
})

export const surfaces: readonly Surface[] = [
  {
    name: 'event',
    kind: 'event',
    paths: [EVENT],
    from: (team, without) =>
      eventCallback({ team_id: team, authorizations: [{ enterprise_id: null, team_id: team }], ...without }),
    fromNobody: () => eventCallback({ team_id: null, enterprise_id: null, authorizations: [] }),
  },
  {
    name: 'command',
    kind: 'command',
    paths: [COMMANDS],
    from: (team, without) => slashCommand({ team_id: team, ...without }),
    fromNobody: () => slashCommand({ team_id: undefined }),
  },
  interactive('block_actions', 'action', (fields) => blockActions(fields)),
  interactive('interactive_message', 'action', (fields) => interactiveMessage(fields)),
  interactive('view_submission', 'view', viewSubmission),
  interactive('view_closed', 'view', viewClosed),
  interactive('shortcut', 'shortcut', globalShortcut),
  interactive('message_action', 'shortcut', messageAction),
  interactive('dialog_submission', 'dialog', dialogSubmission),
  interactive('dialog_cancellation', 'dialog', dialogCancellation),
  interactive('workflow_step_edit', 'other', workflowStepEdit),
  interactive('an interactive type nobody knows yet', 'other', (fields) =>
    globalShortcut({ type: 'hologram_waved', ...fields }),
  ),
  interactive('block_suggestion', 'options', blockSuggestion),
  interactive('dialog_suggestion', 'options', dialogSuggestion),
  interactive('message menu suggestion', 'options', menuSuggestion),
]

/** A path with and without its trailing slash. */
export function bothSpellings(path: string): string[] {
  const bare = path.endsWith('/') ? path.slice(0, -1) : path
  return [bare, `${bare}/`]
}

/** Every path that takes the surface: its own and the single one, each in both spellings. */
function pathsOf(surface: Surface): string[] {
  return [...surface.paths, SINGLE].flatMap(bothSpellings)
}

/** Each surface at each path that takes it. */
export const everywhere = surfaces.flatMap((surface) =>
  pathsOf(surface).map((path) => ({ what: surface.name, path, surface })),
)

export const webhookPaths = [COMMANDS, ACTION, EVENT, OPTIONS_LOAD, SINGLE].flatMap(bothSpellings)
