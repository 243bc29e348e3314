import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { parseTrustedProxies } from '../config/trusted-proxies.ts'
import type { Settings } from '../config/environment.ts'
import { Refusal } from '../errors.ts'
import { peerOf } from '../peer.ts'

/**
 * Lets in who may use the admin API, and says who it is, as the audit names them. Throws a `Refusal`.
 *
 * A page in an operator's browser could reach a listener on loopback by a name of its own that it lets point here (DNS
 * rebinding), or write by a form: so neither a foreign name nor a foreign origin is served, token or not.
 */
export function admit(
  req: IncomingMessage,
  settings: Pick<Settings, 'ADMIN_HOST' | 'ADMIN_TOKEN' | 'TRUSTED_PROXIES' | 'IDENTITY_HEADER'>,
): string {
  const { ADMIN_HOST, ADMIN_TOKEN, TRUSTED_PROXIES, IDENTITY_HEADER } = settings
  const at = URL.parse(`http://${req.headers.host ?? ''}`)
  if (at === null || !isOurs(at.hostname, { req, ADMIN_HOST, hasToken: ADMIN_TOKEN !== undefined })) {
    throw new Refusal('foreign_host', 'Reach the admin listener by its address, as ADMIN_HOST has it or as localhost.')
  }
  const { origin } = req.headers
  if (origin !== undefined && URL.parse(origin)?.host !== at.host) {
    throw new Refusal('foreign_origin', 'Pages of other origins may not use the admin API.')
  }

  const { user } = peerOf(req, TRUSTED_PROXIES, IDENTITY_HEADER)
  const address = withoutMapping(req.socket.remoteAddress ?? 'unknown')
  const named = user === undefined ? address : `${address} (${printable(user)})`
  if (ADMIN_TOKEN === undefined) {
    // The listener may have been opened when there was a token, and a reload has taken it away.
    if (!isLoopback(withoutMapping(req.socket.localAddress ?? ''))) throw unauthorized()
    return `loopback ${named}`
  }
  const [, given] = /^bearer +([^ ].*)$/i.exec(req.headers.authorization ?? '') ?? []
  if (given === undefined || !isSame(given, ADMIN_TOKEN)) throw unauthorized()
  return `admin token from ${named}`
}

function unauthorized(): Refusal {
  return new Refusal('unauthorized', 'Send the header Authorization: Bearer and the value of ADMIN_TOKEN.', {
    headers: { 'WWW-Authenticate': 'Bearer realm="silo-gateway"' },
  })
}

function isOurs(
  name: string,
  { req, ADMIN_HOST, hasToken }: { req: IncomingMessage; ADMIN_HOST: string; hasToken: boolean },
): boolean {
  // As a parsed URL has it, in lower case.
  const host = name.replace(/^\[(.*)\]$/, '$1')
  if (host === 'localhost' || host === ADMIN_HOST.toLowerCase() || isLoopback(host)) return true
  if (host === withoutMapping(req.socket.localAddress ?? '') || host === hostname().toLowerCase()) return true
  // Behind an address translation (a container's published port) ours is not known here; no name leads to it.
  return hasToken && isIP(host) !== 0
}

function isLoopback(address: string): boolean {
  return loopback?.trusts(address) === true
}

const loopback = parseTrustedProxies(['127.0.0.0/8', '::1'])

/** `::ffff:10.0.0.1` is `10.0.0.1` on a socket that takes both families. */
function withoutMapping(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '')
}

/** Digests have one length, so that the time it takes says nothing of the token, its length neither. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(token))
}

/** For a line of the audit: no controls, no end of it out of sight. */
function printable(user: string): string {
  return user.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?').slice(0, 200)
}
