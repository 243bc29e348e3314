import { createHash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Ids } from '../ids.ts'
import type { ReceivedWebhook, RoutableRequest } from '../provider.ts'
import { headersForCaller, headersForRegion } from '../wire/clean-headers.ts'
import { envelopeHeaders } from '../wire/envelope.ts'
import { contentDigest, signForwarded } from '../wire/signature.ts'
import type { CallRegion } from './dispatch.ts'
import type { RegionClient } from './region-client.ts'

/** How long a region may take a signature for fresh, in seconds: as long as Slack's own. */
const SIGNATURE_LIFETIME = 300

export interface ForwardParts {
  readonly clock: Clock
  readonly ids: Ids
  readonly client: (region: { readonly name: string }) => RegionClient | undefined
}

/**
 * How one webhook reaches a region: its method, path, query and body as they came, its headers without what only
 * concerned the connection or could have been forged, and what the gateway adds (section "Between gateway and region"
 * of the README). What is the same for every region is worked out once. Replies lose what describes the inside.
 */
export function forward(
  webhook: ReceivedWebhook,
  request: RoutableRequest,
  integration: { readonly id: string },
  { cookies }: { cookies: boolean },
  { clock, ids, client }: ForwardParts,
): CallRegion {
  const digest = contentDigest(webhook.body)
  const shared = headersForRegion(webhook.rawHeaders, { cookies })
  shared.push(
    'X-Forwarded-For',
    webhook.peer.forwardedFor,
    'X-Forwarded-Proto',
    webhook.peer.proto,
    'X-Forwarded-Host',
    webhook.peer.host,
    'X-Request-Id',
    webhook.requestId,
    'Idempotency-Key',
    createHash('sha256').update(request.dedupKey).digest('base64url'),
  )
  if (!shared.some((text, index) => index % 2 === 0 && text.toLowerCase() === 'traceparent')) {
    // Flags 00: nobody has recorded anything of this trace yet, a region may still begin to.
    shared.push('traceparent', `00-${ids.hex(16)}-${ids.hex(8)}-00`)
  }

  return async (routed) => {
    const { region } = routed
    // What a region is told and whether it is asked may change while its connections stay.
    const to = client(routed)
    const notCalled = region && notCallable[region.state]
    if (region === undefined || to === undefined || notCalled !== undefined) {
      const atMs = clock.monotonic() - webhook.startedAt
      return {
        kind: 'refused',
        region: routed.name,
        reason: notCalled ?? 'unknown_region',
        timing: { startedMs: atMs, endedMs: atMs },
      }
    }
    const result = await to.call({
      method: webhook.method,
      target: webhook.target,
      body: webhook.body,
      startedAt: webhook.startedAt,
      deadline: webhook.deadline,
      headers(path, msLeft) {
        const envelope = envelopeHeaders({
          delivery: webhook.delivery,
          region: routed.name,
          integration: integration.id,
          organizations: routed.organizations.map((organization) => organization.id),
          epochs: routed.organizations.map(({ id, epoch }) => [id, epoch] as const),
          attempt: 1,
          deadlineMs: msLeft,
          receivedAt: webhook.receivedAt,
        })
        const headers = [...shared, ...envelope]
        const key = region.signingKey
        if (key === undefined) return [...headers, 'Content-Digest', digest]
        const created = Math.floor(clock.now() / 1000)
        return headers.concat(
          signForwarded({ method: webhook.method, target: path, siloHeaders: envelope, digest }, key, {
            created,
            expires: created + SIGNATURE_LIFETIME,
            nonce: ids.nonce(),
          }),
        )
      },
    })
    if (result.kind !== 'answered') return result
    const rawHeaders = headersForCaller(result.reply.rawHeaders, { cookies, address: region.address })
    return { ...result, reply: { ...result.reply, rawHeaders } }
  }
}

const notCallable = { active: undefined, draining: 'region_draining', down: 'region_down' } as const
