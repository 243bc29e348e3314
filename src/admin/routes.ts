import { z } from 'zod'
import { eraseIntegration } from '../delivery/erase.ts'
import type { Gateway } from '../gateway.ts'
import { auditRoutes } from './audit-routes.ts'
import { deliveryRoutes } from './delivery-routes.ts'
import { directoryRoutes } from './directory-routes.ts'
import { explainRoutes } from './explain-routes.ts'
import { fromStore } from './from-store.ts'
import { instanceRoutes } from './instance-routes.ts'
import { mailboxRoutes } from './mailbox-routes.ts'
import { openApiOf } from './openapi.ts'
import { pageTokenRoutes } from './page-token-routes.ts'
import { regionsRoutes } from './regions-routes.ts'
import { route, type Route } from './route.ts'
import { secretsRoutes } from './secrets-routes.ts'
import { shedRoutes } from './shed-routes.ts'

/** Every route of the admin API, its own description among them. */
export function adminRoutes(gateway: Gateway, { extraRoutes = [] }: { extraRoutes?: readonly Route[] } = {}): Route[] {
  const { directory, spool, log, clock, store } = gateway
  const { audit } = store
  const providers = () => gateway.providers()
  const routes: Route[] = [
    ...directoryRoutes({
      directory,
      topology: () => gateway.topology(),
      follow: (moved) => gateway.follow(moved),
      providers,
      log,
    }),
    ...mailboxRoutes({ spool, audit, look: () => gateway.lookAtMailboxes(), erase }),
    ...deliveryRoutes(gateway.deliveries),
    ...pageTokenRoutes({ directory, providers, audit, clock }),
    ...auditRoutes({ audit }),
    ...regionsRoutes({
      steering: gateway.steering,
      file: () => gateway.configuration().topology,
      topology: () => gateway.topology(),
      client: (name) => gateway.regionClient(name),
      spool,
    }),
    ...shedRoutes({ steering: gateway.steering, providers }),
    ...secretsRoutes({ secrets: () => gateway.secrets() }),
    ...explainRoutes({ explain: (asked) => gateway.explain(asked) }),
    ...instanceRoutes({
      databaseId: () => store.databaseId(),
      directoryVersion: () => store.version(),
      directoryChanged: (change) => gateway.directoryChanged(change),
    }),
    ...extraRoutes,
    route({
      method: 'get',
      path: '/openapi.json',
      summary: 'This description',
      writes: false,
      responses: { 200: { description: 'An OpenAPI 3.1 document', body: z.record(z.string(), z.unknown()) } },
      handle: () => ({ status: 200, body: openApiOf(routes) }),
    }),
  ]
  return routes

  async function erase(id: string): Promise<number | undefined> {
    const integration = await fromStore(directory.integration(id))
    const erased = await eraseIntegration(id, integration?.provider, {
      spool,
      find: (key) => store.inspect(key),
      providers: providers().map(({ name }) => name),
    })
    return integration === undefined && erased === 0 ? undefined : erased
  }
}
