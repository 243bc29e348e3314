import type { IncomingMessage, ServerResponse } from 'node:http'
import { Refusal, SiloClientError } from './errors.ts'
import { firstByteOf } from './first-byte.ts'
import type { Gateway, OpenDoor } from './gateway.ts'
import { handleWebhook, type Answer, type Arrival } from './handle-webhook.ts'
import { peerOf, withoutIdentity } from './peer.ts'
import type { Reply } from './provider.ts'
import { readBody } from './receive.ts'
import { endOfTurn, problemReply, sendFailure, sendReply, sendReplyAndClose } from './send-reply.ts'
import { endingOf, type Ending } from './telemetry/ending.ts'
import { traceWebhook } from './telemetry/trace.ts'
import { createTurnstile } from './turnstile.ts'

export interface MiddlewareOptions {
  /** `next` hands every `SiloClientError` that would have been the answer to the host's error handler. */
  readonly errors?: 'answer' | 'next'
}

/** Connect-style: fits Express 4 and 5 without importing either. */
export type Middleware = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void

/**
 * The gateway inside a control app: `app.use(gatewayMiddleware(gateway))`, ahead of every body parser, since
 * signatures cover the raw bytes. Webhook paths and region pages are handled; control pages and every path that is not
 * a provider's go to `next()`. So does everything when `SILO_MODE` is not `CONTROL`.
 */
export function gatewayMiddleware(gateway: Gateway, { errors = 'answer' }: MiddlewareOptions = {}): Middleware {
  return (req, res, next) => {
    const at = gateway.doorAt(pathOf(req))
    if (at === undefined || at.door.kind === 'control_page') return next()
    gateway.track(answer(gateway, at, req, res, errors === 'next' ? { handOver: next } : {}))
  }
}

/** Every door of every provider, control pages too: what the standalone listener serves. */
export function allDoors(gateway: Gateway): Middleware {
  const turnstile = createTurnstile(gateway.clock)
  return (req, res, next) => {
    const at = gateway.doorAt(pathOf(req))
    if (at === undefined) return next()
    // Behind another one of its connection it does not wait, and may be begun before that one: node stops reading where
    // much is to be answered, and would read on and on for a caller who sends all at once.
    const turn = res.socket === null ? undefined : turnstile()
    gateway.track(answer(gateway, at, req, res, { turn }))
  }
}

/** A proxy may send the whole URL; the target is what follows its authority (RFC 9112 section 3.2.2). */
function targetOf(url = '/'): string {
  if (url.startsWith('/')) return url
  const authority = /^https?:\/\/[^/?#]*/i.exec(url)?.[0] ?? ''
  const target = url.slice(authority.length)
  return authority === '' || target.startsWith('/') ? target : `/${target}`
}

/** Below where a host has mounted the gateway. */
function pathOf(req: IncomingMessage): string {
  const target = targetOf(req.url)
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}

/** Resolves when the webhook's last region has come to its end. */
async function answer(
  gateway: Gateway,
  { provider, door, rooms, settings, traceParts }: OpenDoor,
  req: IncomingMessage & { readonly originalUrl?: string },
  res: ServerResponse,
  { turn, handOver }: { turn?: Promise<void> | undefined; handOver?: (error: SiloClientError) => void },
): Promise<void> {
  const { clock, ids } = gateway
  const headTrickledFrom = firstByteOf(req)
  const startedAt = headTrickledFrom ?? clock.monotonic()
  const deadline = startedAt + provider.budgetMs
  const overdue = headTrickledFrom !== undefined && clock.monotonic() >= deadline
  // Both may have changed when its turn comes: what came before the end is answered, and a connection that is gone does
  // not say any more whose it was.
  const isTooLate = gateway.closing()
  const peer = peerOf(req, settings.TRUSTED_PROXIES, settings.IDENTITY_HEADER)
  if (turn !== undefined) await turn
  const receivedAt = Math.round(clock.now() - (clock.monotonic() - startedAt))
  const delivery = ids.delivery(receivedAt)
  const arrival: Arrival = {
    provider,
    door,
    head: {
      method: req.method ?? '',
      // A host that mounts the gateway under a path takes that off `url`; Slack's and the region's path still has it.
      target: targetOf(req.originalUrl ?? req.url),
      ...withoutIdentity(req, settings.IDENTITY_HEADER),
    },
    peer,
    requestId: delivery,
    delivery,
    receivedAt,
    startedAt,
    deadline,
    readBody: (limit) => readBody(req, res, { limit, deadline, overdue, clock }),
  }
  // Asked for when the answer leaves: a drain that began meanwhile must not leave the connection open.
  const own = () => ownHeaders(gateway, arrival.requestId)
  const trace = traceWebhook(arrival, traceParts)
  let ended: Answer | { readonly failure: unknown; readonly ending: Ending }
  try {
    if (isTooLate) throw closed()
    ended = await handleWebhook(arrival, rooms, trace)
  } catch (failure) {
    ended = { failure, ending: endingOf(failure) }
  }
  if (ended.ending.kind === 'caller_gone') {
    res.destroy()
    return await trace.answered(undefined, ended.ending)
  }
  const send = (): number => {
    if ('reply' in ended) {
      sendReply(res, ended.reply, own())
      return ended.reply.status
    }
    const error = presentable(ended.failure)
    if (error instanceof SiloClientError && handOver !== undefined) {
      // The answer is the host's, its id still ours: that is what the log and the regions know the webhook by.
      res.setHeader('X-Request-Id', arrival.requestId)
      handOver(error)
      return error.status
    }
    const reply: Reply = provider.renderError(door, error) ?? problemReply(error)
    if (error instanceof Refusal && error.close) sendReplyAndClose(req, res, reply, own(), clock)
    else sendReply(res, reply, own())
    return reply.status
  }
  await endOfTurn()
  // Whoever has gone gets nothing, whatever is written; what was decided stays decided.
  const isGone = res.destroyed
  let status
  let ending: Ending = ended.ending
  try {
    status = send()
  } catch (error) {
    ending = endingOf(error)
    status = sendFailure(res, problemReply(presentable(error)), own())
  }
  await trace.answered(isGone ? undefined : status, ending)
}

function closed(): Refusal {
  return new Refusal('shutting_down', 'This gateway takes no more requests; ask again.', { close: true })
}

/** What every answer of ours carries. While draining the connection ends with it: the caller's next one goes elsewhere. */
export function ownHeaders(gateway: Gateway, requestId: string): string[] {
  return ['X-Request-Id', requestId, ...(gateway.draining() ? ['Connection', 'close'] : [])]
}

function presentable(failure: unknown): Refusal | SiloClientError {
  if (failure instanceof Refusal || failure instanceof SiloClientError) return failure
  return new Refusal('internal_error', 'The request was not handled; the log says why.')
}
