import type { Clock } from '../clock.ts'
import type { InstallationKey } from '../directory/directory.ts'
import type { Plan } from '../dispatch/dispatch.ts'
import { reasonOf, type RegionResult } from '../dispatch/region-result.ts'
import type { Identified, RoutableRequest } from '../provider.ts'
import type { Resolution } from '../resolve/resolve.ts'
import type { ShedRule } from '../steering/shed.ts'
import type { Alarms } from './alarm.ts'
import type { Counters } from './counters.ts'
import { levelOf, outcomeOf, type Ending } from './ending.ts'
import type { Histograms } from './histograms.ts'
import type { Log } from './log.ts'
import { measureAnswer } from './measure-answer.ts'

/** What a webhook tells of itself on its way; each step is told at most once, in the order of the journey. */
export interface WebhookTrace {
  identified(identified: Identified<RoutableRequest>): void
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

/** One webhook's story: what an operator asks about it afterwards. Times are milliseconds after its first byte. */
export interface WebhookRecord {
  delivery: string
  requestId: string
  surface: string
  type?: string
  /** The installation's key, and where in the request it was found. */
  installation?: string
  foundIn?: string
  verdict?: string
  directoryAgeMs?: number
  integration?: string
  organizations?: readonly string[]
  hint?: string
  plan?: 'first' | 'all'
  regions?: readonly RegionRecord[]
  status?: number
  answeredMs: number
  /** How it ended, as one word: the rule, the error's code, or the kind of ending. */
  outcome: string
  /** The rule by which the control silo answered by itself. */
  rule?: string
  /** The region whose reply was passed on. */
  answeredFrom?: string
  /** The error's. */
  code?: string
}

export interface RegionRecord {
  readonly region: string
  /** `answered`, or the reason why not. */
  readonly result: string
  readonly status?: number
  /** The code of the error that ended the call. */
  readonly cause?: string
  readonly startedMs: number
  readonly sentMs?: number
  readonly firstByteMs?: number
  readonly endedMs: number
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
  /** Told of every webhook, logged or not. */
  readonly onWebhook?: ((record: WebhookRecord) => void) | undefined
}

export function traceWebhook(
  arrival: { delivery: string; requestId: string; startedAt: number; deadline: number; door: { surface: string } },
  { clock, counters, histograms, log, alarms, logSample, random, onWebhook }: TraceParts,
): WebhookTrace {
  const story: Omit<WebhookRecord, 'answeredMs' | 'outcome'> = {
    delivery: arrival.delivery,
    requestId: arrival.requestId,
    surface: arrival.door.surface,
  }
  let request: RoutableRequest | undefined
  let allSettled: Promise<readonly RegionResult[]> = Promise.resolve([])

  return {
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
    resolved(resolution) {
      story.verdict =
        resolution.kind === 'absent' || resolution.kind === 'unknown' ? resolution.kind : resolution.verdict
      switch (resolution.kind) {
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
          story.integration = resolution.integration.id
          return
        case 'routed': {
          const { route } = resolution
          story.directoryAgeMs = Math.round(resolution.ageMs)
          histograms.observe('directory_entry_age_seconds', '', resolution.ageMs / 1000)
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
    planned(plan) {
      story.plan = plan.kind
    },
    dispatched(settled) {
      allSettled = settled
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

      const results = await allSettled
      if (results.length > 0) record.regions = results.map(regionRecord)
      for (const { region, result } of record.regions ?? []) counters.count('region_results_total', { region, result })
      onWebhook?.(record)
      const isWhole = results.every(({ kind }) => kind === 'answered' || kind === 'spooled')
      const level = levelOf(ending) === 'info' && !isWhole ? 'warn' : levelOf(ending)
      if (level !== 'info' || random() < logSample) {
        log[level](ending.kind === 'internal_error' ? { ...record, err: ending.error } : { ...record }, 'webhook')
      }
    },
  }
}

function detailOf(ending: Ending): Pick<WebhookRecord, 'rule' | 'answeredFrom' | 'code'> {
  switch (ending.kind) {
    case 'answered_here':
      return { rule: ending.rule }
    case 'inactive':
    case 'shed':
      return { rule: ending.kind }
    case 'passed_on':
      return { answeredFrom: ending.region }
    case 'refused':
      return { code: ending.code }
    case 'silo_client_error':
    case 'caller_gone':
    case 'internal_error':
      return { code: ending.kind }
    case 'unknown_integration':
    case 'told_failure':
    case 'spooled':
    case 'late':
    case 'duplicate':
      return {}
  }
}

function keyText(key: InstallationKey): string {
  return key.by === 'id' ? `${key.provider}:integration:${key.id}` : `${key.provider}:${key.appId}:${key.externalId}`
}

function regionRecord(result: RegionResult): RegionRecord {
  const { startedMs, sentMs, firstByteMs, endedMs } = result.timing
  return {
    region: result.region,
    result: result.kind === 'answered' ? 'answered' : reasonOf(result),
    ...(result.kind === 'answered' && { status: result.reply.status }),
    ...(result.kind === 'failed' && result.cause !== undefined && { cause: result.cause }),
    startedMs: round(startedMs),
    ...(sentMs !== undefined && { sentMs: round(sentMs) }),
    ...(firstByteMs !== undefined && { firstByteMs: round(firstByteMs) }),
    endedMs: round(endedMs),
  }
}

const round = (ms: number): number => Math.round(ms * 100) / 100
