/** A bare item of RFC 8941. Integers and decimals are told apart, since `created=1.0` is not a time. */
export type BareItem =
  | { readonly kind: 'integer' | 'decimal'; readonly value: number }
  | { readonly kind: 'string' | 'token'; readonly value: string }
  | { readonly kind: 'bytes'; readonly value: Buffer }
  | { readonly kind: 'boolean'; readonly value: boolean }

export type Parameters = ReadonlyMap<string, BareItem>

export interface Item {
  readonly kind: 'item'
  readonly value: BareItem
  readonly parameters: Parameters
}

export interface InnerList {
  readonly kind: 'inner list'
  readonly items: readonly Item[]
  readonly parameters: Parameters
  /** As received, parameters included: what was signed is these characters. */
  readonly text: string
}

interface Cursor {
  readonly text: string
  at: number
}

/** Node refuses more header bytes than this; a longer text came from somewhere else and is not worth the time. */
const longestField = 16_384

/**
 * Parses a Dictionary of RFC 8941 section 3.2; throws `SyntaxError` for anything else. Stricter than the RFC in two
 * places, because signatures hang on them: a key may stand there once (the RFC lets the last one win, and two readers
 * that disagree about that read two messages), and bytes must be in canonical base64 (or one signature has many
 * spellings).
 */
export function parseDictionary(text: string): Map<string, Item | InnerList> {
  if (text.length > longestField) throw new SyntaxError('A structured field is too long')
  const cursor: Cursor = { text, at: 0 }
  const members = new Map<string, Item | InnerList>()
  skip(cursor, / */y)
  while (cursor.at < text.length) {
    const key = take(cursor, keyPattern)
    if (members.has(key)) fail(cursor)
    members.set(key, memberValue(cursor))
    skip(cursor, /[ \t]*/y)
    if (cursor.at === text.length) break
    take(cursor, /,[ \t]*/y)
    if (cursor.at === text.length) fail(cursor)
  }
  return members
}

/** The text as a String of RFC 8941 section 3.3.3; it must be printable ASCII. */
export function serializeString(text: string): string {
  return text.includes('"') || text.includes('\\') ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`
}

const keyPattern = /[a-z*][a-z0-9_.*-]*/y

function memberValue(cursor: Cursor): Item | InnerList {
  if (cursor.text[cursor.at] !== '=') return { kind: 'item', value: yes, parameters: parameters(cursor) }
  cursor.at += 1
  return cursor.text[cursor.at] === '(' ? innerList(cursor) : item(cursor)
}

const yes: BareItem = { kind: 'boolean', value: true }

function innerList(cursor: Cursor): InnerList {
  const start = cursor.at
  const items: Item[] = []
  take(cursor, /\( */y)
  while (cursor.text[cursor.at] !== ')') {
    items.push(item(cursor))
    if (cursor.text[cursor.at] !== ')') take(cursor, / +/y)
  }
  cursor.at += 1
  const ofList = parameters(cursor)
  return { kind: 'inner list', items, parameters: ofList, text: cursor.text.slice(start, cursor.at) }
}

function item(cursor: Cursor): Item {
  return { kind: 'item', value: bareItem(cursor), parameters: parameters(cursor) }
}

function parameters(cursor: Cursor): Parameters {
  const found = new Map<string, BareItem>()
  while (cursor.text[cursor.at] === ';') {
    take(cursor, /; */y)
    const key = take(cursor, keyPattern)
    if (found.has(key)) fail(cursor)
    if (cursor.text[cursor.at] === '=') {
      cursor.at += 1
      found.set(key, bareItem(cursor))
    } else {
      found.set(key, yes)
    }
  }
  return found
}

function bareItem(cursor: Cursor): BareItem {
  const first = cursor.text[cursor.at] ?? ''
  if (first === '"') return { kind: 'string', value: string(cursor) }
  if (first === ':') return { kind: 'bytes', value: bytes(cursor) }
  if (first === '?') return { kind: 'boolean', value: take(cursor, /\?[01]/y) === '?1' }
  if (first === '-' || (first >= '0' && first <= '9')) return number(cursor)
  return { kind: 'token', value: take(cursor, /[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*/y) }
}

function number(cursor: Cursor): BareItem {
  const text = take(cursor, /-?(?:\d{1,12}\.\d{1,3}|\d{1,15})/y)
  return { kind: text.includes('.') ? 'decimal' : 'integer', value: Number(text) }
}

function string(cursor: Cursor): string {
  return take(cursor, /"(?:[ !#-[\]-~]|\\["\\])*"/y)
    .slice(1, -1)
    .replace(/\\(["\\])/g, '$1')
}

function bytes(cursor: Cursor): Buffer {
  const text = take(cursor, /:[A-Za-z0-9+/]*={0,2}:/y).slice(1, -1)
  const value = Buffer.from(text, 'base64')
  if (value.toString('base64') !== text) fail(cursor)
  return value
}

function take(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at
  const found = pattern.exec(cursor.text)?.[0]
  if (found === undefined) fail(cursor)
  cursor.at += found.length
  return found
}

function skip(cursor: Cursor, pattern: RegExp): void {
  take(cursor, pattern)
}

function fail(cursor: Cursor): never {
  throw new SyntaxError(`Not a structured field at character ${cursor.at}`)
}
