import type { Door } from '../../provider.ts'

export type PagePurpose = 'link-identity' | 'unlink-identity' | 'link-team' | 'unlink-team'

/** `any` is the single URL of a Bolt app: what came there is told from its content. */
export interface WebhookDoor extends Door {
  readonly kind: 'webhook'
  readonly surface: 'command' | 'action' | 'event' | 'options' | 'any'
}

export interface PageDoor extends Door {
  readonly kind: 'control_page' | 'region_page'
  readonly surface: 'page'
  readonly purpose: PagePurpose
  /** As it stands in the path; proves nothing until it is verified. */
  readonly token: string
}

export type SlackDoor = WebhookDoor | PageDoor

const webhookDoors: ReadonlyMap<string, WebhookDoor> = new Map(
  (
    [
      ['/extensions/slack/commands', 'command'],
      ['/extensions/slack/action', 'action'],
      ['/extensions/slack/event', 'event'],
      ['/extensions/slack/options-load', 'options'],
      ['/slack/events', 'any'],
    ] as const
  ).map(([path, surface]) => [path, { kind: 'webhook', surface, methods: ['POST'] }]),
)

const pageKinds: ReadonlyMap<string, Pick<PageDoor, 'kind' | 'purpose'>> = new Map([
  ['link-identity', { kind: 'control_page', purpose: 'link-identity' }],
  ['unlink-identity', { kind: 'control_page', purpose: 'unlink-identity' }],
  ['link-team', { kind: 'region_page', purpose: 'link-team' }],
  ['unlink-team', { kind: 'region_page', purpose: 'unlink-team' }],
])

/** The webhook behind a path (without query): case-sensitive, its trailing slash optional. */
export function webhookDoor(path: string): WebhookDoor | undefined {
  return webhookDoors.get(withoutTrailingSlash(path))
}

/** The signed page behind a path: `/extensions/slack/<purpose>/<token>`, its trailing slash optional. */
export function pageDoor(path: string): PageDoor | undefined {
  const [, name, token] = /^\/extensions\/slack\/([a-z-]+)\/([^/]+)$/.exec(withoutTrailingSlash(path)) ?? []
  const page = pageKinds.get(name ?? '')
  return page && token !== undefined ? { ...page, surface: 'page', methods: ['GET', 'POST'], token } : undefined
}

/** Where the pages of a token are, by what they are for. */
export function pagePaths(token: string): Record<string, string> {
  return Object.fromEntries([...pageKinds.keys()].map((name) => [name, `/extensions/slack/${name}/${token}/`]))
}

function withoutTrailingSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}
