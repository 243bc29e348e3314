import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { Directory, Id, InstallationKey, Organization } from '../directory/directory.ts'
import type { Forward } from '../dispatch/forward.ts'
import type { OrganizationHint, Provider } from '../provider.ts'
import type { Topology } from '../regions/regions.ts'
import type { Resolution } from '../resolve/resolve.ts'
import { framed, unframed } from '../spool/framed.ts'
import type { Sealer } from '../spool/seal.ts'
import { NO_PROGRESS, regionOf, type MailboxAddress, type NewRow, type WaitingRow } from '../spool/spool.ts'
import type { Alarms } from '../telemetry/alarm.ts'
import type { Fetched } from './follow.ts'
import { homeOf, type Owner } from './home.ts'
import { judge, type Judgement } from './judge.ts'
import { pack, unpack, type Kept } from './kept.ts'

/** Everything an attempt at a waiting delivery needs; what a reload may change is asked for each time. */
export interface AttemptParts {
  readonly clock: Clock
  readonly alarms: Alarms
  /** Asked each time, whatever anybody remembers: what waits must not go where an organization has moved away from. */
  readonly directory: Pick<Directory, 'find'>
  readonly topology: () => Topology
  readonly resolve: (request: {
    readonly installation: InstallationKey
    readonly hint: OrganizationHint | undefined
  }) => Promise<Resolution>
  readonly provider: (name: string) => Provider | undefined
  readonly sealer: () => Sealer
  readonly forward: Forward
  /** Fetches what waits where an organization has lived before, and goes before the row that waits where it lives now. */
  readonly fetchEarlier: (
    one: Organization,
    home: MailboxAddress & { kind: 'region' },
    row: WaitingRow,
  ) => Promise<Fetched>
  /** Whether the claim on the mailbox still stands: asked right before it is sent. */
  readonly maySend: () => boolean
}

/** How an attempt at a mailbox's head came out. */
export type Attempted =
  | { readonly kind: 'judged'; readonly judgement: Judgement }
  /** It belongs into other mailboxes: where its organizations live now. */
  | { readonly kind: 'moved'; readonly rows: readonly NewRow[] }
  /** Others that have come to its mailbox go before it. */
  | { readonly kind: 'behind' }
  /** Nobody is left who could take it. */
  | { readonly kind: 'dead'; readonly reason: string }
  /** It cannot be read or signed with what this gateway has been given, and an operator can mend that. */
  | { readonly kind: 'stuck'; readonly reason: string }

/** What is kept of a webhook whose organizations could not be looked up: what it takes to do so later. */
export interface Unresolved {
  readonly installation: InstallationKey
  readonly hint: OrganizationHint | undefined
  readonly to: 'first' | 'all'
}

/**
 * Makes one attempt at a waiting delivery, for the organizations as they live now: one that has moved, is held or was
 * released takes what waits for it along. Signs it anew, since by now the provider's own signature would look like a
 * replay.
 */
export async function attempt(address: MailboxAddress, row: WaitingRow, parts: AttemptParts): Promise<Attempted> {
  const { delivery } = row
  const opened = parts.sealer().open(row.payload, { delivery, region: regionOf(address) })
  if (opened.kind === 'not_authentic') {
    parts.alarms.raise('error', 'spool: not authentic', { delivery }, 'A waiting delivery was changed; it is not sent')
    return { kind: 'dead', reason: opened.kind }
  }
  if (opened.kind !== 'opened') return { kind: 'stuck', reason: opened.kind }
  const { plain } = opened
  const read = <Content>(from: (packed: Buffer) => Content): Content | undefined => {
    try {
      return from(plain)
    } catch {
      parts.alarms.raise(
        'error',
        'spool: unreadable',
        { delivery },
        'A waiting delivery cannot be read; it is not sent',
      )
      return undefined
    }
  }
  if (address.kind === 'unresolved') {
    const content = read(unpackUnresolved)
    return content === undefined ? unreadable : await findHome(address, row, content, parts)
  }
  const kept = read(unpack)
  return kept === undefined ? unreadable : await deliver(address, row, kept, parts)
}

const unreadable: Attempted = { kind: 'dead', reason: 'unreadable' }

