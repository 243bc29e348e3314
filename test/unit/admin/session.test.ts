import { describe, expect, it } from 'vitest'
import { beginSession, sessionCookieAt, sessionIn as find } from '../../../src/admin/session.ts'

const TOKEN = 'open-sesame'
const NOON = 1_700_000_000_000
const HOUR = 3_600_000

const cookieName = sessionCookieAt('8081')
const sessionIn = (header: string | undefined, token: string, now: number) => find(header, { token, cookieName, now })

function begin({ token = TOKEN, nonce = 'a-nonce', isHttps = false } = {}) {
  const { session, cookie } = beginSession(token, { now: NOON, nonce, isHttps, cookieName })
  return { session, line: cookie, cookie: cookie.replace(/;.*/, '') }
}

describe('a session', () => {
  it('is known by its cookie for 12 hours, and then no longer', () => {
    const { session, cookie } = begin()
    expect(session.expiresAt).toBe(NOON + 12 * HOUR)
    expect(sessionIn(cookie, TOKEN, NOON + 12 * HOUR - 1)).toEqual(session)
    expect(sessionIn(cookie, TOKEN, NOON + 12 * HOUR)).toBeUndefined()
    // It was given while the clock was ahead.
    expect(sessionIn(cookie, TOKEN, NOON - 1)).toBeUndefined()
  })

  it('ends with its token', () => {
    expect(sessionIn(begin().cookie, 'shut-sesame', NOON)).toBeUndefined()
  })

  it('is found among other cookies, another gateway’s of the same name too', () => {
    const { session, cookie } = begin()
    const other = begin({ token: 'another', nonce: 'b' }).cookie
    expect(sessionIn(`theme=dark; ${other}; ${cookie};lang=en`, TOKEN, NOON)).toEqual(session)
  })

  it('is looked for in the first four cookies that may be one: anybody can send a head full of them', () => {
    const { cookie } = begin()
    const forged = (count: number) =>
      Array.from({ length: count }, (_, nonce) => begin({ token: 'another', nonce: String(nonce) }).cookie).join('; ')
    expect(sessionIn(`${forged(3)}; ${cookie}`, TOKEN, NOON)).toBeDefined()
    expect(sessionIn(`${forged(4)}; ${cookie}`, TOKEN, NOON)).toBeUndefined()
    expect(sessionIn(`silo_session_8081=1; ${forged(3)}; ${cookie}`, TOKEN, NOON)).toBeDefined()
  })

  it('cannot be made longer, or be any other than was begun', () => {
    const { cookie } = begin()
    const [claim = '', nonce = '', seal = ''] = cookie.replace('silo_session_8081=', '').split('.')
    const later = String(Number(claim) + HOUR)
    for (const made of [
      `${later}.${nonce}.${seal}`,
      `${claim}.other.${seal}`,
      `${claim}.${nonce}.${seal.replace(/.$/, (last) => (last === '0' ? '1' : '0'))}`,
      `${claim}.${nonce}.${seal.slice(1)}`,
      `${claim}.${nonce}.`,
      `${claim}${nonce}.${seal}`,
      `1e99.${nonce}.${seal}`,
    ]) {
      expect(sessionIn(`silo_session_8081=${made}`, TOKEN, NOON), made).toBeUndefined()
    }
    expect(sessionIn(undefined, TOKEN, NOON)).toBeUndefined()
    expect(sessionIn('silo_session_8081', TOKEN, NOON)).toBeUndefined()
  })

  it('shows a page a CSRF token that is not what the cookie holds, and another for each session', () => {
    const [one, other] = [begin(), begin({ nonce: 'another' })]
    expect(one.session.csrf).toMatch(/^[0-9a-f]{64}$/)
    expect(one.cookie).not.toContain(one.session.csrf)
    expect(other.session.csrf).not.toBe(one.session.csrf)
  })

  it('has a cookie that no script reads and no other site sends, and over https one that never goes without', () => {
    expect(begin().line).toMatch(/^silo_session_8081=[\w.-]+; HttpOnly; SameSite=Strict; Path=\/; Max-Age=43200$/)
    expect(begin({ isHttps: true }).line).toMatch(/; Secure$/)
  })
})
