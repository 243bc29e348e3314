import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { hmacSha256, type Mac } from './hmac.ts'
import { parseDictionary, serializeString, type BareItem } from './structured-fields.ts'

/** A key that the gateway shares with a region. */
export interface SigningKey {
  /** Letters, digits, `_`, `.` and `-`. */
  readonly id: string
  readonly secret: Uint8Array
}

/** The request as it stands on the wire, without its body: the digest stands for that. */
export interface ForwardedMessage {
  readonly method: string
  /** Path and query exactly as sent, the path prefix of a region's address included. */
  readonly target: string
  /** Flat name, value list; all of them are signed. */
  readonly siloHeaders: readonly string[]
  readonly digest: string
}

/** The signature that stands under our label, read but not verified. */
export interface ReceivedSignature {
  readonly components: readonly string[]
  /** Unix seconds. */
  readonly created: number
  readonly expires: number
  readonly nonce: string
  readonly keyId: string
  /** `@signature-params` as received. */
  readonly parameters: string
  readonly bytes: Buffer
}

/** RFC 9421 section 4: other labels belong to others. */
const label = 'silo'

const algorithm = 'hmac-sha256'

/** What every signature of ours covers, besides the `silo-*` headers. */
export const requiredComponents = ['@method', '@path', '@query', 'content-digest'] as const

/** RFC 9530, over the bytes as sent. */
export function contentDigest(body: Uint8Array): string {
  return `sha-256=:${hash('sha256', body, 'base64')}:`
}

/**
 * Signs a forwarded request by RFC 9421. Returns Content-Digest, Signature-Input and Signature as a flat name, value
 * list. `created` and `expires` are unix seconds, whole numbers; the nonce is printable ASCII and never used twice.
 */
export function signForwarded(
  message: ForwardedMessage,
  key: SigningKey,
  params: { created: number; expires: number; nonce: string },
): string[] {
  const { method, target, siloHeaders, digest } = message
  const { list, lineStarts } = coverageOf(siloHeaders)
  let base = `"@method": ${method}\n"@path": ${pathOf(target)}\n"@query": ${queryOf(target)}\n"content-digest": ${digest}`
  for (const [at, start] of lineStarts.entries()) base += start + (siloHeaders[2 * at + 1] ?? '')
  const { created, expires, nonce } = params
  const parameters = `(${list});created=${created};expires=${expires};nonce=${serializeString(nonce)};keyid=${serializeString(key.id)};alg="${algorithm}"`
  const signature = macOf(key)(`${base}\n"@signature-params": ${parameters}`, undefined, 'base64')
  return ['content-digest', digest, 'signature-input', `${label}=${parameters}`, 'signature', `${label}=:${signature}:`]
}

/** How the names of headers stand in a signature. */
interface Coverage {
  readonly names: readonly string[]
  readonly list: string
  readonly lineStarts: readonly string[]
}

let latest: Coverage = { names: [], list: requiredComponents.map(quoted).join(' '), lineStarts: [] }

/** The gateway's headers have the same names each time: to quote them anew was a third of what a signature allocates. */
function coverageOf(siloHeaders: readonly string[]): Coverage {
  const isLatest =
    siloHeaders.length === 2 * latest.names.length && latest.names.every((name, at) => name === siloHeaders[2 * at])
  if (isLatest) return latest
  const names = siloHeaders.filter((_, at) => at % 2 === 0)
  const lowerCase = names.map((name) => name.toLowerCase())
  latest = {
    names,
    list: [...requiredComponents, ...lowerCase].map(quoted).join(' '),
    lineStarts: lowerCase.map((name) => `\n${quoted(name)}: `),
  }
  return latest
}

function quoted(name: string): string {
  return `"${name}"`
}

const macs = new WeakMap<SigningKey, Mac>()

function macOf(key: SigningKey): Mac {
  const known = macs.get(key)
  if (known !== undefined) return known
  const mac = hmacSha256(key.secret)
  macs.set(key, mac)
  return mac
}

