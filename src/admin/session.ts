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

/** A working day: whoever looks again tomorrow has the token at hand. */
const SESSION_SECONDS = 12 * 3600

/**
 * A session and its cookie. Nothing is kept of it here: every gateway with the same ADMIN_TOKEN knows the session by its
 * seal, and none does any more once the token is another.
 */
export function beginSession(
  token: string,
  { now, nonce, isHttps }: { now: number; nonce: string; isHttps: boolean },
): { session: Session; cookie: string } {
  const expiresAt = now + SESSION_SECONDS * 1000
  const claim = `${expiresAt}.${nonce}`
  const { seal, csrf } = marksOf(claim, token)
  return { session: { expiresAt, csrf }, cookie: cookieLine(`${claim}.${seal}`, SESSION_SECONDS, isHttps) }
}

/** The cookie that takes the one there is away. */
export function endSession(isHttps: boolean): string {
  return cookieLine('', 0, isHttps)
}

/** The session that a `Cookie` header holds; undefined where none of its cookies is one of this token, still in time. */
export function sessionIn(header: string | undefined, token: string, now: number): Session | undefined {
  // Cookies know no ports: another gateway's, on the same machine, may stand beside ours.
  for (const pair of header?.split(';') ?? []) {
    const [, claim, expires, seal] = shape.exec(pair.trim()) ?? []
    if (claim === undefined || seal === undefined) continue
    const marks = marksOf(claim, token)
    const expiresAt = Number(expires)
    if (isSame(seal, marks.seal) && now < expiresAt) return { expiresAt, csrf: marks.csrf }
  }
  return undefined
}

const shape = new RegExp(`^${SESSION_COOKIE}=((\\d{1,15})\\.[\\w-]{1,64})\\.([0-9a-f]{64})$`)

/** Of one claim two marks, neither of which says anything of the other, or of the token. */
function marksOf(claim: string, token: string): { seal: string; csrf: string } {
  const key = mac(token, 'silo-gateway console session, version 1')
  return { seal: mac(key, `session ${claim}`), csrf: mac(key, `csrf ${claim}`) }
}

function mac(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}

/** Not sent along by any other site, and out of reach of scripts. */
function cookieLine(value: string, seconds: number, isHttps: boolean): string {
  return `${SESSION_COOKIE}=${value}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${seconds}${isHttps ? '; Secure' : ''}`
}
