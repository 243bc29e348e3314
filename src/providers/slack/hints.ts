import type { OrganizationHint } from '../../provider.ts'
import { readId } from '../../directory/id.ts'
import { listAt, textAt, type JsonObject } from './json.ts'

/** Bounds on the work that a user's links can cause: each URL meets every regular expression of the operator. */
const MAX_LINKS = 100
const MAX_URL_LENGTH = 4096

/** `link team <slug>` and `unlink team <slug>`, in any case; further words are somebody else's. */
export function hintOfCommand(text: string): OrganizationHint | undefined {
  // Next to no command is one of the two, and a long text is not worth taking apart.
  if (!/^\s*(?:un)?link\s/i.test(text)) return undefined
  const [verb, object, slug] = text.toLowerCase().trim().split(/\s+/)
  if ((verb !== 'link' && verb !== 'unlink') || object !== 'team' || slug === undefined) return undefined
  return { by: 'slug', slugs: [slug], pick: 'one' }
}

/** The organizations in names of the form `name::<organizationId>[::<projectId>]`. */
export function hintOfNames(names: readonly (string | undefined)[]): OrganizationHint | undefined {
  const ids = names.flatMap((name) => organizationIn(name ?? '') ?? [])
  return ids.length > 0 ? { by: 'id', ids } : undefined
}

/** The slugs that the operator's patterns find in the links of a `link_shared` event. */
export function hintOfLinks(event: unknown, patterns: readonly RegExp[]): OrganizationHint | undefined {
  const slugs = listAt(event, 'links')
    .slice(0, MAX_LINKS)
    .flatMap((link) => slugIn(textAt(link, 'url') ?? '', patterns) ?? [])
  return slugs.length > 0 ? { by: 'slug', slugs, pick: 'those' } : undefined
}

/** The `action_id` of every action of a click. */
export function actionIds(payload: JsonObject): (string | undefined)[] {
  return listAt(payload, 'actions').map((action) => textAt(action, 'action_id'))
}

function organizationIn(name: string): string | undefined {
  const [label, organization, project, ...more] = name.split('::')
  if (!label || organization === undefined || more.length > 0) return undefined
  if (project !== undefined && !/^-?\d+$/.test(project)) return undefined
  return readId(organization)
}

function slugIn(url: string, patterns: readonly RegExp[]): string | undefined {
  if (url.length > MAX_URL_LENGTH) return undefined
  for (const pattern of patterns) {
    const slug = pattern.exec(url)?.groups?.['org']
    if (slug) return slug.toLowerCase()
  }
  return undefined
}
