import { z } from 'zod'
import { readResponseHost, type ResponseHost } from './response-url.ts'

/** A signing secret of the app it belongs to; without an app it verifies every app's requests. */
export interface SigningSecret {
  readonly appId: string | undefined
  readonly secret: string
}

const PAGE_SECRET_BYTES = 32

export const environment = z.object({
  SLACK_SIGNING_SECRETS: z
    .string()
    .transform(readSigningSecrets)
    .describe(
      'Signing secrets, comma separated, newest first, each `secret` or `APPID:secret`. Any of them verifies, but a ' +
        'body that names an `api_app_id` is only verified by a secret without an app or with that app.',
    ),
  SLACK_BUDGET_MS: z
    .string()
    .regex(/^\d+$/, 'must be a whole number of milliseconds')
    .transform(Number)
    .pipe(z.number().min(1, 'must be at least 1').max(60_000, 'must be at most 60000'))
    .prefault('2500')
    .describe("Milliseconds from a webhook's first byte to our answer. Slack waits 3 s, the way back included."),
  SLACK_RESPONSE_HOSTS: z
    .string()
    .prefault('')
    .transform(readResponseHosts)
    .describe(
      'Extra hosts that late answers may be posted to, each `host` or `host:port`, comma separated, also over http: ' +
        "for tests. Slack's own are always allowed, over https.",
    ),
  PAGE_SIGNING_SECRET: z
    .string()
    .refine((secret) => Buffer.byteLength(secret) >= PAGE_SECRET_BYTES, `must be at least ${PAGE_SECRET_BYTES} bytes`)
    .optional()
    .describe('Signs the links to the identity and team pages, at least 32 bytes. Without it these pages answer 404.'),
})

export const rules = z
  .strictObject({
    links: z
      .array(z.string().superRefine(checkLinkPattern))
      .default([])
      .describe('Regular expressions that find an organization slug, as the named group `org`, in a shared link.'),
    first_region_actions: z.array(z.string()).default([]).describe('Action values that go to the first region only.'),
    local_actions: z
      .array(z.string())
      .default([])
      .describe('Action values, or the name parts of an action_id, that are answered here.'),
    all_region_events: z
      .union([z.literal('*'), z.array(z.string())], { error: "must be a list of event types, or '*' for every event" })
      .default(['app_uninstalled', 'tokens_revoked'])
      .describe("Event types that go to all regions; `'*'` stands for every event."),
    events_on_failure: z
      .enum(['spool', 'fail'], "must be 'spool' or 'fail'")
      .default('spool')
      .describe(
        'What becomes of an event that a region did not take: `spool` keeps it, `fail` lets Slack try it again.',
      ),
  })
  .prefault({})

export type Rules = z.output<typeof rules>

/** Messages count the entries instead of quoting them: what stands there may be a secret. */
function readSigningSecrets(text: string, context: z.RefinementCtx): SigningSecret[] {
  return text.split(',').map((entry, index) => {
    const fault = (message: string): void => context.addIssue(`entry ${index + 1} ${message}`)
    const colon = entry.indexOf(':')
    const appId = colon < 0 ? undefined : entry.slice(0, colon).trim()
    const secret = entry.slice(colon + 1).trim()
    // An empty key verifies what anybody can compute.
    if (secret === '') fault('is empty')
    if (appId !== undefined && !/^[A-Z][A-Z0-9]+$/.test(appId)) fault('has no app id before its colon')
    return { appId, secret }
  })
}

function readResponseHosts(text: string, context: z.RefinementCtx): ResponseHost[] {
  if (text === '') return []
  return text.split(',').flatMap((entry, index) => {
    const host = readResponseHost(entry.trim())
    if (host !== undefined) return [host]
    context.addIssue(`entry ${index + 1} is neither host nor host:port`)
    return []
  })
}

function checkLinkPattern(pattern: string, context: z.RefinementCtx): void {
  try {
    // Read on its own first: behind a `|` some broken patterns would compile.
    const compiled = new RegExp(pattern)
    // With an empty alternative every pattern matches, and a match lists all its named groups.
    const groups = new RegExp(`${compiled.source}|`).exec('')?.groups
    if (groups === undefined || !Object.hasOwn(groups, 'org')) context.addIssue('has no named group (?<org>…)')
  } catch {
    context.addIssue('is not a regular expression')
  }
}
