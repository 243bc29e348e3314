import { z } from 'zod'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import type { DirectoryReader } from '../directory/edit.ts'
import { word } from '../directory/row-fields.ts'
import { Refusal } from '../errors.ts'
import type { Provider } from '../provider.ts'
import { id, isoTime } from './fields.ts'
import { fromStore } from './from-store.ts'
import { invalidRequest, route, type Route } from './route.ts'

export interface PageTokenRoutesParts {
  readonly directory: Pick<DirectoryReader, 'integration'>
  /** As configured now; which there are never changes. */
  readonly providers: () => readonly Pick<Provider, 'name' | 'pages' | 'pageToken'>[]
  readonly audit: Pick<AuditLog, 'record'>
  readonly clock: Clock
}

/** The contract of the pages: a link is mailed about, so it may not live longer. */
const LONGEST_SECONDS = 48 * 3600

/** Tokens for the provider's signed pages. */
export function pageTokenRoutes({ directory, providers, audit, clock }: PageTokenRoutesParts): Route[] {
  const userFields = providers().flatMap(({ pages }) => (pages === undefined ? [] : [pages.userField]))
  const ownWords = Object.fromEntries(userFields.map((name) => [name, word.optional()]))
  return [
    route({
      method: 'post',
      path: '/api/page-tokens',
      summary: "Signs the token that goes into the path of an integration's pages",
      writes: true,
      body: z.strictObject({
        ...ownWords,
        provider: word.optional().describe("If it is given, the integration's."),
        integration_id: id,
        organization_id: id.optional(),
        external_user_id: word
          .optional()
          .describe("The provider's user, whom the identity pages need. It may go by the provider's own name as well."),
        expires_in_seconds: z.int().min(1).max(LONGEST_SECONDS).default(3600),
      }),
      responses: {
        200: {
          description: 'The token, and the paths of its pages',
          body: z.object({ token: z.string(), paths: z.record(z.string(), z.string()), expires_at: isoTime }),
        },
      },
      problems: ['not_found'],
      async handle({ body, author }) {
        const { integration_id: integrationId, organization_id: organizationId, expires_in_seconds: seconds } = body
        const integration = await fromStore(directory.integration(integrationId))
        if (integration?.status !== 'active') throw new Refusal('not_found', 'There is no such active integration.')
        if (body.provider !== undefined && body.provider !== integration.provider) {
          throw invalidRequest([{ path: 'provider', message: `must be ${integration.provider}, the integration's` }])
        }
        const provider = providers().find(({ name }) => name === integration.provider)
        if (provider?.pages === undefined || provider.pageToken === undefined) {
          throw new Refusal('not_found', 'There are no signed pages: PAGE_SIGNING_SECRET is not set.')
        }
        const externalUserId = userIn(body, provider.pages.userField, userFields)
        const expiresAt = clock.now() + seconds * 1000
        const token = await provider.pageToken({ integrationId, organizationId, externalUserId }, seconds)
        await fromStore(
          audit.record({
            author,
            action: 'page_token.sign',
            subject: `integration ${integrationId}`,
            details: { organizationId, externalUserId, expiresInSeconds: seconds },
          }),
        )
        const expires_at = new Date(expiresAt).toISOString()
        return { status: 200, body: { token, paths: provider.pages.paths(token), expires_at } }
      },
    }),
  ]
}

/** The provider's user, by whichever name. */
function userIn(body: Readonly<Record<string, unknown>>, own: string, all: readonly string[]): string | undefined {
  const foreign = all.filter((name) => name !== own && body[name] !== undefined)
  if (foreign.length > 0) throw invalidRequest(foreign.map((path) => ({ path, message: `must be called ${own}` })))
  const given = [...new Set([body['external_user_id'], body[own]])].filter((user) => typeof user === 'string')
  if (given.length > 1) throw invalidRequest([{ path: own, message: 'must be the same as external_user_id' }])
  return given[0]
}
