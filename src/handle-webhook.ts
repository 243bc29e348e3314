import { hash } from 'node:crypto'
import type { Clock } from './clock.ts'
import { decide, type Circumstances } from './decide.ts'
import type { Dedup } from './dedup/dedup.ts'
import { answerInTime } from './delivery/answer-in-time.ts'
import type { Unresolved } from './delivery/attempt.ts'
import { deliverEvent, keepUnresolved, LEAST_WRITE_MS, type Event } from './delivery/deliver-event.ts'
import type { Kept } from './delivery/kept.ts'
import type { LateAnswers } from './delivery/late-answers.ts'
import type { LateCase } from './delivery/late-case.ts'
import type { MailboxWorker } from './delivery/mailboxes.ts'
import { writeDownAt } from './delivery/write-ahead.ts'
import type { Directory, Id } from './directory/directory.ts'
import { dispatch, type Plan } from './dispatch/dispatch.ts'
import { forwardable, type Forward } from './dispatch/forward.ts'
import { wasSentInVain, type Outcome, type RegionResult } from './dispatch/region-result.ts'
import { Refusal, SiloClientError } from './errors.ts'
import type { Ids } from './ids.ts'
import type { RateLimit, Taken } from './limit/rate-limit.ts'
import type {
  Admission,
  Door,
  Peer,
  Promised,
  Provider,
  ReceivedWebhook,
  Reply,
  RequestHead,
  RoutableRequest,
} from './provider.ts'
import { refuseEncodedBody } from './receive.ts'
import type { Topology } from './regions/regions.ts'
import { askUntil } from './resolve/ask-until.ts'
import type { RoutedRegion } from './resolve/route.ts'
import type { Sealer } from './spool/seal.ts'
import type { ShedRule } from './steering/shed.ts'
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
  readonly readBody: (limit: number) => Buffer | Promise<Buffer>
}

/** The standing rooms a webhook passes. `topology` and `forward` belong together and are those of its arrival. */
export interface Rooms extends Circumstances {
  readonly clock: Clock
  readonly ids: Ids
  readonly random: () => number
  readonly dedup: Pick<Dedup<Answer>, 'once'>
  readonly limit: RateLimit
  readonly directory: Directory
  readonly topology: Topology
  readonly forward: Forward
  readonly mailboxes: MailboxWorker
  readonly late: LateAnswers
  readonly sealer: Sealer
  readonly maxBodyBytes: number
}

/** What the caller gets, and how it came to that. */
export interface Answer {
  readonly reply: Reply
  readonly ending: ReplyEnding
  /** Whether one that comes again is a duplicate: a region has answered this one, or it is on disk. */
  readonly remember: boolean
}

/**
 * The journey of a webhook: receive → identify → (once) resolve → plan → dispatch → respond. The order is that of the
 * decision table in the README; the first step that can answer does. Throws a `Refusal` or a `SiloClientError`. What is
 * there at once, as it nearly always is, is not waited for: a turn of promises takes as much as many a step.
 */
export async function handleWebhook(arrival: Arrival, rooms: Rooms, trace: WebhookTrace): Promise<Answer> {
  const { provider, door } = arrival
  // Waited for although it is there at once: node tells of a request before it has read what came with its head, and a
  // turn later the body is here. Else each would be listened for, with a timer.
  const admission = await admit(arrival)
  const { maxBodyBytes } = rooms
  const reading = arrival.readBody(admission.signed ? maxBodyBytes : Math.min(UNSIGNED_BODY_BYTES, maxBodyBytes))
  const webhook = received(arrival, reading instanceof Promise ? await reading : reading)
  trace.received(webhook, admission)
  if (door.kind === 'control_page') {
    const reply = await provider.answerControlPage(admission, webhook)
    return { reply, ending: { kind: 'answered_here', rule: door.kind }, remember: false }
  }

  const identifying = provider.identify(admission, webhook)
  const identified = identifying instanceof Promise ? await identifying : identifying
  trace.identified(identified)
  if (identified.kind === 'answered') {
    return { reply: identified.reply, ending: { kind: 'answered_here', rule: identified.rule }, remember: false }
  }
  const { request } = identified

  const idempotencyKey = hash('sha256', request.dedupKey, 'base64url')
  trace.once(idempotencyKey)
  const { remember } = request
  const { startedAt, deadline } = webhook
  const repeatable = { key: `${provider.name} ${idempotencyKey}`, remember, startedAt, deadline }
  const once = await rooms.dedup.once(repeatable, () =>
    carryOut({ provider, request, webhook, idempotencyKey, cookies: door.kind === 'region_page' }, rooms, trace),
  )
  switch (once.kind) {
    case 'first':
      return once.done
    case 'joined':
      return { ...once.done, ending: { kind: 'duplicate', of: 'running' } }
    case 'stored': {
      const reply = once.reply ?? provider.acknowledge(request)
      return { reply, ending: { kind: 'duplicate', of: 'answered' }, remember: true }
    }
    case 'undecided':
      throw new SiloClientError([], { why: 'The same request is still being dealt with' })
  }
}

