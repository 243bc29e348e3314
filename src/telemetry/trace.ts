import type { Clock } from '../clock.ts'
import type { Plan } from '../dispatch/dispatch.ts'
import type { RegionResult } from '../dispatch/region-result.ts'
import type { Admission, Identified, ReceivedWebhook, RoutableRequest } from '../provider.ts'
import type { Resolution } from '../resolve/resolve.ts'
import type { ShedRule } from '../steering/shed.ts'
import type { Alarms } from './alarm.ts'
import type { Counters } from './counters.ts'
import { detailOf, levelOf, outcomeOf, type Ending } from './ending.ts'
import type { Histograms } from './histograms.ts'
import { didFail, logAttempt } from './log-attempt.ts'
import { isSampled, type Log } from './log.ts'
import { measureAnswer } from './measure-answer.ts'
import { traceparentOf, type Tracing } from './span.ts'
import { keyText, regionRecord, type Happened, type WebhookRecord } from './webhook-record.ts'
import { beginWebhookSpan, webhookSpan, type WebhookAt } from './webhook-span.ts'

/** What a webhook tells of itself on its way; each step is told at most once, in the order of the journey. */
export interface WebhookTrace {
  /** Of the webhook's span, for regions to continue. Undefined: it has none that is recorded. */
  readonly traceparent: string | undefined
  received(webhook: ReceivedWebhook, admission: Admission): void
  identified(identified: Identified<RoutableRequest>): void
  /** What is the same for a webhook that comes again. */
  once(idempotencyKey: string): void
  resolved(resolution: Resolution): void
  shed(provider: string, answer: ShedRule['answer']): void
  planned(plan: Plan): void
  dispatched(settled: Promise<readonly RegionResult[]>): void
  /**
   * The provider has its answer (no status: it went away without one). Resolves when the last region asked has come to
   * its end and the story is told.
   */
  answered(status: number | undefined, ending: Ending): Promise<void>
}

export interface TraceParts {
  readonly clock: Clock
  readonly counters: Counters
  readonly histograms: Histograms
  readonly log: Log
  readonly alarms: Alarms
  /** Share of the webhooks that went well to be logged; those that did not always are. */
  readonly logSample: number
  readonly random: () => number
  /** Of a webhook that is not proven to be its provider's, by when it came. */
  readonly isOneTooMany: (receivedAt: number) => boolean
  readonly tracing?: Tracing | undefined
  /** Told of every webhook, logged or not. */
  readonly onWebhook?: ((record: WebhookRecord) => void) | undefined
  /** Takes down what is to be found again afterwards. Never throws. */
  readonly record?: ((happened: Happened) => void) | undefined
}

