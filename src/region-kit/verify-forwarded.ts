import { readEnvelope } from '../wire/envelope.ts'
import {
  digestMatches,
  isSignedBy,
  readSignature,
  requiredComponents,
  type ReceivedSignature,
} from '../wire/signature.ts'
import { readSigningKeys, signingKeysOf } from '../wire/signing-keys.ts'

/** What the gateway says about a request, once it is sure that the gateway said it. */
export interface ForwardedRecord {
  /** The same on every attempt and for every region. */
  readonly delivery: string
  readonly integration: string
  /** The organizations of this region that are meant; `'*'`: too many to name, look them up by the integration. */
  readonly organizations: string[] | '*'
  /** 1, 2, … */
  readonly attempt: number
  /** Milliseconds that were left when the request was sent. */
  readonly deadline: number
  /** Unix milliseconds. */
  readonly receivedAt: number
}

/** Node's `req.headers` or `req.headersDistinct`, or anything that lists pairs, such as a Fetch `Headers`. */
export type ForwardedMessageHeaders =
  | Iterable<readonly [name: string, value: string]>
  | { readonly [name: string]: string | readonly string[] | undefined }

/** Where used nonces are kept; a `Set` is one, though it never forgets. */
export interface SeenNonces {
  has(nonce: string): boolean
  add(nonce: string): unknown
}

/** How far the time of a signature may be from ours, either way: Slack's own window, wide enough for drifting clocks. */
export const freshnessSeconds = 300

/** Secrets by key id, as bytes or base64; or the text of `REGION_SIGNING_KEYS`, `id:base64secret, …`. */
export type SigningKeys = string | { readonly [id: string]: string | Uint8Array }

export interface VerifyOptions {
  readonly keys: SigningKeys
  /** The name of this region in the gateway's regions.yaml. */
  readonly region: string
  /** Where used nonces are kept. Without it `verifyForwarded` does not notice a replay. */
  readonly seen?: SeenNonces
  /** Unix milliseconds. */
  readonly now?: number | (() => number)
}

/** Stable; what each one means stands beside it. */
const meanings = {
  signature_missing: 'The request carries no signature of the gateway',
  signature_malformed: 'The signature is not one that the gateway writes',
  unknown_key: 'The signature names a key that is not known here',
  uncovered_component: 'The signature does not cover everything it must',
  signature_invalid: 'The signature does not fit the request',
  digest_mismatch: 'The body is not the one that was signed',
  stale: 'The signature is too old',
  future: 'The signature is from the future',
  expired: 'The signature has expired',
  envelope_malformed: 'A Silo header is missing or malformed',
  wrong_region: 'The request is meant for another region',
  replayed: 'The request has been seen before',
} as const

export type ForwardedRequestErrorCode = keyof typeof meanings

/** The request did not come from the gateway to this region as it stands; `code` says how that shows. */
export class ForwardedRequestError extends Error {
  override readonly name = 'ForwardedRequestError'
  readonly code: ForwardedRequestErrorCode

  constructor(code: ForwardedRequestErrorCode) {
    super(meanings[code])
    this.code = code
  }
}

/**
 * Verifies that the gateway sent this request to this region, as it stands and just now: signature (RFC 9421), digest
 * (RFC 9530), 300 s of freshness both ways, region, and with `seen` that it comes for the first time. Returns the
 * gateway's record, throws `ForwardedRequestError`; `TypeError` when the options are not usable.
 *
 * `url` is path and query as received, before any rewriting, or an absolute URL; `body` the bytes as received.
 */
export function verifyForwarded(
  request: { method: string; url: string; headers: ForwardedMessageHeaders; body: Uint8Array | string },
  options: VerifyOptions,
): ForwardedRecord {
  return verifierFor(options)(request)
}