interface Task {
  readonly provider: Provider
  readonly request: RoutableRequest
  readonly webhook: ReceivedWebhook
  readonly idempotencyKey: string
  readonly cookies: boolean
}

/** What a webhook asks for, done the first time it comes: resolve → plan → dispatch → respond. */
async function carryOut(task: Task, rooms: Rooms, trace: WebhookTrace): Promise<Answer> {
  const { provider, request, webhook, idempotencyKey, cookies } = task
  const { traceparent } = trace
  const kept = {
    what: forwardable(webhook, { idempotencyKey, cookies, traceparent }, rooms.ids),
    signedBy: request.signedBy,
  }
  const deciding = decide(provider, request, {
    directory: askUntil(knownBy(task), rooms.directory, rooms.clock),
    topology: rooms.topology,
    mailboxes: rooms.mailboxes,
    shed: rooms.shed,
  })
  const { promised, fanOut, resolution, course } = deciding instanceof Promise ? await deciding : deciding
  if (resolution !== undefined) trace.resolved(resolution)
  switch (course.kind) {
    case 'shed':
      return shed(task, course.rule, trace)
    case 'wait_for_home': {
      const home = { installation: request.installation, hint: request.hint, to: fanOut.to }
      return await waitForHome(task, kept, home, rooms)
    }
    case 'directory_away':
      throw new SiloClientError([])
    case 'unknown_integration': {
      const reply = provider.unknownIntegration(request, webhook)
      return { reply, ending: { kind: 'unknown_integration' }, remember: false }
    }
    case 'inactive':
      return { reply: provider.inactive(request), ending: { kind: 'inactive' }, remember: false }
    case 'planned':
  }

  const { plan } = course
  const { integration } = course.route
  trace.planned(plan)
  const mustArrive = promised.kind === 'delivery'
  const taking = rooms.limit.take(integration, request.surface)
  const taken = taking instanceof Promise ? await taking : taking
  if (taken.kind === 'over' && !mustArrive) throw rateLimited(taken)

  const priority = request.surface === 'event' ? 'event' : 'interactive'
  const { startedAt, deadline } = webhook
  const call = (destination: RoutedRegion, goesOn: () => boolean): Promise<RegionResult> =>
    rooms.forward(
      kept.what,
      { destination, integration: integration.id },
      { kind: 'first', priority, startedAt, deadline, goesOn },
    )
  switch (promised.kind) {
    case 'delivery':
      return await deliver({ ...task, kept, plan, call }, integration.id, taken, rooms, trace)
    case 'late_answer':
      return await answerNowOrLater({ ...task, kept, plan, call }, promised, integration.id, rooms, trace)
    case 'nothing': {
      const { outcome, settled } = dispatch(plan, (region) => call(region, () => false), rooms.clock)
      trace.dispatched(settled)
      return respond(task, await outcome)
    }
  }
}

/** Until when a webhook can wait for the directory: an event that cannot be placed is still to be written down. */
function knownBy({ request, webhook }: Task): number {
  return request.surface === 'event' ? writeDownAt(webhook) : webhook.deadline
}

/** An event that is not wanted for now. It is not remembered: sent again, it is a new one. */
function shed({ provider, request }: Task, rule: ShedRule, trace: WebhookTrace): Answer {
  trace.shed(provider.name, rule.answer)
  if (rule.answer === 'ok') return { reply: provider.acknowledge(request), ending: { kind: 'shed' }, remember: false }
  throw new Refusal('shed', 'Events are not taken for now; send it again later.', {
    headers: { 'Retry-After': String(rule.retry_after_seconds) },
  })
}

interface PlannedTask extends Task {
  readonly kept: Kept
  readonly plan: Plan
  readonly call: (destination: RoutedRegion, goesOn: () => boolean) => Promise<RegionResult>
}

