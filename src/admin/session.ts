import { createHmac } from 'node:crypto'
import { isSame } from './is-same.ts'

/** What a browser holds in place of the token. */
export interface Session {
  /** Unix milliseconds. */
  readonly expiresAt: number
  /** What a page of ours knows, and one of another origin cannot read: writes need it in `X-CSRF-Token`. */
  readonly csrf: string
}

export const SESSION_COOKIE = 'silo_session'

/**
 * The name of the cookie at a port, as a browser calls it: cookies know none, and gateways side by side on one host, or
 * at the ends of two tunnels, would take each other's. `port`: empty where the address has none.
 */
export function sessionCookieAt(port: string): string {
  return port === '' ? SESSION_COOKIE : `${SESSION_COOKIE}_${port}`
}

/** A working day: whoever looks again tomorrow has the token at hand. */
const SESSION_SECONDS = 12 * 3600

/** How the browser that holds a cookie calls. */
interface CookieTo {
  /** As `sessionCookieAt` has it. */
  readonly cookieName: string
  readonly isHttps: boolean
}

/**
 * A session and its cookie. Nothing is kept of it here: every gateway with the same ADMIN_TOKEN knows the session by its
 * seal, and none does any more once the token is another.
 */
export function beginSession(
  token: string,
  { now, nonce, ...to }: { now: number; nonce: string } & CookieTo,
): { session: Session; cookie: string } {
  const expiresAt = now + SESSION_SECONDS * 1000
  const claim = `${expiresAt}.${nonce}`
  const key = sessionKey(token)
  const cookie = cookieLine(`${claim}.${sealOf(claim, key)}`, SESSION_SECONDS, to)
  return { session: { expiresAt, csrf: csrfOf(claim, key) }, cookie }
}

/** The cookie that takes the one there is away. */
export function endSession(to: CookieTo): string {
  return cookieLine('', 0, to)
}

/** The session that a `Cookie` header holds; undefined where no such cookie is one of this token, still in time. */
export function sessionIn(
  header: string | undefined,
  { token, cookieName, now }: { token: string; cookieName: string; now: number },
): Session | undefined {
  const key = sessionKey(token)
  const start = `${cookieName}=`
  return (header?.split(';') ?? [])
    .flatMap((pair) => {
      const named = pair.trim()
      if (!named.startsWith(start)) return []
      const [, claim = '', expires, seal = ''] = shape.exec(named.slice(start.length)) ?? []
      const expiresAt = Number(expires)
      // One that was given while the clock was ahead would last longer than any may.
      const isInTime = now < expiresAt && expiresAt <= now + SESSION_SECONDS * 1000
      return isInTime ? [{ claim, expiresAt, seal }] : []
    })
    .slice(0, MOST_COOKIES)
    .flatMap(({ claim, expiresAt, seal }) =>
      isSame(seal, sealOf(claim, key)) ? [{ expiresAt, csrf: csrfOf(claim, key) }] : [],
    )
    .at(0)
}

/**
 * Whatever else has our host name, or a part of it, may have set some of this name beside ours. Each that looks
 * like one costs hashes, and a head has room for hundreds of them: webhooks would wait for whoever sends such heads.
 */
const MOST_COOKIES = 4

const shape = /^((\d{1,15})\.[\w-]{1,64})\.([0-9a-f]{64})$/

function sessionKey(token: string): string {
  return mac(token, 'silo-gateway console session, version 1')
}

// Of one claim two marks, neither of which says anything of the other, or of the token.

function sealOf(claim: string, key: string): string {
  return mac(key, `session ${claim}`)
}

function csrfOf(claim: string, key: string): string {
  return mac(key, `csrf ${claim}`)
}

function mac(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}

/** Not sent along by any other site, and out of reach of scripts. */
function cookieLine(value: string, seconds: number, { cookieName, isHttps }: CookieTo): string {
  return `${cookieName}=${value}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${seconds}${isHttps ? '; Secure' : ''}`
}
