import { z } from 'zod'
import { word } from '../directory/row-fields.ts'
import { Refusal } from '../errors.ts'
import type { Deliveries } from '../records/deliveries.ts'
import { recordPosition } from '../records/record-store.ts'
import type { Entry } from '../records/story.ts'
import { deliveryOut } from '../records/told.ts'
import { cursorTo, flag, idOut, idText, isoTime, pageOf, paging, positionIn } from './fields.ts'
import { fromStore } from './from-store.ts'
import { invalidRequest, route, type Route } from './route.ts'

/** A delivery as a list shows it. */
export const listingOut = z.object({
  id: z.string().describe('The delivery id, which is also the X-Request-Id of its answer.'),
  received_at: isoTime,
  surface: z.string(),
  type: z.string().nullable(),
  installation: z.string().nullable().describe('The workspace or enterprise that it was found to be of.'),
  integration_id: idOut.nullable(),
  organizations: z.array(z.string()),
  regions: z.array(z.string()).describe('Those that were planned.'),
  outcome: z.string(),
  status: z.int().nullable(),
  failed: z.boolean().describe('Somebody went without.'),
})

/** A delivery as it is listed. */
export type DeliveryListing = z.output<typeof listingOut>

const time = isoTime.transform((text) => Date.parse(text))

const query = z.strictObject({
  ...paging,
  surface: word.optional(),
  type: z.string().optional(),
  outcome: word.optional(),
  status: z
    .string()
    .regex(/^[1-5][0-9]{2}$/, 'must be a status of HTTP')
    .transform(Number)
    .optional(),
  failed: flag.optional(),
  installation: z.string().optional(),
  integration_id: idText.optional(),
  organization_id: idText.optional(),
  region: word.optional(),
  from: time.optional().describe('Received at that time or later.'),
  until: time.optional().describe('Received before that time.'),
  q: z.string().min(1).max(200).optional().describe('Occurs in its id, type, installation, outcome or regions.'),
})

/** What came, and what became of it. */
export function deliveryRoutes({ list, read }: Deliveries): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/deliveries',
      summary: 'Webhooks that came, the newest first; a page may be short, or empty, and still have a next one',
      writes: false,
      query,
      responses: { 200: { description: 'A page of deliveries', body: pageOf(listingOut) } },
      async handle({ query: { limit, cursor, integration_id, organization_id, q, ...filter } }) {
        const before = cursor === undefined ? undefined : positionIn(cursor, recordPosition)
        if (filter.from !== undefined && filter.until !== undefined && filter.from >= filter.until) {
          throw invalidRequest([{ path: 'until', message: 'must be later than from' }])
        }
        const wanted = { ...filter, integration: integration_id, organization: organization_id, text: q }
        const { rows, next } = await fromStore(list(wanted, { limit, before }))
        return {
          status: 200,
          body: { items: rows.map(listingJson), next_cursor: next === undefined ? null : cursorTo(next) },
        }
      },
    }),
    route({
      method: 'get',
      path: '/api/deliveries/{id}',
      summary:
        'What came, by which rules it was decided about, every attempt with its timing, and what the provider got',
      writes: false,
      params: z.strictObject({ id: z.string().min(1).max(100) }),
      responses: { 200: { description: 'The delivery', body: deliveryOut } },
      problems: ['not_found'],
      async handle({ params: { id } }) {
        const delivery = await fromStore(read(id))
        if (delivery === undefined)
          throw new Refusal('not_found', 'Nothing is recorded of this delivery, or not any more.')
        return { status: 200, body: delivery }
      },
    }),
  ]
}

/** An entry as a list has it. */
export function listingJson({ story, installation, way }: Entry): z.output<typeof listingOut> {
  const { id, received_at, surface, type, outcome, status, failed, plan } = story
  return {
    id,
    received_at,
    surface,
    type,
    installation,
    integration_id: way.integration?.id ?? null,
    organizations: way.organizations.map((one) => one.id),
    regions: plan?.regions ?? [],
    outcome,
    status,
    failed,
  }
}
