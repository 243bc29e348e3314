import { z } from 'zod'
import { describeIntegration, describeOrganization, hintOf, installationOf, lookupOf } from '../explain/describe.ts'
import { explanationOut } from '../explain/explanation.ts'
import type { Integration } from '../directory/directory.ts'
import type { RoutableRequest } from '../provider.ts'
import type { Route } from '../resolve/route.ts'
import { keyText, type Happened, type RegionRecord } from '../telemetry/webhook-record.ts'
import { redacted, REDACTED } from './redact.ts'

const { door, request, installation, lookup, integration, organizations, hint, plan } = explanationOut.shape

/** Times of an attempt are milliseconds after the webhook's first byte; of a later one, after it was begun. */
export const attemptOut = z.object({
  region: z.string(),
  number: z.int().describe('1: while the provider waited.'),
  result: z.string().describe('answered, or the reason why not.'),
  status: z.int().nullable(),
  cause: z.string().nullable().describe('The code of the error that ended it.'),
  breaker: z.string().nullable().describe('Its state when the attempt began; null: it was not asked.'),
  started_ms: z.number(),
  slot_ms: z.number().nullable().describe('When it had a slot, until when it waited in the region’s queue.'),
  sent_ms: z.number().nullable(),
  first_byte_ms: z.number().nullable(),
  ended_ms: z.number(),
})

const contentOut = z.object({
  headers: z.record(z.string(), z.string()),
  body: z.string().nullable().describe('JSON, also of a form, without its secrets; null: it cannot be shown.'),
  bytes: z.int().describe('Of the body as it was received.'),
  cut: z.boolean().describe('The rest of it is left out.'),
})

/** A webhook as it is written down. */
export const storyOut = z.object({
  id: z.string().describe('The delivery id, which the regions know it by as well.'),
  gateway: z.string().describe('The instance that it came to.'),
  received_at: z.iso.datetime(),
  surface: z.string(),
  type: z.string().nullable(),
  outcome: z.string().describe('How it ended: the rule, the error’s code, or the kind of ending.'),
  rule: z.string().nullable().describe('By which the gateway answered by itself.'),
  code: z.string().nullable().describe('The error’s.'),
  failed: z.boolean().describe('Somebody went without.'),
  status: z.int().nullable().describe('What the provider got; null: it went away without an answer.'),
  answered_ms: z.number().describe('When, in milliseconds after the first byte.'),
  budget_ms: z.number().nullable().default(null).describe('When it had to be; null: written before this was.'),
  answered_from: z.string().nullable().describe('The region whose reply was passed on.'),
  running: z.boolean().describe('A region had not come to its end when this was written.'),
  door,
  request,
  installation,
  verified_by: z
    .object({ app_id: z.string().nullable(), fingerprint: z.string().nullable() })
    .nullable()
    .describe('The secret that its signature was made with, as GET /api/secrets lists it.'),
  lookup,
  integration,
  organizations,
  hint,
  plan,
  regions: z.array(
    z.object({
      name: z.string(),
      state: z.enum(['active', 'draining', 'down']).nullable(),
      organizations: z.array(z.string()),
      planned: z.boolean(),
    }),
  ),
  attempts: z.array(attemptOut),
  content: contentOut.nullable().describe('As RECORD_BODIES says.'),
})

export type Story = z.output<typeof storyOut>

/** Where a webhook led, which is the same for all that go there. */
export interface Way extends Pick<Story, 'integration' | 'organizations'> {
  readonly regions: readonly Omit<Story['regions'][number], 'planned'>[]
}

export type OwnStory = Omit<Story, keyof Way>

/** A webhook as it is written down. */
export interface Entry {
  readonly story: OwnStory
  /** The installation's key. */
  readonly installation: string | null
  readonly dedupKey: string | null
  readonly way: Way
}

/** The story as it is told, of its two parts. */
export function wholeStory({ story, way }: Pick<Entry, 'story' | 'way'>): Story {
  const planned = new Set(story.plan?.regions)
  return {
    ...story,
    ...way,
    regions: way.regions.map((region) => ({ ...region, planned: planned.has(region.name) })),
  }
}

export type RecordBodies = 'off' | 'failures' | 'all'

/** Puts into words what has happened to a webhook. What a request knows of secrets stays out of it. */
export function entryOf(happened: Happened, of: { gateway: string; bodies: RecordBodies }): Entry {
  const { request: asked, idempotencyKey, resolution } = happened
  const route = resolution?.kind === 'routed' ? resolution.route : undefined
  const known = route?.integration ?? (resolution?.kind === 'inactive' ? resolution.integration : undefined)
  return {
    story: storyOf(happened, of),
    installation: asked === undefined ? null : short(nameOf(asked)),
    dedupKey: idempotencyKey ?? null,
    way: known === undefined ? nowhere : wayTo(route ?? known),
  }
}

