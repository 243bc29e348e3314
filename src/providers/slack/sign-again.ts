import type { Clock } from '../../clock.ts'
import { signatureOf, type SlackKey } from './verify.ts'

/**
 * The headers with Slack's signature made anew, of now, for a request that has waited longer than the 300 s in which
 * any verifier of Slack's takes it. Signed by the newest secret of the app whose secret had verified it; an app that
 * has none any more is signed for by one of no app, or not at all: another app's would be a lie.
 */
export function signAgain(
  { rawHeaders, body, signedBy }: { rawHeaders: readonly string[]; body: Buffer; signedBy: string },
  { keys, clock }: { keys: readonly SlackKey[]; clock: Clock },
): string[] | undefined {
  const key = keys.find(({ appId }) => appId === signedBy) ?? keys.find(({ appId }) => appId === undefined)
  if (key === undefined) return undefined
  const timestamp = String(Math.floor(clock.now() / 1000))
  return withHeaders(rawHeaders, [
    ['X-Slack-Request-Timestamp', timestamp],
    ['X-Slack-Signature', signatureOf(key, timestamp, body)],
  ])
}

/** Each of these once: where it first stood, in whatever spelling, else at the end. */
function withHeaders(
  rawHeaders: readonly string[],
  wanted: readonly (readonly [name: string, value: string])[],
): string[] {
  const left = new Map(wanted.map(([name, value]) => [name.toLowerCase(), [name, value]]))
  const replaced = new Set(left.keys())
  const headers: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    // To whatever reads headers as CGI variables (RFC 3875 section 4.1.18) an underscore is a hyphen.
    const lowerCase = name.toLowerCase().replaceAll('_', '-')
    if (!replaced.has(lowerCase)) headers.push(name, rawHeaders[i + 1] ?? '')
    headers.push(...(left.get(lowerCase) ?? []))
    left.delete(lowerCase)
  }
  return headers.concat(...left.values())
}
