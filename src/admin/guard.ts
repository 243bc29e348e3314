import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { parseTrustedProxies } from '../config/trusted-proxies.ts'
import type { Settings } from '../config/environment.ts'
import { Refusal } from '../errors.ts'
import { peerOf } from '../peer.ts'
import { isSame } from './is-same.ts'
import { sessionCookieAt, sessionIn, type Session } from './session.ts'

export interface Caller {
  /** Who it is, as the audit names them; undefined: somebody who has shown nothing. */
  readonly author: string | undefined
  /** Where from, and who a trusted proxy says it is. */
  readonly named: string
  /** By what a browser is let in. */
  readonly session: Session | undefined
  /** Where such a session is looked for, and put. */
  readonly cookieName: string
  /** Of whoever is behind the trusted proxies. */
  readonly address: string
  /** As far as a trusted proxy says so. */
  readonly isHttps: boolean
}

type GuardSettings = Pick<Settings, 'ADMIN_HOST' | 'ADMIN_TOKEN' | 'TRUSTED_PROXIES' | 'IDENTITY_HEADER'>

/**
 * Who asks. Throws a `Refusal` for what no admin listener answers, whoever asks.
 *
 * A page in an operator's browser could reach a listener on loopback by a name of its own that it lets point here (DNS
 * rebinding), or write by a form: so neither a foreign name nor a foreign origin is served, token or not.
 */
export function callerOf(req: IncomingMessage, settings: GuardSettings, now: number): Caller {
  const { ADMIN_HOST, ADMIN_TOKEN, TRUSTED_PROXIES, IDENTITY_HEADER } = settings
  const hasToken = ADMIN_TOKEN !== undefined
  const at = authority.test(req.headers.host ?? '') ? URL.parse(`http://${req.headers.host}`) : null
  if (at === null || !isOurs(at.hostname, { req, ADMIN_HOST, hasToken })) {
    throw new Refusal('foreign_host', 'Reach the admin listener by its address, as ADMIN_HOST has it or as localhost.')
  }
  const { user, proto, host, forwardedFor } = peerOf(req, TRUSTED_PROXIES, IDENTITY_HEADER)
  // A proxy may call us by our address. Without a token its own name proves nothing: it may be the rebound one.
  const outside = hasToken ? URL.parse(`${proto}://${host}`) : null
  const { origin } = req.headers
  const from = origin === undefined ? at.host : URL.parse(origin)?.host
  // Of a page that hides where it is from, nothing is known (`null`).
  if (from === undefined || (from !== at.host && from !== outside?.host) || isPartOfAnother(req.headers)) {
    throw new Refusal('foreign_origin', 'Pages of other origins may not use the admin API.')
  }

  const address = withoutMapping(req.socket.remoteAddress ?? 'unknown')
  const named = user === undefined ? address : `${address} (${printable(user)})`
  const cookieName = sessionCookieAt((outside ?? at).port)
  const session = hasToken ? sessionIn(req.headers.cookie, { token: ADMIN_TOKEN, cookieName, now }) : undefined
  const way = shownBy(req, ADMIN_TOKEN, session)
  return {
    author: way === 'session' ? bySession(named) : way && `${way} ${named}`,
    named,
    session: way === 'session' ? session : undefined,
    cookieName,
    address: clientOf(forwardedFor, TRUSTED_PROXIES) ?? address,
    isHttps: proto === 'https',
  }
}

/** Lets in who may use the admin API, and says who it is, as the audit names them. Throws a `Refusal`. */
export function admit(
  { method, headers }: Pick<IncomingMessage, 'method' | 'headers'>,
  { author, session }: Caller,
): string {
  if (author === undefined) throw unauthorized()
  const writes = method !== 'GET' && method !== 'HEAD'
  // What a browser sends by itself proves nothing of who had it sent. (A header that comes twice is joined to one text.)
  if (session !== undefined && writes && !isSame(String(headers['x-csrf-token']), session.csrf)) {
    throw new Refusal('csrf', 'Send the header X-CSRF-Token with the csrf of GET /api/session.')
  }
  return author
}

/** The author that came by a session. */
export function bySession(named: string): string {
  return `session from ${named}`
}

/** By what somebody is let in. A token that is brought counts, right or wrong: whoever sends one means it. */
function shownBy(req: IncomingMessage, token: string | undefined, session: Session | undefined) {
  // The listener may have been opened when there was a token, and a reload has taken it away.
  if (token === undefined) return isLoopback(withoutMapping(req.socket.localAddress ?? '')) ? 'loopback' : undefined
  // Another scheme is the business of a proxy that asks for a password of its own.
  const [, given] = /^bearer +([^ ].*)$/i.exec(req.headers.authorization ?? '') ?? []
  if (given === undefined) return session && 'session'
  return isSame(given, token) ? 'admin token from' : undefined
}

/** The nearest in the chain of whom no trusted proxy is the next: what stands further away may be made up. */
function clientOf(forwardedFor: string, proxies: Settings['TRUSTED_PROXIES']): string | undefined {
  return forwardedFor
    .split(',')
    .map((address) => withoutMapping(withoutPort(address.trim())))
    .findLast((address) => !proxies.trusts(address))
}

export function unauthorized(): Refusal {
  return new Refusal('unauthorized', 'Send the header Authorization: Bearer and the value of ADMIN_TOKEN.', {
    headers: { 'WWW-Authenticate': 'Bearer realm="silo-gateway"' },
  })
}

/**
 * Whether another origin's page asks for it as a picture, a frame or a script: these come without an `Origin`, and could
 * take every place at the stream from those who watch. Whoever follows a link asks for a document.
 */
function isPartOfAnother(headers: IncomingMessage['headers']): boolean {
  const { 'sec-fetch-site': site, 'sec-fetch-dest': dest } = headers
  return (site === 'cross-site' || site === 'same-site') && dest !== 'document'
}

/** What may stand in `Host`. A URL is read more generously: our name before a slash in it, or behind an `@`, is none. */
const authority = /^(?:\[[\da-f:.]+\]|[\w.-]+)(?::\d*)?$/i

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

/** Some proxies name the port as well, which is another with each connection: `192.0.2.1:5123`, `[2001:db8::1]:5123`. */
function withoutPort(address: string): string {
  const [, bracketed, plain] = /^(?:\[(.+)\](?::\d+)?|([\d.]+):\d+)$/.exec(address) ?? []
  return bracketed ?? plain ?? address
}

/** For a line of the audit: no controls, no end of it out of sight. */
function printable(user: string): string {
  return user.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?').slice(0, 200)
}
