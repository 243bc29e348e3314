import { z } from 'zod'
import { listingOut } from '../delivery-routes.ts'
import { isoTime } from '../fields.ts'
import { regionOut } from '../regions-now.ts'
import { route, type Route } from '../route.ts'
import { createLiveStream, type LiveStreamParts } from './live-stream.ts'
import { secondOut } from './second.ts'

/** How things stand, besides the second. */
const standingOut = z.object({
  regions: z.array(
    regionOut.pick({
      name: true,
      state: true,
      breaker: true,
      in_flight: true,
      queued: true,
      latency: true,
      mailboxes: true,
    }),
  ),
  under_way: z.int().describe('Webhooks that have not come to their end.'),
  late_answers_owed: z.int(),
  ready: z.boolean(),
  draining: z.boolean(),
})

export type Standing = z.output<typeof standingOut>

const events = {
  now: standingOut.extend({ at: isoTime, second: secondOut }),
  deliveries: z.object({
    items: z
      .array(listingOut)
      .describe('The newest first; one whose regions were still running comes again at its end.'),
    left_out: z.int().describe('How many more there were.'),
  }),
  bye: z.object({}),
}

export type StreamNow = z.output<typeof events.now>
export type StreamDeliveries = z.output<typeof events.deliveries>

/** What happens, as it happens: what the console shows without asking for it over and over. */
export function streamRoutes(parts: LiveStreamParts): Route[] {
  const stream = createLiveStream(parts)
  return [
    route({
      method: 'get',
      path: '/api/stream',
      summary: 'Server-sent events: how things stand, each second; what came, four times a second; bye at a drain',
      writes: false,
      responses: { 200: { description: 'Until the gateway drains, or whoever listens goes away', events } },
      handle: () => ({ status: 200, listen: (res, isAdmitted) => stream.join(res, isAdmitted) }),
    }),
  ]
}
