import { z } from 'zod'
import type { Gateway } from '../gateway.ts'
import { openApiOf } from './openapi.ts'
import { route, type Route } from './route.ts'

/** Every route of the admin API, its own description among them. */
export function adminRoutes(_gateway: Gateway): Route[] {
  const routes: Route[] = []
  routes.push(
    route({
      method: 'get',
      path: '/openapi.json',
      summary: 'This description',
      writes: false,
      responses: {
        200: { description: 'An OpenAPI 3.1 document', body: z.record(z.string(), z.unknown()) },
      },
      handle: () => ({ status: 200, body: description() }),
    }),
  )
  const description = () => openApiOf(routes)
  return routes
}
