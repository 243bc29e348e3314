import type { FailedReason } from './region-result.ts'

/** Codes of node:net, node:dns, node:tls and undici while there is no connection yet. */
const unsent: ReadonlyMap<string, FailedReason> = new Map([
  ['ECONNREFUSED', 'connect_refused'],
  ['ETIMEDOUT', 'connect_timeout'],
  ['UND_ERR_CONNECT_TIMEOUT', 'connect_timeout'],
  ['ENOTFOUND', 'dns_failed'],
  ['EAI_AGAIN', 'dns_failed'],
  ['EAI_FAIL', 'dns_failed'],
  ['EPROTO', 'tls_failed'],
  // We could not even write the request: a header or a path that HTTP does not allow.
  ['UND_ERR_INVALID_ARG', 'invalid_request'],
])

/** What ends a connection that stood; anything else there is a reply that made no sense. */
const broken: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EPROTO',
  'UND_ERR_SOCKET',
])

const certificateTrouble = /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_CA|HOSTNAME_MISMATCH)/

/**
 * Why a call failed. The same code means different things before and after the request was sent, and only what was
 * never sent may be sent again: so that is what the reason is chosen by first.
 */
export function failureReason(error: Error, { sent }: { sent: boolean }): FailedReason {
  const code = codeOf(error)
  if (sent) return broken.has(code) ? 'connection_reset' : 'invalid_response'
  return unsent.get(code) ?? (certificateTrouble.test(code) ? 'tls_failed' : 'connect_failed')
}

/** What an operator can look up; of an error without a code its name. Never the message: it may name an address. */
export function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
