import { z } from 'zod'

const id = z.string()
const status = z.enum(['active', 'disabled'])
const state = z.enum(['active', 'draining', 'down'])

/** Whose webhook is to be explained; `app_id` is the app whose secret would have verified it. */
export const explainIn = z.strictObject({
  path: z
    .string()
    .regex(/^\//, 'must begin with /')
    .max(8192)
    .describe('As the provider posts to it; a query is ignored.'),
  content_type: z.string().max(1000).optional().describe('Its Content-Type.'),
  body: z.string().describe('Its body, as text.'),
  app_id: z
    .string()
    .max(255)
    .optional()
    .describe('The app whose secret would have verified it, where the body names none; default: the newest secret’s.'),
})

/** How the webhook would end. `status` is what the provider would get; null: that depends on the regions. */
const outcomeOut = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('refused'), status: z.int(), code: z.string(), detail: z.string() }),
  z.object({ kind: z.literal('answered_here'), status: z.int(), rule: z.string() }),
  z.object({ kind: z.literal('control_page'), status: z.null() }),
  z.object({ kind: z.literal('shed'), status: z.int(), retry_after_seconds: z.int().nullable() }),
  z.object({ kind: z.literal('unknown_integration'), status: z.int() }),
  z.object({ kind: z.literal('inactive'), status: z.int() }),
  z.object({ kind: z.literal('directory_away'), status: z.int() }),
  z.object({ kind: z.literal('waits_for_home'), status: z.int() }),
  z.object({ kind: z.literal('dispatched'), status: z.int().nullable() }),
])

/** What the gateway would do with a webhook, and why, as far as the decision gets. */
export const explanationOut = z.object({
  door: z
    .object({ provider: z.string(), kind: z.enum(['webhook', 'region_page', 'control_page']), surface: z.string() })
    .nullable()
    .describe('Whose path it is; null: nobody’s.'),
  request: z
    .object({ surface: z.string(), type: z.string(), promised: z.enum(['delivery', 'late_answer', 'nothing']) })
    .nullable()
    .describe('What it was read as; `promised`: what becomes of it where regions fail.'),
  installation: z
    .object({
      provider: z.string(),
      app_id: z.string().nullable(),
      external_id: z.string().nullable(),
      enterprise_id: z.string().nullable(),
      integration_id: id.nullable(),
      found_in: z.string().describe('Where in the request it is named.'),
    })
    .nullable(),
  lookup: z
    .object({ verdict: z.enum(['found', 'absent', 'stale', 'unknown']), age_ms: z.number().nullable() })
    .nullable()
    .describe('What the directory said, as this gateway remembers it; null: it was not asked.'),
  integration: z
    .object({
      id,
      name: z.string(),
      app_id: z.string().nullable(),
      external_id: z.string(),
      enterprise_id: z.string().nullable(),
      default_organization_id: id.nullable(),
      status,
    })
    .nullable(),
  organizations: z.array(
    z.object({
      id,
      slug: z.string(),
      name: z.string(),
      region: z.string(),
      status,
      link_status: status,
      held: z.boolean(),
      included: z.boolean(),
      why_not: z
        .enum(['integration_disabled', 'link_disabled', 'organization_disabled', 'not_hinted', 'not_remembered'])
        .nullable()
        .describe('not_remembered: the database has it, but this gateway remembers what it was before.'),
    }),
  ),
  hint: z
    .object({ use: z.enum(['used', 'ignored']), by: z.enum(['id', 'slug']), names: z.array(z.string()) })
    .nullable()
    .describe('Which organizations the request itself names; ignored: none of them is the integration’s.'),
  plan: z
    .object({
      kind: z.enum(['first', 'all']),
      rule: z.string().describe('The setting that decided, or the kind of request.'),
      regions: z.array(z.string()),
    })
    .nullable(),
  regions: z
    .array(
      z.object({
        name: z.string(),
        state: state.nullable().describe('In effect; null: regions.yaml does not know it.'),
        file_state: state.nullable(),
        override: z.enum(['draining', 'down']).nullable(),
        breaker: z.enum(['closed', 'open', 'half_open']).nullable().describe('null: no gateway was asked.'),
        organizations: z.array(id),
        planned: z.boolean(),
        expected: z
          .enum(['asked', 'waits', 'fails', 'not_asked'])
          .describe('waits: in its mailbox. fails: counts as failed, without a call.'),
        why: z.string().nullable().describe('As the region’s result would say it.'),
      }),
    )
    .describe('In their order: the first is the first region.'),
  shed: z
    .object({ provider: z.string(), integration_id: id.nullable(), answer: z.enum(['ok', 'too_many_requests']) })
    .nullable()
    .describe('The shed rule that applies.'),
  rate_limit_per_minute: z.int().nullable().describe('How many webhooks its integration may send within a minute.'),
  outcome: outcomeOut,
  lines: z.array(z.string()).describe('The same in words.'),
})

export type ExplainIn = z.output<typeof explainIn>
export type Explanation = z.output<typeof explanationOut>
/** What is said in words. */
export type Facts = Omit<Explanation, 'lines'>

/** The facts before anything is known. */
export const nothingKnown: Omit<Facts, 'outcome'> = {
  door: null,
  request: null,
  installation: null,
  lookup: null,
  integration: null,
  organizations: [],
  hint: null,
  plan: null,
  regions: [],
  shed: null,
  rate_limit_per_minute: null,
}
