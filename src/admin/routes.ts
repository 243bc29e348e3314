import { z } from 'zod'
import { eraseIntegration } from '../delivery/erase.ts'
import type { Gateway } from '../gateway.ts'
import { createAlarms } from '../telemetry/alarm.ts'
import { totalsInTime } from '../telemetry/totals-in-time.ts'
import { packageVersion } from '../version.ts'
import { auditRoutes } from './audit-routes.ts'
import { deliveryRoutes } from './delivery-routes.ts'
import { directoryRoutes } from './directory-routes.ts'
import { explainRoutes } from './explain-routes.ts'
import { fromStore } from './from-store.ts'
import { instanceRoutes } from './instance-routes.ts'
import { mailboxRoutes, type Erased } from './mailbox-routes.ts'
import { openApiOf } from './openapi.ts'
import { pageTokenRoutes } from './page-token-routes.ts'
import { providerHealthRoutes } from './provider-health-routes.ts'
import { describeRegions, regionNames } from './regions-now.ts'
import { regionsRoutes } from './regions-routes.ts'
import { route, type Route } from './route.ts'
import { secretsRoutes } from './secrets-routes.ts'
import { sessionRoutes } from './session-routes.ts'
import { shedRoutes } from './shed-routes.ts'
import { streamRoutes, type Standing } from './stream/stream-routes.ts'

export interface RoutesOptions {
  /** Served besides the gateway's own, and described with them. */
  readonly extraRoutes?: readonly Route[]
  /** Whether the page is to be told that this is a demo. */
  readonly demo?: boolean
}

/** Every route of the admin API, its own description among them. */
export function adminRoutes(gateway: Gateway, { extraRoutes = [], demo = false }: RoutesOptions = {}): Route[] {
  const { directory, spool, log, clock, store } = gateway
  const { audit } = store
  const providers = () => gateway.providers()
  const regions = {
    steering: gateway.steering,
    file: () => gateway.configuration().topology,
    topology: () => gateway.topology(),
    client: (name: string) => gateway.regionClient(name),
    totals: totalsInTime(spool, clock),
  }
  const routes: Route[] = [
    ...sessionRoutes({
      settings: () => gateway.configuration().settings,
      clock,
      ids: gateway.ids,
      alarms: createAlarms({ clock, log }),
      version: packageVersion(),
      demo,
    }),
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
    ...regionsRoutes(regions),
    ...streamRoutes({ clock, onlookers: gateway.onlookers, stopping: gateway.stopping, standing }),
    ...providerHealthRoutes({ providers, health: gateway.providerHealth }),
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

  async function standing(): Promise<Standing> {
    const [described, ready] = await Promise.all([describeRegions(regionNames(regions), regions), gateway.ready()])
    return {
      regions: described.map(({ name, state, breaker, in_flight, queued, latency, mailboxes }) => ({
        name,
        state,
        breaker,
        in_flight,
        queued,
        latency,
        mailboxes,
      })),
      under_way: gateway.underWay(),
      late_answers_owed: gateway.lateAnswersOwed(),
      ready,
      draining: gateway.draining(),
    }
  }

  async function erase(id: string): Promise<Erased | undefined> {
    const integration = await fromStore(directory.integration(id))
    const erased = await eraseIntegration(id, integration?.provider, {
      spool,
      find: (key) => store.inspect(key),
      providers: providers().map(({ name }) => name),
    })
    const records = await gateway.deliveries.erase({ integration: id, installation: integration })
    return integration === undefined && erased + records === 0 ? undefined : { erased, records }
  }
}
