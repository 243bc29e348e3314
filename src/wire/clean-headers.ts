/** RFC 9110 section 7.6.1, and what older proxies still send: these belong to one connection, not to the message. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Host, Content-Length and Expect are ours to set towards the region. The rest are words the region believes because
 * the gateway says them, so nobody else may.
 */
const neverInwards: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'expect',
  'forwarded',
  'signature',
  'signature-input',
  'content-digest',
  'idempotency-key',
  'x-request-id',
])

/** Content-Length: the gateway knows the length of what it sends. The rest describe the inside. */
const neverOutwards: ReadonlySet<string> = new Set(['content-length', 'server', 'x-powered-by'])

/**
 * The caller's headers that a region may see, in the order and as often as they came. Nothing is added. Headers are
 * flat name, value lists on both sides. `traceparent` passes if it stands there once and is valid, `tracestate` only
 * beside it (W3C Trace Context section 3.2.2 and 3.3).
 */
export function headersForRegion(rawHeaders: readonly string[], options: { cookies: boolean }): string[] {
  const ofTheConnection = namedByConnection(rawHeaders)
  const traced = oneTraceparent(rawHeaders, ofTheConnection) !== undefined
  return kept(rawHeaders, (name) => {
    if (ofTheConnection.size > 0 && ofTheConnection.has(asRead(name))) return false
    switch (passage(name)) {
      case 'always':
        return true
      case 'never':
        return false
      case 'with cookies':
        return options.cookies
      case 'with a trace':
        return traced
    }
  })
}

type Passage = 'always' | 'never' | 'with cookies' | 'with a trace'

/** By a name as it is spelled: a provider's requests have a dozen or two. With so many of them, others are found each time. */
const passages = new Map<string, Passage>()
const MOST_PASSAGES = 500

function passage(spelled: string): Passage {
  const known = passages.get(spelled)
  if (known !== undefined) return known
  const found = passageOf(asRead(spelled))
  if (passages.size < MOST_PASSAGES) passages.set(spelled, found)
  return found
}

function passageOf(name: string): Passage {
  if (hopByHop.has(name) || neverInwards.has(name)) return 'never'
  if (name === 'cookie') return 'with cookies'
  if (name === 'traceparent' || name === 'tracestate') return 'with a trace'
  return name.startsWith('silo-') || name.startsWith('x-forwarded-') ? 'never' : 'always'
}

/** To whatever reads headers as CGI variables (RFC 3875 section 4.1.18, WSGI) `Silo_Region` is `Silo-Region`. */
function asRead(spelled: string): string {
  return spelled.toLowerCase().replaceAll('_', '-')
}

/**
 * A region's headers that the caller may see. A `Location` on the region's own address becomes relative to the gateway
 * and loses the address's path prefix; one that leads elsewhere passes as it is.
 */
export function headersForCaller(rawHeaders: readonly string[], options: { cookies: boolean; address: URL }): string[] {
  const ofTheConnection = namedByConnection(rawHeaders)
  const headers = kept(rawHeaders, (spelled) => {
    const name = spelled.toLowerCase()
    if (hopByHop.has(name) || ofTheConnection.has(asRead(name)) || neverOutwards.has(name)) return false
    if (name === 'set-cookie') return options.cookies
    return !name.startsWith('silo-') && !isProxyUrl(name)
  })
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() === 'location') headers[i + 1] = fromOutside(headers[i + 1] ?? '', options.address)
  }
  return headers
}

/** The caller's `traceparent`, where it would pass on to a region. */
export function traceparentIn(rawHeaders: readonly string[]): string | undefined {
  return oneTraceparent(rawHeaders, namedByConnection(rawHeaders))
}

/** W3C Trace Context section 3.2. Versions above 00 may carry more fields behind the known ones; ff is not one. */
export function isValidTraceparent(value: string): boolean {
  if (value.length !== 55 && value.startsWith('00')) return false
  return /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/.test(value)
}

const noNames: ReadonlySet<string> = new Set()

function kept(rawHeaders: readonly string[], keeps: (name: string) => boolean): string[] {
  const headers: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (keeps(name)) headers.push(name, rawHeaders[i + 1] ?? '')
  }
  return headers
}

function namedByConnection(rawHeaders: readonly string[]): ReadonlySet<string> {
  const values = valuesOf(rawHeaders, 'connection')
  // What nearly every connection says, where it says anything, names a header that never passes.
  if (values.every((value) => value === 'keep-alive')) return noNames
  const names = new Set<string>()
  for (const value of values) {
    for (const name of value.split(',')) names.add(asRead(name.trim()))
  }
  return names
}

function oneTraceparent(rawHeaders: readonly string[], ofTheConnection: ReadonlySet<string>): string | undefined {
  const [value, another] = valuesOf(rawHeaders, 'traceparent')
  if (value === undefined || another !== undefined || ofTheConnection.has('traceparent')) return undefined
  return isValidTraceparent(value) ? value : undefined
}

function valuesOf(rawHeaders: readonly string[], lowerCaseName: string): string[] {
  const values: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (name.length === lowerCaseName.length && name.toLowerCase() === lowerCaseName)
      values.push(rawHeaders[i + 1] ?? '')
  }
  return values
}

/** `X-*-Proxy-Url`: product backends tell their own proxies there where to go on. */
function isProxyUrl(name: string): boolean {
  return name.length > 'x--proxy-url'.length && name.startsWith('x-') && name.endsWith('-proxy-url')
}

function fromOutside(location: string, address: URL): string {
  const prefix = address.pathname.endsWith('/') ? address.pathname.slice(0, -1) : address.pathname
  const isRooted = location.startsWith('/') && !location.startsWith('//')
  if (isRooted ? prefix === '' : !/^(?:https?:|\/\/)/i.test(location)) return location
  const target = URL.parse(location, address)
  // Hosts are compared, not origins: behind a TLS terminator a region takes itself for http, and it is still itself.
  if (target === null || target.host !== address.host) return location
  const { pathname } = target
  const isUnderPrefix = prefix !== '' && (pathname === prefix || pathname.startsWith(`${prefix}/`))
  const path = (isUnderPrefix ? pathname.slice(prefix.length) : pathname) || '/'
  // A path that begins with two slashes would be read as another host: an open redirect out of a harmless one.
  return `${path.startsWith('//') ? '/.' : ''}${path}${target.search}${target.hash}`
}
