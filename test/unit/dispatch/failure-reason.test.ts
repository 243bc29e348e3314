import { describe, expect, it } from 'vitest'
import { failureReason } from '../../../src/dispatch/failure-reason.ts'

const withCode = (code: unknown) => Object.assign(new Error('it failed'), { code })

describe('the reason for a call that was never sent', () => {
  it.each([
    ['ECONNREFUSED', 'connect_refused'],
    ['EHOSTUNREACH', 'connect_failed'],
    ['ENETUNREACH', 'connect_failed'],
    ['EADDRNOTAVAIL', 'connect_failed'],
    ['EMFILE', 'connect_failed'],
    ['ETIMEDOUT', 'connect_timeout'],
    ['UND_ERR_CONNECT_TIMEOUT', 'connect_timeout'],
    ['ECONNRESET', 'connect_failed'],
    ['UND_ERR_SOCKET', 'connect_failed'],
    ['ENOTFOUND', 'dns_failed'],
    ['EAI_AGAIN', 'dns_failed'],
    ['EAI_FAIL', 'dns_failed'],
    ['EPROTO', 'tls_failed'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls_failed'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls_failed'],
    ['CERT_HAS_EXPIRED', 'tls_failed'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls_failed'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'tls_failed'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls_failed'],
    ['INVALID_CA', 'tls_failed'],
    ['HOSTNAME_MISMATCH', 'tls_failed'],
    ['UND_ERR_INVALID_ARG', 'invalid_request'],
  ])('%s is %s', (code, reason) => {
    expect(failureReason(withCode(code), { sent: false })).toBe(reason)
  })

  it('is connect_failed where a code only ends like one of a certificate', () => {
    expect(failureReason(withCode('MY_CERT_HAS_EXPIRED'), { sent: false })).toBe('connect_failed')
  })

  it('takes no code for a word that every object has', () => {
    expect(failureReason(withCode('constructor'), { sent: false })).toBe('connect_failed')
  })
})

describe('the reason for a call that failed once it was sent', () => {
  it.each(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EPROTO', 'UND_ERR_SOCKET'])(
    'is connection_reset for %s: the connection stood',
    (code) => {
      expect(failureReason(withCode(code), { sent: true })).toBe('connection_reset')
    },
  )

  it.each([
    'HPE_INVALID_CONSTANT',
    'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
    'ECONNREFUSED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ])('is invalid_response for %s', (code) => {
    expect(failureReason(withCode(code), { sent: true })).toBe('invalid_response')
  })

  it.each([
    ['no code', new Error('it failed')],
    ['a number for a code', withCode(7)],
  ])('is invalid_response for %s', (_, error) => {
    expect(failureReason(error, { sent: true })).toBe('invalid_response')
  })
})
