import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Peer } from './provider.ts'

/**
 * Who is at the other end. `X-Forwarded-*` and the identity header are believed from a trusted proxy only: anybody
 * else could write whatever they like into them.
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
  const chain = single(req.headers['x-forwarded-for'])
  return {
    forwardedFor: chain === undefined ? address : `${chain}, ${address}`,
    proto: single(req.headers['x-forwarded-proto']) ?? proto,
    host: single(req.headers['x-forwarded-host']) ?? host,
    user: single(req.headers[identityHeader.toLowerCase()]),
  }
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
