import type { Delivery } from '../shapes.ts'

/** What is to be explained: a webhook as it would be posted. */
export interface Asked {
  readonly path: string
  readonly content_type: string
  readonly body: string
  readonly app_id: string
}

export const FORM = 'application/x-www-form-urlencoded'

/** The single path that every webhook may be posted to, and those of one surface each. */
export const paths = [
  '/slack/events',
  '/extensions/slack/event/',
  '/extensions/slack/commands/',
  '/extensions/slack/action/',
  '/extensions/slack/options-load/',
]

export const nothing: Asked = { path: '/slack/events', content_type: 'application/json', body: '', app_id: '' }

/** A delivery as it would be posted again, as far as it was recorded; what was secret in it is not needed to decide. */
export function askedOf({ content, door, verified_by }: Delivery): Asked {
  const app_id = verified_by?.app_id ?? ''
  const path = pathBySurface[door?.surface ?? 'any'] ?? nothing.path
  if (content?.body == null) return { ...nothing, path, app_id }
  const content_type = content.headers['content-type'] ?? nothing.content_type
  return { path, content_type, app_id, body: content_type.startsWith(FORM) ? formOf(content.body) : content.body }
}

const pathBySurface: Readonly<Record<string, string>> = {
  event: '/extensions/slack/event/',
  command: '/extensions/slack/commands/',
  action: '/extensions/slack/action/',
  options: '/extensions/slack/options-load/',
}

/** A form is recorded as JSON, and so are the documents in its fields. */
function formOf(json: string): string {
  try {
    const fields: unknown = JSON.parse(json)
    if (typeof fields !== 'object' || fields === null) return json
    const texts = Object.entries(fields).map(([name, value]: [string, unknown]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ])
    return new URLSearchParams(texts).toString()
  } catch {
    return json
  }
}
