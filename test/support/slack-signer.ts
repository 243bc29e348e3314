import { createHmac } from 'node:crypto'

/** The two headers Slack signs a request with. `now` is unix milliseconds; Slack's timestamp has whole seconds. */
export function signSlack(request: { secret: string; body: string | Uint8Array; now: number }): {
  'x-slack-request-timestamp': string
  'x-slack-signature': string
} {
  const timestamp = String(Math.floor(request.now / 1000))
  const digest = createHmac('sha256', request.secret).update(`v0:${timestamp}:`).update(request.body).digest('hex')
  return { 'x-slack-request-timestamp': timestamp, 'x-slack-signature': `v0=${digest}` }
}
