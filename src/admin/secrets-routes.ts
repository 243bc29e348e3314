import { z } from 'zod'
import type { SecretListing } from '../secrets/secret-uses.ts'
import { isoTime, pageOf } from './fields.ts'
import { fromStore } from './from-store.ts'
import { route, type Route } from './route.ts'

export interface SecretsRoutesParts {
  readonly secrets: () => Promise<SecretListing[]>
}

const secretOut = z.object({
  name: z.string().describe('The variable it comes from.'),
  app_id: z.string().exactOptional().describe('The app it belongs to, where it names one.'),
  id: z.string().exactOptional().describe('The id that stands before it.'),
  fingerprint: z.string().describe('The first 12 hexadecimal digits of its SHA-256.'),
  position: z.int().describe('In its list; 1 is the newest.'),
  in_use: z.boolean().describe('Whether it verifies, or a region names it: one that does not can be taken out.'),
  last_used_at: isoTime
    .nullable()
    .describe('When it last verified a webhook, or signed towards a region, in any gateway of the fleet; null: never.'),
})

/** A signing secret as it is told. */
export type SecretNow = z.output<typeof secretOut>

/** When each signing secret was last used: that is how a rotation knows its end. */
export function secretsRoutes({ secrets }: SecretsRoutesParts): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/secrets',
      summary: 'The signing secrets in their order, newest first, and when each was last used; never the secrets',
      writes: false,
      responses: { 200: { description: 'Every signing secret there is', body: pageOf(secretOut) } },
      async handle() {
        const items = (await fromStore(secrets())).map(
          ({ name, owner, fingerprint, position, inUse, lastUsedAt }): z.input<typeof secretOut> => ({
            name,
            ...owner,
            fingerprint,
            position,
            in_use: inUse,
            last_used_at: lastUsedAt === null ? null : new Date(lastUsedAt).toISOString(),
          }),
        )
        return { status: 200, body: { items, next_cursor: null } }
      },
    }),
  ]
}
