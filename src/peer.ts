import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Peer, RequestHead } from './provider.ts'

/**
 * Who is at the other end. `X-Forwarded-*` and the identity header are believed from a trusted proxy only: anybody
 * else could write whatever they like into them. A header that does not say one thing says nothing.
 */
export function peerOf(
  req: IncomingMessage,
  proxies: { trusts(address: string | undefined): boolean },
  identityHeader: string,
): Peer {
  const address = req.socket.remoteAddress ?? ''
  const proto = req.socket instanceof TLSSocket ? 'https' : 'http'
  const host = req.headers.host ?? ''
  if (!proxies.trusts(address)) return { forwardedFor: address, proto, host, user: undefined }
  // Distinct, because `headers` joins repeated lines: what a caller wrote would stand beside what the proxy added.
  const headers = req.headersDistinct
  const chain = (headers['x-forwarded-for'] ?? []).filter((line) => line !== '')
  return {
    forwardedFor: [...chain, address].join(', '),
    proto: onlyValue(headers['x-forwarded-proto']) ?? proto,
    host: onlyValue(headers['x-forwarded-host']) ?? host,
    user: onlyValue(headers[identityHeader.toLowerCase()]),
  }
}

/**
 * The headers without the one that says who is signed in: what is believed of it is the peer's `user`, and a region must
 * not meet it as a word of the gateway.
 */
export function withoutIdentity(
  { headers, rawHeaders }: Pick<RequestHead, 'headers' | 'rawHeaders'>,
  identityHeader: string,
): Pick<RequestHead, 'headers' | 'rawHeaders'> {
  const name = identityHeader.toLowerCase()
  if (headers[name] === undefined) return { headers, rawHeaders }
  return {
    headers: { ...headers, [name]: undefined },
    rawHeaders: rawHeaders.filter((_, at) => rawHeaders[at - (at % 2)]?.toLowerCase() !== name),
  }
}

/** A comma counts as a second line: any proxy on the way may have joined two into one (RFC 9110 section 5.3). */
function onlyValue(lines: readonly string[] = []): string | undefined {
  const [value, another] = lines
  return value === undefined || value === '' || another !== undefined || value.includes(',') ? undefined : value
}