export function traceWebhook(
  arrival: WebhookAt & {
    delivery: string
    requestId: string
    startedAt: number
    deadline: number
    provider: Happened['provider']
  },
  parts: TraceParts,
): WebhookTrace {
  const { clock, counters, histograms, log, alarms, logSample, random, tracing, onWebhook, record: takeDown } = parts
  const span = tracing && beginWebhookSpan(arrival.head.rawHeaders, tracing)
  const story: Omit<WebhookRecord, 'answeredMs' | 'outcome'> = {
    delivery: arrival.delivery,
    requestId: arrival.requestId,
    surface: arrival.door.surface,
  }
  if (span !== undefined) story.traceId = span.context.traceId
  const { provider, door, receivedAt } = arrival
  let allSettled: Promise<readonly RegionResult[]> = Promise.resolve([])
  let isOver = true
  let isProven = false
  let webhook: ReceivedWebhook | undefined
  let request: RoutableRequest | undefined
  let idempotencyKey: string | undefined
  let resolution: Resolution | undefined
  let plan: Plan | undefined

  return {
    traceparent: span && traceparentOf(span.context),
    received(whole, { signed }) {
      webhook = whole
      // The link of a page has been judged by now, a signature has not.
      isProven = signed || door.kind !== 'webhook'
    },
    once(key) {
      idempotencyKey = key
    },
    identified(identified) {
      if (identified.kind === 'answered') {
        story.surface = identified.surface
        return
      }
      ;({ request } = identified)
      story.surface = request.surface
      story.type = request.type
      story.installation = keyText(request.installation)
      story.foundIn = request.foundIn
    },
    resolved(found) {
      resolution = found
      story.verdict = found.kind === 'absent' || found.kind === 'unknown' ? found.kind : found.verdict
      switch (found.kind) {
        case 'absent':
          counters.count('unknown_integration_total', { surface: story.surface })
          alarms.raise(
            'warn',
            `unknown integration ${story.installation}`,
            { delivery: story.delivery, installation: story.installation },
            'No integration for this installation: is it missing from the directory?',
          )
          return
        case 'unknown':
          // The directory says why, once for all webhooks.
          return
        case 'inactive':
          story.integration = found.integration.id
          return
        case 'routed': {
          const { route } = found
          story.directoryAgeMs = Math.round(found.ageMs)
          histograms.observe('directory_entry_age_seconds', '', found.ageMs / 1000)
          story.integration = route.integration.id
          story.organizations = route.organizations.map((organization) => organization.id)
          story.hint = route.hint
          if (route.hint !== 'none') counters.count('hints_total', { use: route.hint })
          for (const routed of route.regions) {
            if (routed.region !== undefined) continue
            counters.count('unknown_region_total', {})
            alarms.raise(
              'error',
              `unknown region ${routed.name}`,
              { region: routed.name, organizations: routed.organizations.map(({ id }) => id) },
              'The directory names a region that the regions file does not know',
            )
          }
        }
      }
    },
    shed(provider, answer) {
      counters.count('shed_total', { provider, answer })
    },
    planned(chosen) {
      plan = chosen
      story.plan = chosen.kind
    },
    dispatched(settled) {
      allSettled = settled
      isOver = false
      const over = (): void => void (isOver = true)
      settled.then(over, over)
    },
    async answered(status, ending) {
      const outcome = outcomeOf(ending)
      const answeredAt = clock.monotonic()
      const record: WebhookRecord = {
        ...story,
        ...(status !== undefined && { status }),
        answeredMs: answeredAt - arrival.startedAt,
        outcome,
        ...detailOf(ending),
      }
      counters.count('webhooks_total', { surface: record.surface, outcome })
      const { startedAt, deadline } = arrival
      const { surface } = story
      measureAnswer(
        { surface, status, startedAt, answeredAt, deadline, sentAt: request?.sentAt, now: clock.now() },
        { counters, histograms },
      )

      if (outcome === 'invalid_signature') isProven = false
      const isOneTooMany = !isProven && parts.isOneTooMany(receivedAt)
      if (isOneTooMany) {
        alarms.raise(
          'warn',
          'unproven',
          {},
          'More webhooks come unsigned, or signed by somebody else, than there are log lines for: the rest is counted only',
        )
      }
      if (span !== undefined && !isOneTooMany) tracing?.ended(webhookSpan(span, arrival, record))
      const happened: Happened = {
        provider,
        door,
        receivedAt,
        budgetMs: deadline - startedAt,
        webhook,
        request,
        idempotencyKey,
        resolution,
        plan,
        record,
        failed: levelOf(ending) !== 'info',
        isOver,
        isProven,
        isOneTooMany,
        waiting: undefined,
        place: undefined,
      }
      if (!isOver) takeDown?.(happened)
      let results: readonly RegionResult[] = []
      let fault = ending.kind === 'internal_error' ? ending.error : undefined
      try {
        results = await allSettled
      } catch (error) {
        fault ??= error
      }
      if (results.length > 0) record.regions = results.map(regionRecord)
      for (const { region, result } of record.regions ?? []) counters.count('region_results_total', { region, result })
      const isWhole = status !== undefined && results.every(({ kind }) => kind === 'answered' || kind === 'spooled')
      const level = fault !== undefined ? 'error' : levelOf(ending) === 'info' && !isWhole ? 'warn' : levelOf(ending)
      happened.isOver = true
      happened.failed = level !== 'info'
      // It may have been let go of, and be shown after all.
      happened.webhook = webhook
      takeDown?.(happened)
      onWebhook?.(record)
      if (isOneTooMany) return
      const isLogged = level !== 'info' || isSampled(logSample, random)
      for (const attempt of record.regions ?? []) {
        if (attempt.result === 'spooled') continue
        if (isLogged || didFail(attempt)) logAttempt(log, record.delivery, 1, attempt)
      }
      if (isLogged) log[level](fault === undefined ? { ...record } : { ...record, err: fault }, 'webhook')
    },
  }
}