/**
 * Reads the two fields; undefined when neither speaks of our label. Throws `SyntaxError` when they are not what
 * RFC 9421 section 4 describes, or carry parameters that are not ours: an algorithm other than HMAC is never tried.
 */
export function readSignature(signatureInput: string, signature: string): ReceivedSignature | undefined {
  const input = parseDictionary(signatureInput).get(label)
  const value = parseDictionary(signature).get(label)
  if (input === undefined && value === undefined) return undefined
  if (input?.kind !== 'inner list' || value?.kind !== 'item' || value.value.kind !== 'bytes') {
    throw new SyntaxError('Signature and Signature-Input do not fit each other')
  }
  const components = input.items.map((item) => {
    // Component parameters (`;sf`, `;req`, …) change what is signed; the gateway sends none.
    if (item.value.kind !== 'string' || item.parameters.size > 0) throw new SyntaxError('Unsupported component')
    return item.value.value
  })
  if (new Set(components).size !== components.length) throw new SyntaxError('A component is covered twice')
  const { parameters } = input
  if (parameters.has('alg') && textOf(parameters.get('alg'), 'alg') !== algorithm) {
    throw new SyntaxError('Unsupported algorithm')
  }
  return {
    components,
    created: secondsOf(parameters.get('created'), 'created'),
    expires: secondsOf(parameters.get('expires'), 'expires'),
    nonce: textOf(parameters.get('nonce'), 'nonce'),
    keyId: textOf(parameters.get('keyid'), 'keyid'),
    parameters: input.text,
    bytes: value.value.value,
  }
}

/**
 * Whether the signature is this key's over this message. `field` gives the value of a lower-case header name; a covered
 * header that is not there, or a component we do not know, makes it false. Time, nonce and coverage are the caller's.
 */
export function isSignedBy(
  secret: Uint8Array,
  signature: ReceivedSignature,
  message: { method: string; target: string; field: (name: string) => string | undefined },
): boolean {
  let base = ''
  for (const component of signature.components) {
    const value = componentValue(component, message)
    // A line break inside a value would let one component speak for another.
    if (value === undefined || value.includes('\n') || value.includes('\r')) return false
    base += `"${component}": ${value}\n`
  }
  const expected = createHmac('sha256', secret).update(`${base}"@signature-params": ${signature.parameters}`).digest()
  return signature.bytes.length === expected.length && timingSafeEqual(signature.bytes, expected)
}

/** Whether a received Content-Digest names the SHA-256 of these bytes; digests by other algorithms are not looked at. */
export function digestMatches(received: string, body: Uint8Array): boolean {
  const digest = parseDictionary(received).get('sha-256')
  return (
    digest?.kind === 'item' &&
    digest.value.kind === 'bytes' &&
    digest.value.value.equals(hash('sha256', body, 'buffer'))
  )
}

function componentValue(
  component: string,
  message: { method: string; target: string; field: (name: string) => string | undefined },
): string | undefined {
  switch (component) {
    case '@method':
      return message.method
    case '@path':
      return pathOf(message.target)
    case '@query':
      return queryOf(message.target)
    default:
      return component.startsWith('@') ? undefined : message.field(component)
  }
}

/** RFC 9421 section 2.2.6: an empty path is `/`. */
function pathOf(target: string): string {
  const mark = target.indexOf('?')
  return (mark === -1 ? target : target.slice(0, mark)) || '/'
}

/** RFC 9421 section 2.2.7: with its question mark, which stands alone where there is no query. */
function queryOf(target: string): string {
  const mark = target.indexOf('?')
  return mark === -1 ? '?' : target.slice(mark)
}

function secondsOf(item: BareItem | undefined, name: string): number {
  if (item?.kind !== 'integer') throw new SyntaxError(`The signature needs ${name} in whole seconds`)
  return item.value
}

function textOf(item: BareItem | undefined, name: string): string {
  if (item?.kind !== 'string' || item.value === '') throw new SyntaxError(`The signature needs ${name} as a text`)
  return item.value
}
