const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Every field with all its values, in order. */
export type Form = ReadonlyMap<string, readonly string[]>

/** The text of these bytes, or undefined where they are not UTF-8. A byte order mark stays part of the text. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** Whether a Content-Type says form, whatever its parameters: Slack's own requests come with and without a charset. */
export function isFormType(contentType: string | undefined): boolean {
  return contentType?.split(';')[0]?.trim().toLowerCase() === 'application/x-www-form-urlencoded'
}

/**
 * `application/x-www-form-urlencoded` as the URL standard reads it (`+` is a space, a stray `%` stands for itself),
 * but strict where that standard puts a replacement character: undefined when a field is not UTF-8.
 */
export function parseForm(body: string): Form | undefined {
  const form = new Map<string, string[]>()
  for (const field of fieldsOf(body)) {
    const name = decode(nameIn(field))
    const value = decode(valueIn(field))
    if (name === undefined || value === undefined) return undefined
    const values = form.get(name)
    if (values === undefined) form.set(name, [value])
    else values.push(value)
  }
  return form
}

/** The values of one field, `undefined` where one is not UTF-8. The values of all other fields are never looked at. */
export function readOneField(body: string, wanted: string): (string | undefined)[] {
  return fieldsOf(body)
    .filter((field) => decode(nameIn(field)) === wanted)
    .map((field) => decode(valueIn(field)))
}

function fieldsOf(body: string): string[] {
  return body.split('&').filter((field) => field !== '')
}

function nameIn(field: string): string {
  const equals = field.indexOf('=')
  return equals < 0 ? field : field.slice(0, equals)
}

function valueIn(field: string): string {
  const equals = field.indexOf('=')
  return equals < 0 ? '' : field.slice(equals + 1)
}

function decode(encoded: string): string | undefined {
  const spaced = encoded.includes('+') ? encoded.replaceAll('+', ' ') : encoded
  // Next to no name and few values are encoded at all.
  if (!spaced.includes('%')) return spaced
  return decodePercents(spaced) ?? decodePercents(spaced.replaceAll(/%(?![0-9a-f]{2})/gi, '%25'))
}

function decodePercents(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
