import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** Slack's signature, and nothing of what else the gateway looks at. */
export function isSigned(secret: string, headers: IncomingHttpHeaders, body: Buffer): boolean {
  const { 'x-slack-request-timestamp': timestamp, 'x-slack-signature': signature } = headers
  const digest = createHmac('sha256', secret)
    .update(`v0:${String(timestamp)}:`)
    .update(body)
    .digest('hex')
  const [expected, given] = [Buffer.from(`v0=${digest}`), Buffer.from(String(signature))]
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** Parsed once, as whoever wants to know where to send it must. */
export function namesTeam(body: Buffer): boolean {
  return new URLSearchParams(body.toString()).has('team_id')
}
