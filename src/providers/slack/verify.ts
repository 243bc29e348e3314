import { timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Refusal } from '../../errors.ts'
import type { ProviderParts } from '../../provider.ts'
import { hmacSha256, type Mac } from '../../wire/hmac.ts'
import type { SigningSecret } from './settings.ts'

/** Slack's own window, both ways: older is a replay, younger a clock that is wrong. */
const MAX_SKEW_SECONDS = 300

/** A signing secret, made ready once. */
export interface SlackKey {
  readonly appId: string | undefined
  readonly mac: Mac
  readonly use: ReturnType<ProviderParts['listSecret']>
}

export function importSecrets(
  secrets: readonly SigningSecret[],
  { listSecret }: Pick<ProviderParts, 'listSecret'>,
): SlackKey[] {
  return secrets.map(({ appId, secret }) => ({
    appId,
    mac: hmacSha256(Buffer.from(secret)),
    use: listSecret({
      name: 'SLACK_SIGNING_SECRETS',
      owner: appId === undefined ? {} : { app_id: appId },
      value: secret,
      inUse: true,
    }),
  }))
}

/** Both signature headers, well-formed. */
export interface Signature {
  /** The header's text: it is signed as it stands, leading zeros included. */
  readonly timestamp: string
  readonly signature: string
}

/**
 * The request's signature, or undefined when neither header is there. Throws `invalid_signature` where only one is, or
 * one is malformed: a repeated header arrives joined by `, `, which is no signature either.
 * (https://docs.slack.dev/authentication/verifying-requests-from-slack)
 */
export function readSignature(headers: IncomingHttpHeaders): Signature | undefined {
  const signature = headers['x-slack-signature']
  const timestamp = headers['x-slack-request-timestamp']
  if (signature === undefined && timestamp === undefined) return undefined
  if (typeof signature !== 'string' || !/^v0=[0-9a-f]{64}$/.test(signature)) {
    throw refused('X-Slack-Signature is missing or malformed.')
  }
  if (typeof timestamp !== 'string' || !/^\d{1,12}$/.test(timestamp)) {
    throw refused('X-Slack-Request-Timestamp is missing or malformed.')
  }
  return { timestamp, signature }
}

/** Refuses a signature made more than 300 s before or after now: no secret can make it good. */
export function refuseStale(
  { timestamp }: Signature,
  { clock, counters, alarms }: Pick<ProviderParts, 'clock' | 'counters' | 'alarms'>,
): void {
  const skewSeconds = Math.floor(clock.now() / 1000) - Number(timestamp)
  if (Math.abs(skewSeconds) <= MAX_SKEW_SECONDS) return
  counters.count('clock_skew_total', {})
  alarms.raise(
    'warn',
    'slack: clock skew',
    { skewSeconds },
    "A Slack request's timestamp is more than 300 s away: a replay, or this clock is wrong",
  )
  throw refused('X-Slack-Request-Timestamp is more than 300 seconds away.')
}

/** The keys that made this signature over these very bytes, in their own order. */
export function matchingKeys(keys: readonly SlackKey[], { timestamp, signature }: Signature, body: Buffer): SlackKey[] {
  const given = Buffer.from(signature)
  return keys.filter((key) => {
    const expected = Buffer.from(signatureOf(key, timestamp, body))
    // timingSafeEqual throws on different lengths.
    return given.length === expected.length && timingSafeEqual(given, expected)
  })
}

/** The text of X-Slack-Signature for this timestamp's text and these bytes. */
export function signatureOf({ mac }: SlackKey, timestamp: string, body: Buffer): string {
  return `v0=${mac(`v0:${timestamp}:`, body, 'hex')}`
}

function refused(detail: string): Refusal {
  return new Refusal('invalid_signature', detail, { close: true })
}
