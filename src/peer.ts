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
  const identity = folded(identityHeader)
  const isIdentity = (name = ''): boolean => name.length === identity.length && folded(name) === identity
  if (!rawHeaders.some((name, at) => at % 2 === 0 && isIdentity(name))) return { headers, rawHeaders }
  return {
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !isIdentity(name))),
    rawHeaders: rawHeaders.filter((_, at) => !isIdentity(rawHeaders[at - (at % 2)])),
  }
}

/** As servers read it that turn headers into CGI variables: to those `Remote_User` is `Remote-User`. */
function folded(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}

/** A comma counts as a second line: any proxy on the way may have joined two into one (RFC 9110 section 5.3). */
function onlyValue(lines: readonly string[] = []): string | undefined {
  const [value, another] = lines
  return value === undefined || value === '' || another !== undefined || value.includes(',') ? undefined : value
}
