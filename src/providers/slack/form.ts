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
  for (const field of splitFields(body)) {
    const name = decode(field.name)
    const value = decode(field.value)
    if (name === undefined || value === undefined) return undefined
    const values = form.get(name)
    if (values === undefined) form.set(name, [value])
    else values.push(value)
  }
  return form
}

/** The values of one field, `undefined` where one is not UTF-8. The values of all other fields are never looked at. */
export function readOneField(body: string, wanted: string): (string | undefined)[] {
  return splitFields(body)
    .filter((field) => decode(field.name) === wanted)
    .map((field) => decode(field.value))
}

function splitFields(body: string): { name: string; value: string }[] {
  return body
    .split('&')
    .filter((field) => field !== '')
    .map((field) => {
      const equals = field.indexOf('=')
      return equals < 0 ? { name: field, value: '' } : { name: field.slice(0, equals), value: field.slice(equals + 1) }
    })
}

function decode(encoded: string): string | undefined {
  const literalPercents = encoded.replaceAll('+', ' ').replaceAll(/%(?![0-9a-f]{2})/gi, '%25')
  try {
    return decodeURIComponent(literalPercents)
  } catch {
    return undefined
  }
}
