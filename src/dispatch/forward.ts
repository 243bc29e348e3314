import type { Clock } from '../clock.ts'
import type { Id, Organization } from '../directory/directory.ts'
import type { Ids } from '../ids.ts'
import type { ReceivedWebhook } from '../provider.ts'
import type { Region } from '../regions/regions.ts'
import { headersForCaller, headersForRegion } from '../wire/clean-headers.ts'
import { envelopeHeaders } from '../wire/envelope.ts'
import { contentDigest, signForwarded } from '../wire/signature.ts'
import type { RegionClient } from './region-client.ts'
import type { RefusedReason, RegionResult } from './region-result.ts'
import type { Priority } from './slots.ts'

/** How long a region may take a signature for fresh, in seconds: as long as Slack's own. */
const SIGNATURE_LIFETIME = 300

/** A webhook as every region gets it on every attempt, when nothing more is known of the caller: fit to be kept. */
export interface Forwardable {
  readonly delivery: string
  readonly method: string
  /** Path and query, byte for byte as received. */
  readonly target: string
  /** Flat name, value, … list: what may be passed on, and what the gateway adds for every region. */
  readonly headers: readonly string[]
  readonly body: Buffer
  /** The body's Content-Digest: the same for every region and attempt. */
  readonly digest: string
  /** Unix milliseconds. */
  readonly receivedAt: number
  /** Whether cookies pass, both ways. */
  readonly cookies: boolean
}

/**
 * What a region gets of a webhook: its method, path, query and body as they came, its headers without what only
 * concerned the connection or could have been forged, and what the gateway adds (section "Between gateway and region"
 * of docs/regions.md). `traceparent`: of the gateway's own span, where it has one; else the caller's passes.
 */
export function forwardable(
  webhook: ReceivedWebhook,
  {
    idempotencyKey,
    cookies,
    traceparent,
  }: { idempotencyKey: string; cookies: boolean; traceparent?: string | undefined },
  ids: Ids,
): Forwardable {
  const { delivery, method, target, body, receivedAt, peer, requestId } = webhook
  const headers = headersForRegion(webhook.rawHeaders, { cookies })
  headers.push(
    'x-forwarded-for',
    peer.forwardedFor,
    'x-forwarded-proto',
    peer.proto,
    'x-forwarded-host',
    peer.host,
    'x-request-id',
    requestId,
    'idempotency-key',
    idempotencyKey,
  )
  const traced = headers.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === 'traceparent')
  if (traced === -1) headers.push('traceparent', traceparent ?? newTraceparent(ids))
  else if (traceparent !== undefined) headers[traced + 1] = traceparent
  return { delivery, method, target, headers, body, digest: contentDigest(body), receivedAt, cookies }
}

/** Flags 00: nobody has recorded anything of this trace yet, a region may still begin to. */
function newTraceparent(ids: Ids): string {
  const id = ids.hex(24)
  return `00-${id.slice(0, 32)}-${id.slice(32)}-00`
}

export type Attempt =
  /** While the caller waits: ends at `deadline`, or at the region's `timeout_ms` where it `goesOn` (asked then). */
  | {
      readonly kind: 'first'
      readonly priority: Priority
      /** The webhook's first byte and the deadline of its answer, both on the monotonic clock. */
      readonly startedAt: number
      readonly deadline: number
      readonly goesOn: () => boolean
    }
  /** Afterwards, with all of `timeout_ms`; a region that is draining still takes what comes from its mailboxes. */
  | {
      readonly kind: 'deferred'
      readonly priority: Priority
      readonly number: number
      /** Asked right before it is sent. */
      readonly maySend: () => boolean
    }

/** A region by the name the directory gives it, and what it is told of the organizations there. */
export interface Destination {
  readonly name: string
  /** Undefined where `regions.yaml` does not know the name: it counts as down. */
  readonly region: Region | undefined
  /** Nothing is sent for one that is held: it is asked for the others only. */
  readonly organizations: readonly (Pick<Organization, 'id' | 'epoch'> & { readonly held?: boolean })[]
}

/** Makes one attempt at one region; never rejects for anything a region or the network does. */
export type Forward = (
  what: Forwardable,
  to: { readonly destination: Destination; readonly integration: Id },
  attempt: Attempt,
) => Promise<RegionResult>

export interface ForwardParts {
  readonly clock: Clock
  readonly ids: Ids
  readonly client: (region: { readonly name: string }) => RegionClient | undefined
  /** Told whenever this key signs. */
  readonly signed?: (keyId: string) => void
}

/** Replies lose what describes the inside. */
export function createForward({ clock, ids, client, signed }: ForwardParts): Forward {
  return async (what, { destination, integration }, attempt) => {
    const { name, region } = destination
    const now = clock.monotonic()
    const organizations = destination.organizations.filter(({ held }) => held !== true)
    if (organizations.length < destination.organizations.length && organizations.length === 0) return refused('held')
    // What a region is told and whether it is asked may change while its connections stay.
    const to = client(destination)
    if (region === undefined || to === undefined) return refused('unknown_region')
    if (region.state === 'down') return refused('region_down')
    if (region.state === 'draining' && attempt.priority !== 'mailbox') return refused('region_draining')
    const { startedAt, deadline } =
      attempt.kind === 'first' ? attempt : { startedAt: now, deadline: now + region.timeoutMs }
    const result = await to.call({
      method: what.method,
      target: what.target,
      body: what.body,
      priority: attempt.priority,
      startedAt,
      deadline,
      goesOn: attempt.kind === 'first' ? attempt.goesOn : undefined,
      maySend: attempt.kind === 'first' ? undefined : attempt.maySend,
      headers(path, msLeft) {
        const envelope = envelopeHeaders({
          delivery: what.delivery,
          region: name,
          integration,
          organizations: organizations.map((organization) => organization.id),
          epochs: organizations.map(({ id, epoch }) => [id, epoch] as const),
          attempt: attempt.kind === 'first' ? 1 : attempt.number,
          deadlineMs: attempt.kind === 'first' ? msLeft : region.timeoutMs,
          receivedAt: what.receivedAt,
        })
        const key = region.signingKey
        if (key === undefined) return what.headers.concat(envelope, ['content-digest', what.digest])
        signed?.(key.id)
        const created = Math.floor(clock.now() / 1000)
        return what.headers.concat(
          envelope,
          signForwarded({ method: what.method, target: path, siloHeaders: envelope, digest: what.digest }, key, {
            created,
            expires: created + SIGNATURE_LIFETIME,
            nonce: ids.nonce(),
          }),
        )
      },
    })
    if (result.kind !== 'answered') return result
    const rawHeaders = headersForCaller(result.reply.rawHeaders, { cookies: what.cookies, address: region.address })
    return { ...result, reply: { ...result.reply, rawHeaders } }

    function refused(reason: RefusedReason): RegionResult {
      const atMs = attempt.kind === 'first' ? now - attempt.startedAt : 0
      return { kind: 'refused', region: name, reason, timing: { startedMs: atMs, endedMs: atMs } }
    }
  }
}
