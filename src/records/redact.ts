import type { IncomingHttpHeaders } from 'node:http'
import type { Disclosure, ReceivedWebhook } from '../provider.ts'

/** What a record shows of what was received. */
export interface Content {
  readonly headers: Readonly<Record<string, string>>
  /** JSON, also of a form; null where it is not shown. */
  readonly body: string | null
  /** Of the body as it was received. */
  readonly bytes: number
  /** The rest of the body is left out. */
  readonly cut: boolean
}

/** What is read of a body in order to leave its secrets out: half of it would not be known for what it is. */
const MOST_READ_BYTES = 65_536
/** What is shown of it, in characters. */
const MOST_SHOWN = 16_384
export const REDACTED = '[redacted]'
/** A shorter one may be any word: it is left out where it stands, and not looked for elsewhere. */
const SHORTEST_SECRET = 6
const DEEPEST = 200

/**
 * A webhook without its secrets: those fields that are named as secrets, their values wherever else they occur, and
 * whatever looks like one. A body that cannot be read is not shown.
 */
export function redacted({ headers, body }: ReceivedWebhook, disclosure: Disclosure): Content {
  const shown =
    body.length <= MOST_READ_BYTES ? redactedBody(body, headers['content-type'] ?? '', disclosure) : undefined
  return {
    headers: redactedHeaders(headers, disclosure),
    body: shown === undefined ? null : shown.slice(0, MOST_SHOWN).toWellFormed(),
    bytes: body.length,
    cut: shown !== undefined && shown.length > MOST_SHOWN,
  }
}

function redactedHeaders(headers: IncomingHttpHeaders, disclosure: Disclosure): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value = '']) => [
      name,
      disclosure.headers.has(name) ? String(value).replace(disclosure.secretText, REDACTED).slice(0, 1000) : REDACTED,
    ]),
  )
}

function redactedBody(body: Buffer, contentType: string, disclosure: Disclosure): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body)
    const value: unknown = /^\s*[{[]/.test(text) ? JSON.parse(text) : formIn(text, contentType)
    if (value === undefined) return undefined
    const secrets = new Set<string>()
    collect(value, disclosure.secretName, false, secrets, 0)
    // The longest first: one may be a part of another.
    const known = [...secrets].toSorted((a, b) => b.length - a.length)
    return JSON.stringify(without(value, disclosure, known, 0))
  } catch {
    return undefined
  }
}

function formIn(text: string, contentType: string): unknown {
  if (!/^application\/x-www-form-urlencoded\b/i.test(contentType)) return undefined
  const fields = Map.groupBy(new URLSearchParams(text), ([name]) => name)
  return Object.fromEntries(
    [...fields].map(([name, all]) => [name, all.length === 1 ? all[0]?.[1] : all.map((one) => one[1])]),
  )
}

/** Every text below a field that is named as a secret. */
function collect(value: unknown, secretName: RegExp, isSecret: boolean, into: Set<string>, depth: number): void {
  if (depth > DEEPEST) throw new RangeError('nested too deeply')
  if (typeof value === 'string') {
    if (isSecret && value.length >= SHORTEST_SECRET) into.add(value)
    const inner = jsonIn(value)
    if (inner !== undefined) collect(inner, secretName, isSecret, into, depth + 1)
  } else if (typeof value === 'number' && isSecret) {
    if (String(value).length >= SHORTEST_SECRET) into.add(String(value))
  } else if (Array.isArray(value)) {
    for (const item of value) collect(item, secretName, isSecret, into, depth + 1)
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      collect(item, secretName, isSecret || secretName.test(name), into, depth + 1)
    }
  }
}

function without(value: unknown, disclosure: Disclosure, secrets: readonly string[], depth: number): unknown {
  const next = (item: unknown): unknown => without(item, disclosure, secrets, depth + 1)
  if (typeof value === 'string') {
    const inner = jsonIn(value)
    return inner === undefined ? cleaned(value, disclosure, secrets) : next(inner)
  }
  if (typeof value === 'number') return secrets.includes(String(value)) ? REDACTED : value
  if (Array.isArray(value)) return value.map(next)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      cleaned(name, disclosure, secrets),
      disclosure.secretName.test(name) ? REDACTED : next(item),
    ]),
  )
}

/** JSON within a text, such as a form's `payload` or a view's `private_metadata`. */
function jsonIn(text: string): unknown {
  if (!/^\s*[{["]/.test(text)) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch {
    return undefined
  }
}

function cleaned(text: string, { secretText }: Disclosure, secrets: readonly string[]): string {
  let clean = text
  for (const secret of secrets) {
    for (const form of [secret, encodeURIComponent(secret.toWellFormed())]) clean = clean.replaceAll(form, REDACTED)
  }
  return clean.replace(secretText, REDACTED)
}
