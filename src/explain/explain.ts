import { decide, type Circumstances, type Course, type Decision } from '../decide.ts'
import { mailboxesBefore } from '../delivery/home.ts'
import type { InstallationKey, Integration } from '../directory/directory.ts'
import type { Inspection, LinkedOrganization } from '../directory/find-installation.ts'
import type { BreakerState } from '../dispatch/breaker.ts'
import { catalogue, Refusal } from '../errors.ts'
import type { Provider, Reply, RequestHead, RoutableRequest } from '../provider.ts'
import type { Topology } from '../regions/regions.ts'
import type { RoutedRegion } from '../resolve/route.ts'
import { overrideOf, type RegionOverrides } from '../steering/region-overrides.ts'
import { describeIntegration, describeOrganization, hintOf, installationOf, lookupOf } from './describe.ts'
import { nothingKnown, type ExplainIn, type Explanation, type Facts } from './explanation.ts'
import { inWords } from './in-words.ts'

/** What decisions are made of here and now. */
export interface ExplainParts extends Circumstances {
  readonly providers: readonly Provider[]
  /** What the database has of an installation, with all that the directory leaves out. */
  readonly inspect: (key: InstallationKey) => Promise<Inspection | undefined>
  /** As `regions.yaml` has it; `topology` is what is in effect. */
  readonly file: Topology
  readonly overrides: RegionOverrides
  /** Undefined where there is no gateway that would know. */
  readonly breaker: (region: string) => BreakerState | undefined
  readonly rateLimitPerMinute: number | undefined
  readonly maxBodyBytes: number
}

/**
 * What the gateway would do with a webhook and why: the same decision as the journey's, with nothing proven, sent,
 * counted or stored. What would be refused is explained as well.
 */
export async function explain(asked: ExplainIn, parts: ExplainParts): Promise<Explanation> {
  const facts = await factsOf(asked, parts)
  return { ...facts, lines: inWords(facts) }
}

async function factsOf(asked: ExplainIn, parts: ExplainParts): Promise<Facts> {
  const path = asked.path.replace(/\?.*$/s, '')
  const found = doorAt(path, parts.providers)
  if (found === undefined)
    return { ...nothingKnown, outcome: refusedBy(new Refusal('not_found', 'The path is no webhook.')) }
  const { provider, door } = found
  const known = { ...nothingKnown, door: { provider: provider.name, kind: door.kind, surface: door.surface } }
  if (door.kind === 'control_page') return { ...known, outcome: { kind: 'control_page', status: null } }
  try {
    const bytes = Buffer.from(asked.body)
    if (bytes.length > parts.maxBodyBytes) {
      throw new Refusal('body_too_large', `At most ${parts.maxBodyBytes} bytes are read of this request.`)
    }
    const read = await provider.read(door, { contentType: asked.content_type, bytes, appId: asked.app_id })
    if (read.kind === 'answered') {
      return { ...known, outcome: { kind: 'answered_here', status: read.reply.status, rule: read.rule } }
    }
    return { ...known, ...(await decisionOn(provider, read.request, parts)) }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { ...known, outcome: refusedBy(error) }
  }
}

function doorAt(path: string, providers: readonly Provider[]) {
  for (const provider of providers) {
    const door = provider.match(path)
    if (door !== undefined) return { provider, door }
  }
  return undefined
}

async function decisionOn(provider: Provider, request: RoutableRequest, parts: ExplainParts) {
  const decision = await decide(provider, request, parts)
  const { course, resolution } = decision
  // What the directory leaves out is told where the database can be asked, and is no reason to say nothing where not.
  const inspected =
    resolution === undefined ? undefined : await parts.inspect(request.installation).catch(() => undefined)
  const route = resolution?.kind === 'routed' ? resolution.route : undefined
  const integration = route?.integration ?? (resolution?.kind === 'inactive' ? resolution.integration : undefined)
  const planned: readonly RoutedRegion[] = course.kind === 'planned' ? course.plan.regions : []
  return {
    request: { surface: request.surface, type: request.type, promised: decision.promised.kind },
    installation: installationOf(request),
    lookup: lookupOf(resolution),
    integration: integration === undefined ? null : describeIntegration(integration),
    organizations: (inspected?.organizations ?? route?.organizations.map(served) ?? []).map((organization) => ({
      ...describeOrganization(organization),
      ...inclusionOf(organization, decision, integration),
    })),
    hint: request.hint === undefined || route === undefined ? null : hintOf(request.hint, route.hint),
    plan:
      course.kind === 'planned'
        ? { kind: course.plan.kind, rule: provider.planRule(request), regions: planned.map(({ name }) => name) }
        : null,
    regions: (route?.regions ?? []).map((region) => ({
      ...describeRegion(region, parts),
      planned: planned.includes(region),
      ...(planned.includes(region)
        ? expectationOf(region, provider, decision, parts)
        : { expected: 'not_asked' as const, why: null }),
    })),
    shed: course.kind === 'shed' ? shedBy(course) : null,
    rate_limit_per_minute: course.kind === 'planned' ? (parts.rateLimitPerMinute ?? null) : null,
    outcome: outcomeOf(provider, request, decision),
  } satisfies Omit<Facts, 'door'>
}

