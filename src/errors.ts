import { isSuccess, reasonOf, type RegionResult } from './dispatch/region-result.ts'

/** Every error a caller can meet: its stable code, the step that raises it, and the HTTP status it becomes. */
export const catalogue = {
  malformed_http: { status: 400, stage: 'receive', title: 'The request is not HTTP' },
  headers_too_large: { status: 431, stage: 'receive', title: 'The headers are too large' },
  headers_timeout: { status: 408, stage: 'receive', title: 'The headers did not arrive in time' },
  expectation_failed: { status: 417, stage: 'receive', title: 'Only 100-continue can be expected' },
  not_found: { status: 404, stage: 'receive', title: 'Nothing lives at this path' },
  method_not_allowed: { status: 405, stage: 'receive', title: 'This path does not take this method' },
  unsupported_content_encoding: { status: 415, stage: 'receive', title: 'The body must not be compressed' },
  body_too_large: { status: 413, stage: 'receive', title: 'The body is too large' },
  body_timeout: { status: 408, stage: 'receive', title: 'The body did not arrive in time' },
  raw_body_consumed: {
    status: 500,
    stage: 'receive',
    title: 'The host application read the body before the gateway could',
  },
  shutting_down: { status: 503, stage: 'receive', title: 'The gateway is shutting down' },
  invalid_signature: { status: 401, stage: 'identify', title: 'The request is not signed by the provider' },
  malformed_request: { status: 400, stage: 'identify', title: 'The body is not what this path takes' },
  no_installation_named: { status: 400, stage: 'identify', title: 'The request names no workspace or enterprise' },
  invalid_page_token: { status: 400, stage: 'identify', title: 'This link is not valid or has expired' },
  not_signed_in: { status: 401, stage: 'identify', title: 'Nobody is signed in' },
  unknown_integration: { status: 400, stage: 'resolve', title: 'No integration is known for this installation' },
  rate_limited: { status: 429, stage: 'resolve', title: 'This installation has sent too much' },
  shed: { status: 429, stage: 'resolve', title: 'Events are not taken for now' },
  silo_client_error: { status: 502, stage: 'dispatch', title: 'No region could answer' },
  starting: { status: 503, stage: 'admin', title: 'The gateway is starting' },
  unauthorized: { status: 401, stage: 'admin', title: 'The admin API needs its token' },
  foreign_host: { status: 403, stage: 'admin', title: 'This host name is not the admin listener' },
  foreign_origin: { status: 403, stage: 'admin', title: 'Another origin may not use the admin API' },
  csrf: { status: 403, stage: 'admin', title: 'A session writes with its CSRF token only' },
  too_many_attempts: { status: 429, stage: 'admin', title: 'Too many wrong tokens came from this address' },
  unsupported_media_type: { status: 415, stage: 'admin', title: 'The admin API takes JSON' },
  invalid_request: { status: 400, stage: 'admin', title: 'The request is not what this route takes' },
  precondition_failed: { status: 412, stage: 'admin', title: 'The row is not as the request expects it' },
  conflict: { status: 409, stage: 'admin', title: 'The change contradicts what is there' },
  store_unavailable: { status: 503, stage: 'admin', title: 'The database cannot be asked' },
  internal_error: { status: 500, stage: 'respond', title: 'The gateway failed' },
} as const satisfies Record<string, { status: number; stage: string; title: string }>

export type ErrorCode = keyof typeof catalogue

/** Something that is wrong with a request, and where in it: the way to it, in dots. */
export interface Fault {
  readonly path: string
  readonly message: string
}

/** The request ends here, with the catalogue's status. `detail` is shown to the caller, so it names nothing internal. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: Exclude<ErrorCode, 'silo_client_error'>
  readonly headers: Readonly<Record<string, string>>
  /** True where the rest of the request is not worth reading: the connection closes after the answer. */
  readonly close: boolean
  /** Each fault by itself, where there may be several. */
  readonly errors: readonly Fault[]

  constructor(
    code: Exclude<ErrorCode, 'silo_client_error'>,
    detail: string,
    options: {
      headers?: Record<string, string>
      close?: boolean
      errors?: readonly Fault[]
      cause?: unknown
    } = {},
  ) {
    super(detail, { cause: options.cause })
    this.code = code
    this.headers = options.headers ?? {}
    this.close = options.close ?? false
    this.errors = options.errors ?? []
  }
}

/**
 * No region gave an answer that can be passed on. `results` holds one entry per planned region; it is empty when the
 * directory could not say which regions to ask. Status: 504 when every region timed out, 503 when none could be
 * tried, 502 otherwise.
 */
export class SiloClientError extends Error {
  override readonly name = 'SiloClientError'
  readonly code = 'silo_client_error'
  readonly status: 502 | 503 | 504
  readonly results: readonly RegionResult[]

  /**
   * `status`: where what failed in the end is not the regions but the gateway's own store. `why`: where there are no
   * results, and not because of the directory.
   */
  constructor(results: readonly RegionResult[], options: { status?: 503; why?: string; cause?: unknown } = {}) {
    const { why = 'The directory could not be asked', cause } = options
    const reasons = failed(results).map((result) => `${result.region}: ${reasonOf(result)}`)
    super(reasons.length > 0 ? `No region could answer (${reasons.join(', ')})` : why, { cause })
    this.results = results
    this.status = options.status ?? statusFor(results)
  }

  /** Region name to reason of those that failed, as it stands in the problem document. */
  get regions(): Record<string, string> {
    return Object.fromEntries(failed(this.results).map((result) => [result.region, reasonOf(result)]))
  }
}

/** Without those that have taken it, or will: of an event that must reach several regions one may fail by itself. */
function failed(results: readonly RegionResult[]): RegionResult[] {
  return results.filter((result) => result.kind !== 'spooled' && !isSuccess(result))
}

function statusFor(results: readonly RegionResult[]): 502 | 503 | 504 {
  if (results.every((result) => result.kind === 'refused')) return 503
  if (results.every((result) => result.kind === 'timed_out')) return 504
  return 502
}