/** What is known of a way has been put into words once: nearly every webhook goes one that others have gone. */
const ways = new WeakMap<Route | Integration, Way>()
const nowhere: Way = { integration: null, organizations: [], regions: [] }

function wayTo(to: Route | Integration): Way {
  const before = ways.get(to)
  if (before !== undefined) return before
  const way: Way =
    'regions' in to
      ? {
          integration: describeIntegration(to.integration),
          organizations: to.organizations.map((one) => ({
            ...describeOrganization({ ...one, linkStatus: 'active' }),
            included: true,
            why_not: null,
          })),
          regions: to.regions.map(({ name, region, organizations }) => ({
            name,
            state: region?.state ?? null,
            organizations: organizations.map(({ id }) => id),
          })),
        }
      : { ...nowhere, integration: describeIntegration(to) }
  ways.set(to, way)
  return way
}

/** Of what is not, nobody need hold the body until it is written. */
export function showsBody({ door, failed }: Pick<Happened, 'door' | 'failed'>, bodies: RecordBodies): boolean {
  return door.kind === 'webhook' && (bodies === 'all' || (bodies === 'failures' && failed))
}

function storyOf(happened: Happened, { gateway, bodies }: { gateway: string; bodies: RecordBodies }): OwnStory {
  const { provider, door, receivedAt, webhook, request: asked, resolution, plan: chosen, record, failed } = happened
  const hintUse = resolution?.kind === 'routed' ? resolution.route.hint : undefined
  const type = asked === undefined ? null : short(clean(asked.type, happened))
  return {
    id: record.delivery,
    gateway,
    received_at: new Date(receivedAt).toISOString(),
    surface: record.surface,
    type,
    outcome: record.outcome,
    rule: record.rule ?? null,
    code: record.code ?? null,
    failed,
    status: record.status ?? null,
    answered_ms: round(record.answeredMs),
    budget_ms: round(happened.budgetMs),
    answered_from: record.answeredFrom ?? null,
    running: !happened.isOver,
    door: { provider: provider.name, kind: door.kind, surface: door.surface },
    request:
      asked === undefined || type === null
        ? null
        : { surface: asked.surface, type, promised: provider.promise(asked).kind },
    installation: asked === undefined ? null : installationOf(asked),
    verified_by: asked === undefined ? null : { app_id: asked.signedBy || null, fingerprint: asked.verifiedBy ?? null },
    lookup: lookupOf(resolution),
    hint: asked === undefined || hintUse === undefined ? null : hintShown(asked, hintUse),
    plan:
      chosen === undefined || asked === undefined
        ? null
        : { kind: chosen.kind, rule: provider.planRule(asked), regions: chosen.regions.map(({ name }) => name) },
    attempts: (record.regions ?? []).map((result) => attemptOf(result, 1)),
    content: webhook !== undefined && showsBody(happened, bodies) ? redacted(webhook, provider.disclosure) : null,
  }
}

/** What a user has typed is shown only where the directory knows it as well. */
function hintShown({ hint: asked }: RoutableRequest, use: 'none' | 'used' | 'ignored'): Story['hint'] {
  const shown = asked === undefined ? null : hintOf(asked, use)
  return shown !== null && shown.use === 'ignored' && shown.by === 'slug' ? { ...shown, names: [] } : shown
}

export function attemptOf(result: RegionRecord, number: number): z.output<typeof attemptOut> {
  return {
    region: result.region,
    number,
    result: result.result,
    status: result.status ?? null,
    cause: result.cause ?? null,
    breaker: result.breaker ?? null,
    started_ms: result.startedMs,
    slot_ms: result.slotMs ?? null,
    sent_ms: result.sentMs ?? null,
    first_byte_ms: result.firstByteMs ?? null,
    ended_ms: result.endedMs,
  }
}

function nameOf({ installation: key }: RoutableRequest): string {
  return key.by === 'id' ? keyText(key) : key.externalId
}

function clean(text: string, { provider }: Happened): string {
  return text.replace(provider.disclosure.secretText, REDACTED)
}

/** What a database takes as a text, and no more of it than anybody reads. */
function short(text: string): string {
  return text.slice(0, 200).replaceAll('\0', '\uFFFD').toWellFormed()
}

const round = (ms: number): number => Math.round(ms * 100) / 100
