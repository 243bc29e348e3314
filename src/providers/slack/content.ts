import { Refusal } from '../../errors.ts'
import type { WebhookDoor } from './doors.ts'
import { decodeUtf8, isFormType, parseForm, type Form } from './form.ts'
import { parseJsonObject, textAt, type JsonObject } from './json.ts'

/** A body read as what it claims to be: an event, a payload of interactivity, a slash command. */
export type Content =
  | { readonly kind: 'event'; readonly body: JsonObject }
  | { readonly kind: 'interaction'; readonly payload: JsonObject }
  | { readonly kind: 'command'; readonly form: Form }

/**
 * Reads the body as the door's surface demands, whatever the content type says; only the single URL goes by it. Throws
 * `malformed_request` where the bytes are not UTF-8, not JSON, not an object, or of another surface.
 */
export function readContent(
  surface: WebhookDoor['surface'],
  contentType: string | undefined,
  bytes: Uint8Array,
): Content {
  const text = decodeUtf8(bytes)
  if (text === undefined) throw malformed('The body is not UTF-8.')
  if (surface === 'event' || (surface === 'any' && !isFormType(contentType))) return readEvent(text)

  const form = parseForm(text)
  if (form === undefined) throw malformed('The form is not UTF-8.')
  const payloads = form.get('payload')
  if (surface === 'command' && payloads !== undefined) throw malformed('A payload field is no slash command.')
  if (surface === 'command' || (surface === 'any' && payloads === undefined)) return { kind: 'command', form }
  return readInteraction(payloads ?? [])
}

/** The app the body itself names. */
export function appNamedBy(content: Content): string | undefined {
  switch (content.kind) {
    case 'event':
      return textAt(content.body, 'api_app_id')
    case 'interaction':
      return textAt(content.payload, 'api_app_id')
    case 'command':
      return content.form.get('api_app_id')?.[0] || undefined
  }
}

export function malformed(detail: string): Refusal {
  return new Refusal('malformed_request', detail)
}

function readEvent(text: string): Content {
  const body = parseJsonObject(text)
  if (body === undefined) throw malformed('The body is not a JSON object.')
  return { kind: 'event', body }
}

function readInteraction([payload, ...more]: readonly string[]): Content {
  if (payload === undefined) throw malformed('The form has no payload field.')
  // Two payloads could be two different ones to us and to the region.
  if (more.length > 0) throw malformed('The form has more than one payload field.')
  const object = parseJsonObject(payload)
  if (object === undefined) throw malformed('The payload is not a JSON object.')
  return { kind: 'interaction', payload: object }
}
