import type { Facts } from './explanation.ts'

/** A decision as a person reads it: a line a step, as far as it gets, and at the end what would happen. */
export function inWords(facts: Facts): string[] {
  return [
    ...requestLines(facts),
    ...directoryLines(facts),
    ...facts.regions.map(regionLine),
    ...planLines(facts),
    ...limitLines(facts),
    `outcome: ${outcomeLine(facts)}`,
  ]
}

/** What it is. */
export function requestLines({ door, request }: Pick<Facts, 'door' | 'request'>): string[] {
  if (door === null) return ['path: nobody’s']
  const at = `path: ${door.provider}, ${door.kind.replace('_', ' ')} (${door.surface})`
  return request === null ? [at] : [at, `request: ${request.surface}, type ${request.type || 'none'}`]
}

/** Whose it is. */
export function directoryLines(
  facts: Pick<Facts, 'installation' | 'lookup' | 'integration' | 'organizations' | 'hint'>,
): string[] {
  return [
    ...installationLines(facts),
    ...lookupLines(facts),
    ...facts.organizations.map(organizationLine),
    ...hintLines(facts),
  ]
}

function installationLines({ installation }: Pick<Facts, 'installation'>): string[] {
  if (installation === null) return []
  const { external_id, enterprise_id, integration_id, app_id, found_in } = installation
  const key = integration_id === null ? external_id : `integration ${integration_id}`
  const beside = enterprise_id === null ? '' : `, of enterprise ${enterprise_id}`
  return [`installation: ${key}${beside}, app ${app_id ?? 'not known'}, found in ${found_in}`]
}

function lookupLines({ lookup, integration }: Pick<Facts, 'lookup' | 'integration'>): string[] {
  if (lookup === null) return []
  const age = lookup.age_ms === null ? '' : `, ${lookup.age_ms} ms old`
  const line = `directory: ${lookup.verdict}${age}`
  if (integration === null) return [line]
  const { id, name, status } = integration
  return [line, `integration: ${id} ${quoted(name)}, ${status}`]
}

const whyNot: Readonly<Record<NonNullable<Facts['organizations'][number]['why_not']>, string>> = {
  integration_disabled: 'its integration is disabled',
  link_disabled: 'its link is disabled',
  organization_disabled: 'it is disabled',
  not_hinted: 'the request names another',
  not_remembered: 'the database has it, but this gateway remembers what was there before',
}

function organizationLine({ id, slug, region, held, why_not: why }: Facts['organizations'][number]): string {
  const reason = why === null ? (held ? ' (held)' : '') : `: ${whyNot[why]}`
  return `organization: ${id} ${slug} in ${region}, ${why === null ? 'in' : 'out'}${reason}`
}

function hintLines({ hint }: Pick<Facts, 'hint'>): string[] {
  if (hint === null) return []
  const by = hint.by === 'id' ? 'organization' : 'slug'
  const named = `the request names ${hint.names.length === 0 ? `another ${by}` : `${by} ${hint.names.join(', ')}`}`
  return [`hint: ${named}, ${hint.use === 'used' ? 'used' : 'ignored, since none of them is of this integration'}`]
}

const whyNotAsked: Readonly<Record<string, string>> = {
  held: 'all its organizations are held',
  unknown_region: 'regions.yaml does not know it',
  region_down: 'it is down',
  region_draining: 'it is draining',
  circuit_open: 'its breaker is open',
  spooled: 'others wait before it',
}

function regionLine(region: Facts['regions'][number]): string {
  const { name, state, file_state, override, breaker, organizations, expected, why } = region
  const told = override === null ? '' : ` (told so; ${file_state ?? 'unknown'} in regions.yaml)`
  const known = `${state ?? 'unknown'}${told}${breaker === null ? '' : `, breaker ${breaker.replace('_', ' ')}`}`
  const reason = why === null ? '' : `: ${whyNotAsked[why] ?? why}`
  return `region: ${name} ${known}, organizations ${organizations.join(', ')}, ${happens[expected]}${reason}`
}

const happens = {
  asked: 'would be asked',
  waits: 'would get it later, from its mailbox',
  fails: 'would count as failed',
  not_asked: 'would not be asked',
} as const

/** Whom the rules choose. */
export function planLines({ plan }: Pick<Facts, 'plan'>): string[] {
  if (plan === null) return []
  return [
    `plan: ${plan.kind === 'first' ? 'the first region' : 'all regions'}, ${plan.regions.join(', ')} (${plan.rule})`,
  ]
}

function limitLines({ shed, rate_limit_per_minute: limit }: Facts): string[] {
  return [
    ...(shed === null
      ? []
      : [
          `shed: by the rule of ${shed.integration_id === null ? `provider ${shed.provider}` : `integration ${shed.integration_id}`}`,
        ]),
    ...(limit === null ? [] : [`limit: ${limit} webhooks a minute for this integration`]),
  ]
}

function outcomeLine(facts: Facts): string {
  const { outcome } = facts
  switch (outcome.kind) {
    case 'refused':
      return `refused with ${outcome.status} ${outcome.code}: ${outcome.detail}`
    case 'answered_here':
      return `answered here with ${outcome.status}, by the rule ${outcome.rule}`
    case 'control_page':
      return 'a page of the control silo, which no region is asked for'
    case 'shed':
      return `shed with ${outcome.status}${outcome.retry_after_seconds === null ? '' : `, to be sent again after ${outcome.retry_after_seconds} s`}`
    case 'unknown_integration':
      return `answered with ${outcome.status}: no integration is known for this installation`
    case 'inactive':
      return `answered with ${outcome.status}: the integration is disabled, or no active organization is linked to it`
    case 'directory_away':
      return `failed with ${outcome.status}: the directory cannot be asked and remembers nothing`
    case 'waits_for_home':
      return `answered with ${outcome.status}, and waits until the directory can say whose it is`
    case 'dispatched':
      return dispatchedLine(facts, outcome.status)
  }
}

/** Such as `event: sent to us; eu is down, waits`. */
function dispatchedLine({ request, regions }: Facts, status: number | null): string {
  const planned = regions.filter((region) => region.planned)
  const asked = planned.filter(({ expected }) => expected === 'asked').map(({ name }) => name)
  const parts = [
    ...(asked.length === 0 ? [] : [`sent to ${asked.join(', ')}`]),
    ...planned
      .filter(({ expected }) => expected !== 'asked')
      .map(
        ({ name, expected, why }) =>
          `${name} ${shortly[why ?? ''] ?? why}, ${expected === 'waits' ? 'waits' : 'fails'}`,
      ),
  ]
  return `${request?.surface}: ${parts.join('; ')}${status === null ? '' : `; answered with ${status}`}`
}

const shortly: Readonly<Record<string, string>> = {
  held: 'has only organizations that are held',
  unknown_region: 'is unknown',
  region_down: 'is down',
  region_draining: 'is draining',
  circuit_open: 'does not answer',
  spooled: 'has others waiting',
}

/** A name may be anybody's words: they neither break a line nor drive a terminal. */
function quoted(text: string): string {
  return JSON.stringify(text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' '))
}
