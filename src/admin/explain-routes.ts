import type { ExplainIn, Explanation } from '../explain/explanation.ts'
import { explainIn, explanationOut } from '../explain/explanation.ts'
import { route, type Route } from './route.ts'

/** What would become of a webhook, and why. */
export function explainRoutes({ explain }: { readonly explain: (asked: ExplainIn) => Promise<Explanation> }): Route[] {
  return [
    route({
      method: 'post',
      path: '/api/explain',
      summary: 'What the gateway would do with a webhook and why: the same decision, without a signature or sending it',
      writes: false,
      body: explainIn,
      // As large as most gateways' webhooks may be, each byte of it escaped by six, and some more.
      bodyLimit: 16 * 1024 * 1024,
      responses: { 200: { description: 'The decision; a refusal is one as well', body: explanationOut } },
      handle: async ({ body }) => ({ status: 200, body: await explain(body) }),
    }),
  ]
}