/** `verifyForwarded` with its options read once. */
export function verifierFor(
  options: VerifyOptions,
): (request: Parameters<typeof verifyForwarded>[0]) => ForwardedRecord {
  const { region, seen, now = Date.now } = options
  const secrets = secretsById(options.keys)
  if (typeof region !== 'string' || region === '') throw new TypeError('The region needs its name')

  // The signature is judged before anything it covers, so that every later code speaks of the gateway's own words; the
  // nonce last, so that only a request that is good in all else can use one up.
  return ({ method, url, headers, body }) => {
    const fields = fieldsOf(headers)
    const field = (name: string) => fields.get(name)?.join(', ')
    const signature = signatureOf(fields)
    const secret = secrets.get(signature.keyId)
    if (secret === undefined) throw new ForwardedRequestError('unknown_key')
    checkCoverage(signature, fields)
    if (!isSignedBy(secret, signature, { method, target: targetOf(url), field })) {
      throw new ForwardedRequestError('signature_invalid')
    }
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    if (!orMalformed(() => digestMatches(field('content-digest') ?? '', bytes))) {
      throw new ForwardedRequestError('digest_mismatch')
    }
    checkFreshness(signature, Math.floor((typeof now === 'number' ? now : now()) / 1000))
    const envelope = readEnvelope(field)
    if (envelope === undefined) throw new ForwardedRequestError('envelope_malformed')
    if (envelope.region !== region) throw new ForwardedRequestError('wrong_region')
    // A key id has no spaces, so no two pairs share a text, and no key can use up another key's nonces.
    const nonce = `${signature.keyId} ${signature.nonce}`
    if (seen?.has(nonce)) throw new ForwardedRequestError('replayed')
    seen?.add(nonce)
    const { delivery, integration, organizations, attempt, deadlineMs, receivedAt } = envelope
    return { delivery, integration, organizations, attempt, deadline: deadlineMs, receivedAt }
  }
}

function secretsById(keys: SigningKeys): ReadonlyMap<string, Uint8Array> {
  const read = typeof keys === 'string' ? readSigningKeys(keys) : signingKeysOf(Object.entries(keys))
  const [fault] = read.faults
  if (fault !== undefined) throw new TypeError(`Of the signing keys, entry ${fault.entry} ${fault.reason}`)
  if (read.keys.length === 0) throw new TypeError('At least one signing key is needed')
  return new Map(read.keys.map((key) => [key.id, key.secret]))
}

/** Values by lower-case name; names that differ in case only are the same field. */
function fieldsOf(headers: ForwardedMessageHeaders): ReadonlyMap<string, string[]> {
  const fields = new Map<string, string[]>()
  const pairs = Symbol.iterator in headers ? headers : Object.entries(headers)
  for (const [name, value] of pairs) {
    if (value === undefined) continue
    const values = (typeof value === 'string' ? [value] : value).map((line) => line.trim())
    const key = name.toLowerCase()
    fields.set(key, [...(fields.get(key) ?? []), ...values])
  }
  return fields
}

function signatureOf(fields: ReadonlyMap<string, string[]>): ReceivedSignature {
  for (const [name, values] of fields) {
    // The gateway writes each of these once. A second one is somebody else's, and two readers may pick different ones.
    if (values.length > 1 && isGatewayField(name)) throw new ForwardedRequestError('signature_malformed')
  }
  const [input] = fields.get('signature-input') ?? []
  const [value] = fields.get('signature') ?? []
  if (input === undefined && value === undefined) throw new ForwardedRequestError('signature_missing')
  const signature = orMalformed(() => readSignature(input ?? '', value ?? ''))
  if (signature === undefined) throw new ForwardedRequestError('signature_missing')
  return signature
}

function isGatewayField(name: string): boolean {
  return name === 'signature' || name === 'signature-input' || name === 'content-digest' || name.startsWith('silo-')
}

function orMalformed<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof SyntaxError) throw new ForwardedRequestError('signature_malformed')
    throw error
  }
}

/** A `silo-*` header that is there and not covered was put there by somebody on the way. */
function checkCoverage(signature: ReceivedSignature, fields: ReadonlyMap<string, string[]>): void {
  const covered = new Set(signature.components)
  const required = [...requiredComponents, ...[...fields.keys()].filter((name) => name.startsWith('silo-'))]
  if (!required.every((name) => covered.has(name))) throw new ForwardedRequestError('uncovered_component')
}

function checkFreshness(signature: ReceivedSignature, nowSeconds: number): void {
  if (nowSeconds - signature.created > freshnessSeconds) throw new ForwardedRequestError('stale')
  if (signature.created - nowSeconds > freshnessSeconds) throw new ForwardedRequestError('future')
  if (nowSeconds > signature.expires) throw new ForwardedRequestError('expired')
}

/** Path and query as they stood on the wire; not through `URL`, which would rewrite them. */
function targetOf(url: string): string {
  const scheme = /^https?:\/\/[^/?#]*/i.exec(url)
  if (scheme === null) return url
  const rest = url.slice(scheme[0].length)
  const fragment = rest.indexOf('#')
  return fragment === -1 ? rest : rest.slice(0, fragment)
}