/** An event is answered once it is certain that every planned region gets it. One that is over the limit waits for that. */
async function deliver(
  task: PlannedTask,
  integration: Id,
  { kind }: Taken,
  rooms: Rooms,
  trace: WebhookTrace,
): Promise<Answer> {
  const event = { ...eventOf(task, task.kept), allWait: kind === 'over' }
  const { safe, settled } = deliverEvent(event, task.plan, integration, task.call, rooms)
  trace.dispatched(settled)
  const { takenBy } = await safe
  return acknowledged(task, takenBy === undefined ? { kind: 'spooled' } : { kind: 'passed_on', region: takenBy })
}

/** An event that nobody can place yet. */
async function waitForHome(task: Task, kept: Kept, home: Unresolved, rooms: Rooms): Promise<Answer> {
  await keepUnresolved(eventOf(task, kept), home, rooms)
  return acknowledged(task, { kind: 'spooled' })
}

/** A click or a command is answered by the deadline, and by what its regions say as long as anybody listens. */
async function answerNowOrLater(
  task: PlannedTask,
  promised: Promised & { kind: 'late_answer' },
  integration: Id,
  rooms: Rooms,
  trace: WebhookTrace,
): Promise<Answer> {
  const { provider, webhook, kept, plan, call } = task
  const what = lateCase(promised, { provider: provider.name, kept, integration }, plan)
  const begin = (goesOn: () => boolean) => dispatch(plan, (region) => call(region, goesOn), rooms.clock)
  const { failure } = promised
  const { startedAt, deadline } = webhook
  const { inTime, dispatched } = await answerInTime(what, begin, { startedAt, deadline, failure }, rooms)
  trace.dispatched(dispatched.settled)
  if (inTime.kind === 'late') return acknowledged(task, { kind: 'late' })
  const { outcome } = inTime
  return outcome.kind === 'lost' && failure === 'post'
    ? await apologize(task, what, outcome.results, rooms)
    : respond(task, outcome)
}

function eventOf({ provider, idempotencyKey: dedupKey, webhook }: Task, kept: Kept): Event {
  return { provider: provider.name, kept, dedupKey, startedAt: webhook.startedAt, deadline: webhook.deadline }
}

function acknowledged({ provider, request }: Task, ending: ReplyEnding): Answer {
  return { reply: provider.acknowledge(request), ending, remember: true }
}

function respond({ provider, request }: Task, outcome: Outcome): Answer {
  const reply = provider.respond(request, outcome)
  return outcome.kind === 'won'
    ? { reply, ending: { kind: 'passed_on', region: outcome.winner.region }, remember: true }
    : { reply, ending: { kind: 'told_failure' }, remember: false }
}

/** Every region has failed, and the one who waits is told at once where late answers go. */
async function apologize(
  { provider, request, webhook }: Task,
  what: LateCase,
  results: readonly RegionResult[],
  { late, clock }: Rooms,
): Promise<Answer> {
  const message = provider.apology(results.some(wasSentInVain) ? 'unknown' : 'failed')
  try {
    await late.owe(what, message, Math.max(webhook.deadline, clock.monotonic() + LEAST_WRITE_MS))
  } catch (cause) {
    throw new SiloClientError(results, { cause })
  }
  void late.tell(what, message)
  return { reply: provider.acknowledge(request), ending: { kind: 'told_failure' }, remember: true }
}

function lateCase(
  { to }: Promised & { kind: 'late_answer' },
  of: Pick<LateCase, 'provider' | 'kept' | 'integration'>,
  { regions }: Plan,
): LateCase {
  return {
    ...of,
    to,
    regions: regions.map(({ name, organizations }) => ({
      name,
      organizations: organizations.flatMap(({ id, epoch, held }) => (held ? [] : [{ id, epoch }])),
    })),
  }
}

function rateLimited({ retryAfterS }: Taken & { kind: 'over' }): Refusal {
  const headers = { 'Retry-After': String(retryAfterS) }
  return new Refusal('rate_limited', 'This installation has sent too much within a minute; try again later.', {
    headers,
  })
}

/** Whether it may come in, by its head. */
function admit({ provider, door, head }: Arrival): Admission | Promise<Admission> {
  if (!door.methods.includes(head.method)) {
    const allow = door.methods.join(', ')
    throw new Refusal('method_not_allowed', `This path takes ${allow}.`, { headers: { Allow: allow } })
  }
  refuseEncodedBody(head.headers)
  return provider.admit(door, head)
}

function received(arrival: Arrival, body: Buffer): ReceivedWebhook {
  const { method, target, headers, rawHeaders } = arrival.head
  const { peer, requestId, delivery, receivedAt, startedAt, deadline } = arrival
  return { method, target, headers, rawHeaders, peer, requestId, delivery, receivedAt, startedAt, deadline, body }
}
