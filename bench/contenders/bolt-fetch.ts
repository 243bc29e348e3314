// A Slack Bolt app that asks a region with Node's own `fetch` and acknowledges with what it says.
import { App, HTTPReceiver, LogLevel } from '@slack/bolt'
import { COMMANDS_PATH } from '../slack-command.ts'
import { serve } from './http.ts'

const [signingSecret = '', region = ''] = process.argv.slice(2)
const receiver = new HTTPReceiver({ signingSecret, endpoints: [COMMANDS_PATH], logLevel: LogLevel.ERROR })
const app = new App({
  receiver,
  logLevel: LogLevel.ERROR,
  authorize: () => Promise.resolve({ botToken: 'xoxb-unused', botId: 'B0BENCH', botUserId: 'U0BOT' }),
})
app.command('/bench', async ({ ack, body }) => {
  const form = new URLSearchParams(Object.entries(body).map(([name, value]) => [name, String(value)]))
  const reply = await fetch(`${region}${COMMANDS_PATH}`, { method: 'POST', body: form })
  await ack((await reply.json()) as { text: string })
})
serve((req, res) => receiver.requestListener(req, res))
