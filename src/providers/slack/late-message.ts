import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'
import type { RegionReply } from '../../dispatch/region-result.ts'
import type { LateMessage } from '../../provider.ts'
import { decodeUtf8 } from './form.ts'
import { isObject } from './json.ts'
import { ephemeralMessage, TRY_AGAIN } from './reply.ts'

/** Bounds what a small compressed reply can blow up to. Slack's own limit for a message is far below. */
const MAX_DECODED_BYTES = 1_048_576

/**
 * What a region's late 2xx says, as Slack takes it at a response_url: a JSON object passes byte for byte, text becomes
 * `{"text": …}`. Undefined for everything else, so that nobody is shown a page, a list or bytes.
 */
export function lateMessage(reply: RegionReply): LateMessage | undefined {
  const body = decoded(reply)
  // A byte order mark is no part of JSON (RFC 8259 section 8.1), nor of what a user is to read.
  const text = body && decodeUtf8(body)?.replace(/^\uFEFF/, '')
  if (text === undefined) return undefined

  const value = parseJson(text)
  if (isObject(value)) return jsonMessage(text)
  if (Array.isArray(value)) return undefined
  const says = textOf(text, value, mediaType(reply))
  return says === undefined || says.trim() === '' ? undefined : jsonMessage(JSON.stringify({ text: says }))
}

/** What the control silo itself says to a user whose request did not come to an answer. */
export function apology(why: 'failed' | 'unknown'): LateMessage {
  const text =
    why === 'failed'
      ? TRY_AGAIN
      : 'It is not known whether this was completed. Please look before you try again: it may have been done.'
  return jsonMessage(JSON.stringify(ephemeralMessage(text)))
}

function jsonMessage(text: string): LateMessage {
  return { contentType: 'application/json; charset=utf-8', body: Buffer.from(text) }
}

/** `value` is the JSON that the text is, if it is any. */
function textOf(text: string, value: unknown, type: string): string | undefined {
  if (text.includes('\0')) return undefined
  if (type === 'application/json' || type.endsWith('+json')) return typeof value === 'string' ? value : undefined
  // Express and others say HTML of any text, a Bolt app's `ack('…')` among it: only markup makes a page of it.
  if (type === 'text/html') return hasMarkup(text) ? undefined : text
  // Bolt's own HTTP receiver says nothing at all.
  return type === '' || type.startsWith('text/') ? text : undefined
}

/** Told from what Slack puts in angle brackets: `<@U1>`, `<#C1>`, `<!here>`, `<https://…|…>`. */
function hasMarkup(text: string): boolean {
  return /<(?:!doctype\b|!--|\/?[a-z][a-z0-9-]*[\s/>])/i.test(text)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The body without its content coding (RFC 9110 section 8.4.1); undefined: there is none, or it cannot be read. */
function decoded(reply: RegionReply): Buffer | undefined {
  const codings = valuesOf(reply, 'content-encoding')
    .flatMap((value) => value.split(','))
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity')
  const [coding, another] = codings
  if (coding === undefined) return reply.body
  const decode = another === undefined ? decoders.get(coding) : undefined
  try {
    return decode?.(reply.body, { maxOutputLength: MAX_DECODED_BYTES })
  } catch {
    // Broken, cut off or too large: that the region answered is known, what it said is not.
    return undefined
  }
}

type Decoder = (body: Buffer, options: { maxOutputLength: number }) => Buffer

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['gzip', gunzipSync],
  ['x-gzip', gunzipSync],
  // Some servers leave out the zlib header that the standard wants; a deflate stream does not begin like one.
  ['deflate', (body, options) => (((body[0] ?? 0) & 15) === 8 ? inflateSync : inflateRawSync)(body, options)],
  ['br', brotliDecompressSync],
])

/** The media type in lower case, without parameters; empty where none is named, or two. */
function mediaType(reply: RegionReply): string {
  return valuesOf(reply, 'content-type').join().split(';')[0]?.trim().toLowerCase() ?? ''
}

function valuesOf({ rawHeaders }: RegionReply, lowerCaseName: string): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === lowerCaseName)
}
