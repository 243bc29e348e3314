import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { Ids } from '../ids.ts'
import type { Alarms } from '../telemetry/alarm.ts'
import { isoTime } from './fields.ts'
import { admit, bySession, unauthorized, type Caller } from './guard.ts'
import { isSame } from './is-same.ts'
import { createLoginLimit } from './login-limit.ts'
import { route, type Route } from './route.ts'
import { beginSession, endSession } from './session.ts'

export interface SessionRoutesParts {
  readonly settings: () => { readonly ADMIN_TOKEN?: string | undefined }
  readonly clock: Clock
  readonly ids: Pick<Ids, 'nonce'>
  readonly alarms: Alarms
  readonly version: string
  readonly demo: boolean
}

const sessionOut = z.object({
  login: z.enum(['none', 'token']).describe('Whether ADMIN_TOKEN is set: without it, loopback needs no login.'),
  authenticated: z.boolean(),
  author: z.string().nullable().describe('Who asks, as the audit names them.'),
  csrf: z.string().nullable().describe('What a session’s writes need as X-CSRF-Token; null without a session.'),
  expires_at: isoTime.nullable().describe('When the session ends; null without one.'),
  version: z.string(),
  demo: z.boolean(),
})

export type SessionNow = z.output<typeof sessionOut>

const cookieSet = { 'Set-Cookie': 'The session, for 12 hours' } as const
const noCookie = { 'Set-Cookie': 'Takes the session’s cookie away' } as const

/** What turns the token into a session of the console. Each is open: it is how one gets in. */
export function sessionRoutes({ settings, clock, ids, alarms, version, demo }: SessionRoutesParts): Route[] {
  const path = '/api/session'
  const limit = createLoginLimit(clock)

  /** Whoever guesses is to be seen, and not to fill the log. */
  const warn = (what: string, { address, named }: Caller, message: string): void =>
    alarms.raise('warn', `${what} ${address}`, { from: named }, message)

  const describe = ({ author, session }: Pick<Caller, 'author' | 'session'>): SessionNow => ({
    login: settings().ADMIN_TOKEN === undefined ? 'none' : 'token',
    authenticated: author !== undefined,
    author: author ?? null,
    csrf: session?.csrf ?? null,
    expires_at: session === undefined ? null : new Date(session.expiresAt).toISOString(),
    version,
    demo,
  })

  return [
    route({
      method: 'get',
      path,
      summary: 'Whether whoever asks is let in, and by what',
      writes: false,
      open: true,
      responses: { 200: { description: 'How it stands', body: sessionOut } },
      handle: ({ caller }) => ({ status: 200, body: describe(caller) }),
    }),
    route({
      method: 'post',
      path,
      summary: 'Begins a session, for a browser to hold in place of the token',
      writes: false,
      open: true,
      body: z.strictObject({ token: z.string() }),
      // Many times a token, and little enough to be read from anybody.
      bodyLimit: 16_384,
      responses: { 200: { description: 'How it stands now', body: sessionOut, headers: cookieSet } },
      problems: ['unauthorized', 'too_many_attempts'],
      handle({ body, caller }) {
        const { ADMIN_TOKEN: token } = settings()
        if (token === undefined) {
          if (caller.author === undefined) throw unauthorized()
          return { status: 200, body: describe(caller) }
        }
        const waitMs = limit.take(caller.address)
        if (waitMs > 0) {
          warn('refused', caller, 'Too many wrong tokens are tried at the console’s login')
          throw new Refusal('too_many_attempts', 'Too many wrong tokens came from this address: wait a moment.', {
            headers: { 'Retry-After': String(Math.ceil(waitMs / 1000)) },
          })
        }
        if (!isSame(body.token, token)) {
          warn('wrong', caller, 'A wrong token was tried at the console’s login')
          throw unauthorized()
        }
        limit.forget(caller.address)
        const { isHttps, cookieName } = caller
        const { session, cookie } = beginSession(token, { now: clock.now(), nonce: ids.nonce(), isHttps, cookieName })
        return {
          status: 200,
          headers: { 'Set-Cookie': cookie },
          body: describe({ author: bySession(caller.named), session }),
        }
      },
    }),
    route({
      method: 'delete',
      path,
      summary: 'Ends the session, as far as the browser holds it',
      writes: false,
      open: true,
      responses: { 204: { description: 'The browser holds none any more', headers: noCookie } },
      problems: ['csrf'],
      handle({ headers, caller }) {
        if (caller.session !== undefined) admit({ method: 'DELETE', headers }, caller)
        return { status: 204, headers: { 'Set-Cookie': endSession(caller) } }
      },
    }),
  ]
}
