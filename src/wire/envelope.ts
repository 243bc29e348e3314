/** What a region is told about a webhook besides the webhook itself. */
export interface Envelope {
  readonly delivery: string
  readonly region: string
  readonly integration: string
  /** The ids this region is asked for. */
  readonly organizations: readonly string[]
  /** How often each of them has moved, in the same order. */
  readonly epochs: readonly (readonly [organization: string, epoch: number])[]
  readonly attempt: number
  /** Milliseconds until the provider must be answered. */
  readonly deadlineMs: number
  /** Unix milliseconds. */
  readonly receivedAt: number
}

/** An envelope as a region reads it; `'*'`: too many to name, the region looks them up by the integration. */
export interface ReceivedEnvelope {
  readonly delivery: string
  readonly region: string
  readonly integration: string
  readonly organizations: string[] | '*'
  readonly attempt: number
  readonly deadlineMs: number
  readonly receivedAt: number
}

/** Common servers take 8 KiB of headers in all, so one list may not eat more than half of it. */
const longestList = 4096

/**
 * The `Silo-*` headers as a flat name, value list, in lower case: so they are signed, and undici need not ask what each
 * of them is. A list above 4 KiB becomes `*`. The epochs are never listed without
 * the organizations: where those are `*`, or where the epochs alone pass 4 KiB, `Silo-Epoch` is `*` as well.
 */
export function envelopeHeaders(envelope: Envelope): string[] {
  const organizations = listed(envelope.organizations.join(','))
  const epochs = organizations === '*' ? '*' : listed(epochList(envelope.epochs))
  return [
    'silo-delivery',
    envelope.delivery,
    'silo-region',
    envelope.region,
    'silo-integration',
    envelope.integration,
    'silo-organizations',
    organizations,
    'silo-epoch',
    epochs,
    'silo-attempt',
    String(envelope.attempt),
    'silo-deadline',
    String(Math.max(0, Math.floor(envelope.deadlineMs))),
    'silo-received-at',
    String(Math.floor(envelope.receivedAt)),
  ]
}

/**
 * Reads the headers back; `field` gives the value of a lower-case name. Undefined when one of them is missing or is
 * not what the gateway writes. `Silo-Epoch` is left to whoever keeps epochs.
 */
export function readEnvelope(field: (name: string) => string | undefined): ReceivedEnvelope | undefined {
  const delivery = field('silo-delivery')
  const region = field('silo-region')
  const integration = field('silo-integration')
  const organizations = field('silo-organizations')
  const attempt = wholeNumber(field('silo-attempt'))
  const deadlineMs = wholeNumber(field('silo-deadline'))
  const receivedAt = wholeNumber(field('silo-received-at'))
  if (!delivery || !region || !integration || organizations === undefined) return undefined
  if (attempt === undefined || deadlineMs === undefined || receivedAt === undefined) return undefined
  const ids = readOrganizations(organizations)
  if (ids === undefined) return undefined
  return { delivery, region, integration, organizations: ids, attempt, deadlineMs, receivedAt }
}

function listed(text: string): string {
  return text.length > longestList ? '*' : text
}

function epochList(epochs: Envelope['epochs']): string {
  let text = ''
  for (const [organization, epoch] of epochs) text += `${text === '' ? '' : ', '}${organization}=${epoch}`
  return text
}

function readOrganizations(value: string): string[] | '*' | undefined {
  if (value === '*') return '*'
  if (value === '') return []
  const ids = value.split(',').map((id) => id.trim())
  return ids.includes('') || ids.includes('*') ? undefined : ids
}

function wholeNumber(value: string | undefined): number | undefined {
  if (value === undefined || !/^\d{1,15}$/.test(value)) return undefined
  return Number(value)
}
