import type { FailedReason } from './region-result.ts'

/** The code of an error from undici, node:net, node:tls or node:dns, in the words of the contract. */
const reasons: ReadonlyMap<string, FailedReason> = new Map([
  ['ECONNREFUSED', 'connect_refused'],
  ['EHOSTUNREACH', 'connect_failed'],
  ['ENETUNREACH', 'connect_failed'],
  ['EADDRNOTAVAIL', 'connect_failed'],
  ['EMFILE', 'connect_failed'],
  ['ETIMEDOUT', 'connect_timeout'],
  ['UND_ERR_CONNECT_TIMEOUT', 'connect_timeout'],
  ['ECONNRESET', 'connection_reset'],
  ['EPIPE', 'connection_reset'],
  ['UND_ERR_SOCKET', 'connection_reset'],
  ['ENOTFOUND', 'dns_failed'],
  ['EAI_AGAIN', 'dns_failed'],
  ['EAI_FAIL', 'dns_failed'],
  ['EPROTO', 'tls_failed'],
  // We could not even write the request: a header or a path that HTTP does not allow.
  ['UND_ERR_INVALID_ARG', 'invalid_request'],
])

const certificateTrouble = /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_CA|HOSTNAME_MISMATCH)/

/** Why a call failed. What no rule knows is `invalid_response`: the connection stood, what came back made no sense. */
export function failureReason(error: Error): FailedReason {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return reasons.get(code) ?? (certificateTrouble.test(code) ? 'tls_failed' : 'invalid_response')
}