async function deliver(
  address: Exclude<MailboxAddress, { kind: 'unresolved' }>,
  row: WaitingRow,
  kept: Kept,
  parts: AttemptParts,
): Promise<Attempted> {
  const { provider: name, integration } = address
  const found = await parts.directory.find({ by: 'id', provider: name, id: integration })
  // What is remembered is not good enough: the store that does not answer may say by now that it has moved.
  if (found.verdict === 'unknown' || found.verdict === 'stale') return notTried('directory_away')
  if (found.verdict === 'absent') return { kind: 'dead', reason: 'unknown_integration' }
  if (found.installation.integration.status !== 'active') return { kind: 'dead', reason: 'inactive' }
  const organizations = found.installation.organizations.filter(({ id }) => row.organizations.includes(id))
  if (organizations.length === 0) return { kind: 'dead', reason: 'no_organization' }

  const isHome = (one: Organization): boolean => regionOf(homeOf(one, address)) === regionOf(address)
  if (!organizations.every(isHome)) return { kind: 'moved', rows: rowsAtHome(address, organizations, row, kept, parts) }
  if (address.kind === 'held') return notTried('held')

  const fetched = new Set<Fetched>()
  for (const one of organizations) fetched.add(await parts.fetchEarlier(one, address, row))
  if (fetched.has('some')) return { kind: 'behind' }
  if (fetched.has('busy')) return notTried('following')

  const { region } = address
  const { what, signedBy } = kept
  const provider = parts.provider(name)
  const rawHeaders = provider?.signAgain({ rawHeaders: what.headers, body: what.body, signedBy })
  if (rawHeaders === undefined) return { kind: 'stuck', reason: 'no_signing_secret' }
  const result = await parts.forward(
    { ...what, headers: rawHeaders },
    { integration, destination: { name: region, region: parts.topology().byName.get(region), organizations } },
    { kind: 'deferred', priority: 'mailbox', number: row.attempts + 1, maySend: parts.maySend },
  )
  return { kind: 'judged', judgement: judge(result, parts.clock.now()) }
}

/** Whether the organization of a mailbox is held, or nobody can say. `directory` is asked as `AttemptParts` has it. */
export async function isHeld(
  { provider, integration, organization }: MailboxAddress & { kind: 'held' },
  directory: Pick<Directory, 'find'>,
): Promise<boolean> {
  const found = await directory.find({ by: 'id', provider, id: integration })
  if (found.verdict === 'unknown' || found.verdict === 'stale') return true
  if (found.verdict === 'absent') return false
  return found.installation.organizations.some(({ id, held }) => id === organization && held)
}

async function findHome(
  { provider }: MailboxAddress,
  row: WaitingRow,
  { unresolved, kept }: { unresolved: Unresolved; kept: Kept },
  parts: AttemptParts,
): Promise<Attempted> {
  const resolution = await parts.resolve(unresolved)
  switch (resolution.kind) {
    case 'unknown':
      return notTried('directory_away')
    case 'absent':
      return { kind: 'dead', reason: 'unknown_integration' }
    case 'inactive':
      return { kind: 'dead', reason: 'inactive' }
    case 'routed': {
      const { integration, regions } = resolution.route
      const planned = unresolved.to === 'first' ? regions.slice(0, 1) : regions
      const organizations = planned.flatMap((region) => region.organizations)
      const owner = { provider, integration: integration.id }
      return { kind: 'moved', rows: rowsAtHome(owner, organizations, row, kept, parts) }
    }
  }
}

/** What takes the place of a row: one for each mailbox that its organizations' webhooks wait in. */
function rowsAtHome(
  owner: Owner,
  organizations: readonly Organization[],
  { delivery, dedupKey, receivedAt }: WaitingRow,
  kept: Kept,
  { sealer }: AttemptParts,
): NewRow[] {
  const homes = new Map<string, { mailbox: MailboxAddress; ids: Id[] }>()
  for (const organization of organizations) {
    const mailbox = homeOf(organization, owner)
    const home = homes.get(regionOf(mailbox)) ?? { mailbox, ids: [] }
    homes.set(regionOf(mailbox), home)
    home.ids.push(organization.id)
  }
  return [...homes].map(([region, { mailbox, ids }]) => ({
    mailbox,
    delivery,
    dedupKey,
    receivedAt,
    organizations: ids,
    payload: sealer().seal(pack(kept), { delivery, region }),
    // It was let in when it came; a quota that is full by now must not lose it.
    maxSpoolBytes: undefined,
    state: { kind: 'waiting', ...NO_PROGRESS },
  }))
}

function notTried(reason: string): Attempted {
  return { kind: 'judged', judgement: { kind: 'transient', reason, why: 'not_tried', retryAfterMs: undefined } }
}

/** An installation key as it is written down with what waits for it. */
export const writtenInstallation = z.union([
  z.object({ by: z.literal('id'), provider: z.string(), id: z.string() }),
  z.object({
    by: z.literal('external'),
    provider: z.string(),
    appId: z.string(),
    externalId: z.string(),
    enterpriseId: z.string().exactOptional(),
  }),
])

const writtenUnresolved = z.object({
  installation: writtenInstallation,
  // What is undefined is not there in JSON.
  hint: z
    .union([
      z.object({ by: z.literal('id'), ids: z.array(z.string()) }),
      z.object({ by: z.literal('slug'), slugs: z.array(z.string()), pick: z.enum(['one', 'those']) }),
    ])
    .optional(),
  to: z.enum(['first', 'all']),
})

export function packUnresolved(unresolved: Unresolved, kept: Kept): Buffer {
  return framed(unresolved, pack(kept))
}

function unpackUnresolved(packed: Buffer): { unresolved: Unresolved; kept: Kept } {
  const { description, bytes } = unframed(packed)
  const { hint, ...rest } = writtenUnresolved.parse(description)
  return { unresolved: { ...rest, hint }, kept: unpack(bytes) }
}
