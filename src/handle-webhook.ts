import type { Clock } from './clock.ts'
import type { Directory } from './directory/directory.ts'
import { dispatch, type Plan } from './dispatch/dispatch.ts'
import { forward } from './dispatch/forward.ts'
import type { RegionClient } from './dispatch/region-client.ts'
import { Refusal, SiloClientError } from './errors.ts'
import type { Ids } from './ids.ts'
import type { Admission, Door, FanOut, Peer, Provider, ReceivedWebhook, Reply, RequestHead } from './provider.ts'
import { refuseEncodedBody } from './receive.ts'
import type { Topology } from './regions/regions.ts'
import { resolve } from './resolve/resolve.ts'
import type { Route } from './resolve/route.ts'
import type { ReplyEnding } from './telemetry/ending.ts'
import type { WebhookTrace } from './telemetry/trace.ts'

/** How much is read of a body whose head carries no signature: the largest that may come unsigned is a small form. */
const UNSIGNED_BODY_BYTES = 4096

/** A request at one of a provider's doors, its body still unread. */
export interface Arrival {
  readonly provider: Provider
  readonly door: Door
  readonly head: RequestHead
  readonly peer: Peer
  readonly requestId: string
  readonly delivery: string
  readonly receivedAt: number
  readonly startedAt: number
  readonly deadline: number
  /** The body's raw bytes; refuses more than `limit` of them and what is not complete by the deadline. */
  readonly readBody: (limit: number) => Promise<Buffer>
}

/** The standing rooms a webhook passes. `topology` and `client` belong together and are those of its arrival. */
export interface Rooms {
  readonly clock: Clock
  readonly ids: Ids
  readonly directory: Directory
  readonly topology: Topology
  readonly client: (region: { readonly name: string }) => RegionClient | undefined
  readonly maxBodyBytes: number
}

/** What the caller gets, and how it came to that. */
export interface Answer {
  readonly reply: Reply
  readonly ending: ReplyEnding
}

/**
 * The journey of a webhook: receive → identify → resolve → plan → dispatch → respond. The order is that of the
 * decision table in the README; the first step that can answer does. Throws a `Refusal` or a `SiloClientError`.
 */
export async function handleWebhook(arrival: Arrival, rooms: Rooms, trace: WebhookTrace): Promise<Answer> {
  const { provider, door } = arrival
  const { admission, webhook } = await receive(arrival, rooms.maxBodyBytes)
  if (door.kind === 'control_page') {
    const reply = await provider.answerControlPage(admission, webhook)
    return { reply, ending: { kind: 'answered_here', rule: door.kind } }
  }

  const identified = await provider.identify(admission, webhook)
  trace.identified(identified)
  if (identified.kind === 'answered') {
    return { reply: identified.reply, ending: { kind: 'answered_here', rule: identified.rule } }
  }
  const { request } = identified

  const resolution = await resolve(request, rooms.directory, rooms.topology)
  trace.resolved(resolution)
  switch (resolution.kind) {
    case 'absent':
      return { reply: provider.unknownIntegration(request, webhook), ending: { kind: 'unknown_integration' } }
    case 'unknown':
      throw new SiloClientError([])
    case 'inactive':
      return { reply: provider.inactive(request), ending: { kind: 'inactive' } }
    case 'routed':
  }

  const plan = planFor(resolution.route, provider.fanOut(request))
  trace.planned(plan)

  const cookies = door.kind === 'region_page'
  const call = forward(webhook, request, resolution.route.integration, { cookies }, rooms)
  const { outcome, settled } = await dispatch(plan, call, rooms.clock)
  trace.dispatched(settled)

  const reply = provider.respond(request, outcome)
  return outcome.kind === 'won'
    ? { reply, ending: { kind: 'passed_on', region: outcome.winner.region } }
    : { reply, ending: { kind: 'told_failure' } }
}

async function receive(
  arrival: Arrival,
  maxBodyBytes: number,
): Promise<{ admission: Admission; webhook: ReceivedWebhook }> {
  const { provider, door, head, readBody, ...rest } = arrival
  if (!door.methods.includes(head.method)) {
    const allow = door.methods.join(', ')
    throw new Refusal('method_not_allowed', `This path takes ${allow}.`, { headers: { Allow: allow } })
  }
  refuseEncodedBody(head.headers)
  const admission = await provider.admit(door, head)
  const body = await readBody(admission.signed ? maxBodyBytes : UNSIGNED_BODY_BYTES)
  return { admission, webhook: { ...rest, ...head, body } }
}

function planFor({ regions }: Route, fanOut: FanOut): Plan {
  const { wins } = fanOut
  return fanOut.to === 'first'
    ? { kind: 'first', wins, region: regions[0] }
    : { kind: 'all', wins, regions, preferBodyForMs: fanOut.preferBodyForMs }
}
