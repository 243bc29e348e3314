import { slackHeaders } from './slack-event.ts'

export const COMMANDS_PATH = '/extensions/slack/commands/'
const ACTIONS_PATH = '/extensions/slack/action/'

/** The workspace of every action, and of every command of which nothing else is said. */
export const TEAM = 'T0BENCH'

const COMMAND_BYTES = 400

/** What a region answers to each of them. A failure that is told to a user is a 200 as well, with another body. */
export const ANSWER = '{"text":"done"}'

/** A form as Slack posts it, signed now: good for 300 s. */
export interface SlackForm {
  readonly path: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

/** A slash command of exactly `bytes`, 300 at the least. Its number makes it another one than those before. */
export function slackCommand(
  number: number,
  { bytes = COMMAND_BYTES, team = TEAM }: { bytes?: number; team?: string } = {},
): SlackForm {
  const fields = {
    token: 'XXYYZZ',
    team_id: team,
    team_domain: 'bench',
    channel_id: 'C0BENCH',
    channel_name: 'general',
    user_id: 'U0BENCH',
    user_name: 'wanda',
    command: '/bench',
    response_url: `https://hooks.slack.com/commands/${TEAM}/1/abc`,
    trigger_id: `1.2.${number}`,
    text: 'how long does it take? ',
  }
  return signed(COMMANDS_PATH, new URLSearchParams(fields).toString().padEnd(bytes, 'x'))
}

/** A click on a button, about as long as a command: the shortest that concerns every region of its workspace. */
export function slackAction(number: number): SlackForm {
  const payload = {
    type: 'block_actions',
    team: { id: TEAM },
    channel: { id: 'C0BENCH' },
    user: { id: 'U0BENCH' },
    trigger_id: `1.2.${number}`,
    response_url: `https://hooks.slack.com/actions/${TEAM}/1/abc`,
    actions: [{ action_id: 'resolve', value: 'resolve' }],
  }
  return signed(ACTIONS_PATH, new URLSearchParams({ payload: JSON.stringify(payload) }).toString())
}

function signed(path: string, body: string): SlackForm {
  return { path, headers: slackHeaders(body, 'application/x-www-form-urlencoded'), body }
}
