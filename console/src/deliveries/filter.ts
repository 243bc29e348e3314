import { filled, given } from '../parts/field.tsx'
import type { DeliveryListing } from '../shapes.ts'

const names = [
  'surface',
  'type',
  'outcome',
  'status',
  'failed',
  'region',
  'installation',
  'integration_id',
  'organization_id',
  'from',
  'until',
  /** Occurs somewhere in what a delivery is found by. */
  'q',
] as const

/** Which deliveries are wanted, as the address has it and as the API takes it: times ISO 8601, in UTC. */
export type Filter = Readonly<Partial<Record<(typeof names)[number], string>>>

/** What in an address is a filter of deliveries. */
export function filterIn(query: URLSearchParams): Filter {
  return given(query, names)
}

/** What was filled in, as a filter: times as this machine's clock has them. */
export function filterOf(form: HTMLFormElement): Filter {
  const { from, until, ...rest } = filled(form, names)
  return {
    ...rest,
    ...(from !== undefined && { from: new Date(from).toISOString() }),
    ...(until !== undefined && { until: new Date(until).toISOString() }),
  }
}

/** For an `input` of local time, to the second. */
export function localTime(iso: string | undefined): string {
  if (iso === undefined) return ''
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return ''
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}

/** The filter that the API applies to what is stored, applied to what has just come. */
export function isWanted(one: DeliveryListing, filter: Filter): boolean {
  const { surface, type, outcome, status, failed, region, installation, integration_id, organization_id } = filter
  const { from, until, q } = filter
  if (surface !== undefined && one.surface !== surface) return false
  if (type !== undefined && one.type !== type) return false
  if (outcome !== undefined && one.outcome !== outcome) return false
  if (status !== undefined && String(one.status) !== status) return false
  if (failed !== undefined && String(one.failed) !== failed) return false
  if (region !== undefined && !one.regions.includes(region)) return false
  if (installation !== undefined && one.installation !== installation) return false
  if (integration_id !== undefined && one.integration_id !== integration_id) return false
  if (organization_id !== undefined && !one.organizations.includes(organization_id)) return false
  if (from !== undefined && Date.parse(one.received_at) < Date.parse(from)) return false
  if (until !== undefined && Date.parse(one.received_at) >= Date.parse(until)) return false
  if (q === undefined) return true
  const searched = [one.id, one.surface, one.type, one.installation, one.outcome, ` ${one.regions.join(' ')} `]
  return searched.some((text) => text?.toLowerCase().includes(q.toLowerCase()))
}