function outcomeOf(provider: Provider, request: RoutableRequest, { course, promised }: Decision): Facts['outcome'] {
  switch (course.kind) {
    case 'shed': {
      const { rule } = course
      if (rule.answer === 'ok') {
        return { kind: 'shed', status: provider.acknowledge(request).status, retry_after_seconds: null }
      }
      return { kind: 'shed', status: catalogue.shed.status, retry_after_seconds: rule.retry_after_seconds }
    }
    case 'wait_for_home':
      return { kind: 'waits_for_home', status: provider.acknowledge(request).status }
    case 'directory_away':
      return { kind: 'directory_away', status: 503 }
    case 'unknown_integration':
      return { kind: 'unknown_integration', status: statusOf(() => provider.unknownIntegration(request, FIRST_TRY)) }
    case 'inactive':
      return { kind: 'inactive', status: statusOf(() => provider.inactive(request)) }
    case 'planned':
      return {
        kind: 'dispatched',
        status: promised.kind === 'delivery' ? provider.acknowledge(request).status : null,
      }
  }
}

/** A body alone does not tell how often the provider has tried. */
const FIRST_TRY: RequestHead = { method: 'POST', target: '', headers: {}, rawHeaders: [] }

function statusOf(reply: () => Reply): number {
  try {
    return reply().status
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return catalogue[error.code].status
  }
}

function refusedBy({ code, message }: Refusal): Facts['outcome'] {
  return { kind: 'refused', status: catalogue[code].status, code, detail: message }
}

function served(organization: Omit<LinkedOrganization, 'linkStatus'>): LinkedOrganization {
  return { ...organization, linkStatus: 'active' }
}

type Inclusion = Pick<Facts['organizations'][number], 'included' | 'why_not'>

function inclusionOf(
  { id, status, linkStatus }: LinkedOrganization,
  { resolution }: Decision,
  integration: Integration | undefined,
): Inclusion {
  const out = (why_not: Inclusion['why_not']): Inclusion => ({ included: false, why_not })
  const route = resolution?.kind === 'routed' ? resolution.route : undefined
  if (route?.organizations.some((organization) => organization.id === id)) return { included: true, why_not: null }
  if (integration?.status === 'disabled') return out('integration_disabled')
  if (linkStatus === 'disabled') return out('link_disabled')
  if (status === 'disabled') return out('organization_disabled')
  return out(route?.hint === 'used' ? 'not_hinted' : 'not_remembered')
}

function describeRegion({ name, region, organizations }: RoutedRegion, { file, overrides, breaker }: ExplainParts) {
  return {
    name,
    state: region?.state ?? null,
    file_state: file.byName.get(name)?.state ?? null,
    override: overrideOf(name, overrides) ?? null,
    breaker: breaker(name) ?? null,
    organizations: organizations.map(({ id }) => id),
  }
}

/** What would become of it there, were it to come now. */
function expectationOf(
  routed: RoutedRegion,
  provider: Provider,
  { promised, resolution }: Decision,
  { mailboxes, breaker }: ExplainParts,
): Pick<Facts['regions'][number], 'expected' | 'why'> {
  const mayWait = promised.kind === 'delivery'
  const why = obstacleIn(routed, breaker)
  if (why !== undefined) return { expected: mayWait ? 'waits' : 'fails', why }
  if (mayWait && resolution?.kind === 'routed') {
    const { id: integration } = resolution.route.integration
    const asked = { ...routed, organizations: routed.organizations.filter(({ held }) => !held) }
    const before = mailboxesBefore(asked, { provider: provider.name, integration })
    if (before.some((address) => mailboxes.mustWait(address))) return { expected: 'waits', why: 'spooled' }
  }
  return { expected: 'asked', why: null }
}

/** As the region's result would have it. */
function obstacleIn(
  { name, region, organizations }: RoutedRegion,
  breaker: ExplainParts['breaker'],
): string | undefined {
  if (organizations.every(({ held }) => held)) return 'held'
  if (region === undefined) return 'unknown_region'
  if (region.state === 'down') return 'region_down'
  if (region.state === 'draining') return 'region_draining'
  return breaker(name) === 'open' ? 'circuit_open' : undefined
}

function shedBy({ rule }: Course & { kind: 'shed' }): Facts['shed'] {
  return { provider: rule.provider, integration_id: rule.integration_id ?? null, answer: rule.answer }
}
