import type { IncomingMessage } from 'node:http'
import { hostname } from 'node:os'
import { describe, expect, it } from 'vitest'
import { admit, callerOf } from '../../../src/admin/guard.ts'

type Settings = Parameters<typeof callerOf>[1]

/** A request as a socket of any interface would have it; servers of tests listen on loopback only. */
function ask(settings: Partial<Settings>, headers: Record<string, string>, here = '10.0.0.7', there = '10.0.0.9') {
  const headersDistinct = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]))
  const fields = { method: 'GET', headers, headersDistinct, socket: { localAddress: here, remoteAddress: there } }
  const request = fields as unknown as IncomingMessage
  const caller = callerOf(
    request,
    {
      ADMIN_HOST: '0.0.0.0',
      ADMIN_TOKEN: undefined,
      TRUSTED_PROXIES: { ranges: [], trusts: () => false },
      IDENTITY_HEADER: 'X-Forwarded-User',
      ...settings,
    },
    0,
  )
  return admit(request, caller)
}

const withToken = { ADMIN_TOKEN: 'open-sesame' }
const authorization = 'bearer open-sesame'

describe('the admin API on an interface that others reach', () => {
  it('is closed where there is no token', () => {
    expect(() => ask({}, { host: '10.0.0.7' })).toThrow(expect.objectContaining({ code: 'unauthorized' }))
  })

  it('is open with the token, to whichever spelling of its scheme', () => {
    expect(ask(withToken, { host: '10.0.0.7', authorization })).toBe('admin token from 10.0.0.9')
  })

  it.each(['gateway.internal', 'GATEWAY.internal:8081', hostname(), '10.0.0.7:8081'])('is reached as %s', (host) => {
    const settings = { ...withToken, ADMIN_HOST: 'Gateway.internal' }
    expect(ask(settings, { host, authorization })).toBe('admin token from 10.0.0.9')
  })

  it('is reached by its own address, and by no other, before there is a token', () => {
    const code = (host: string) => {
      try {
        return ask({}, { host })
      } catch (error) {
        return error
      }
    }
    expect(code('10.0.0.7')).toMatchObject({ code: 'unauthorized' })
    expect(code('10.0.0.8')).toMatchObject({ code: 'foreign_host' })
  })
})

describe('who asks', () => {
  it('has one address, whichever family the socket is of', () => {
    const [here, there, loopback] = ['::ffff:10.0.0.7', '::ffff:10.0.0.9', '::ffff:127.0.0.1'] as const
    expect(ask(withToken, { host: '10.0.0.7', authorization }, here, there)).toBe('admin token from 10.0.0.9')
    expect(ask({}, { host: 'localhost' }, loopback, loopback)).toBe('loopback 127.0.0.1')
  })

  it('is named in one line of what can be seen, however a proxy names them', () => {
    const settings = { ...withToken, TRUSTED_PROXIES: { ranges: [], trusts: () => true } }
    const headers = { host: '10.0.0.7', authorization, 'x-forwarded-user': `jane\u202e\n${'e'.repeat(300)}` }
    expect(ask(settings, headers)).toBe(`admin token from 10.0.0.9 (jane??${'e'.repeat(194)})`)
  })
})
