import type { Clock } from '../clock.ts'
import type { InstallationKey } from '../directory/directory.ts'
import type { Plan } from '../dispatch/dispatch.ts'
import { reasonOf, type Outcome, type RegionResult } from '../dispatch/region-result.ts'
import { Refusal, SiloClientError } from '../errors.ts'
import type { RoutableRequest } from '../provider.ts'
import { CallerGone } from '../receive.ts'
import type { Resolution } from '../resolve/resolve.ts'
import type { Counters } from './counters.ts'
import type { Log, LogLevel } from './log.ts'

/** What a webhook tells of itself on its way; each step is told at most once, in the order of the journey. */
export interface WebhookTrace {
  answeredBy(surface: string, rule: string): void
  identified(request: RoutableRequest): void
  resolved(resolution: Resolution): void
  planned(plan: Plan): void
  dispatched(outcome: Outcome, settled: Promise<readonly RegionResult[]>): void
  /**
   * The provider has its answer (no status: it went away without one); `failure` is what was thrown on the way, if
   * anything was. Resolves when the last region asked has come to its end and the story is told.
   */
  answered(status: number | undefined, failure?: unknown): Promise<void>
}

/** One webhook's story: what an operator asks about it afterwards. Times are milliseconds after its first byte. */
export interface WebhookRecord {
  delivery: string
  requestId: string
  surface: string
  type?: string
  /** The rule by which the control silo answered by itself. */
  rule?: string
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
  /** The region whose reply was passed on. */
  answeredFrom?: string
  status?: number
  code?: string
  answeredMs?: number
}

export interface RegionRecord {
  readonly region: string
  /** `answered`, or the reason why not. */
  readonly result: string
  readonly status?: number
  readonly startedMs: number
  readonly sentMs?: number
  readonly firstByteMs?: number
  readonly endedMs: number
}

export interface TraceParts {
  readonly clock: Clock
  readonly counters: Counters
  readonly log: Log
  /** Share of the webhooks that went well to be logged; those that did not always are. */
  readonly logSample: number
  readonly random: () => number
  /** Told of every webhook, logged or not. */
  readonly onWebhook?: ((record: WebhookRecord) => void) | undefined
}

export function traceWebhook(
  arrival: { delivery: string; requestId: string; startedAt: number; door: { surface: string } },
  { clock, counters, log, logSample, random, onWebhook }: TraceParts,
): WebhookTrace {
  const record: WebhookRecord = {
    delivery: arrival.delivery,
    requestId: arrival.requestId,
    surface: arrival.door.surface,
  }
  let allSettled: Promise<readonly RegionResult[]> = Promise.resolve([])

  return {
    answeredBy(surface, rule) {
      record.surface = surface
      record.rule = rule
    },
    identified(request) {
      record.surface = request.surface
      record.type = request.type
      record.installation = keyText(request.installation)
      record.foundIn = request.foundIn
    },
    resolved(resolution) {
      record.verdict =
        resolution.kind === 'absent' || resolution.kind === 'unknown' ? resolution.kind : resolution.verdict
      switch (resolution.kind) {
        case 'absent':
          counters.count('unknown_integration_total', { surface: record.surface })
          log.warn(
            { delivery: record.delivery, installation: record.installation },
            'No integration for this installation: is it missing from the directory?',
          )
          return
        case 'unknown':
          log.error({ delivery: record.delivery, err: resolution.cause }, 'The directory could not be asked')
          return
        case 'inactive':
          record.integration = resolution.integration.id
          record.rule = 'inactive'
          return
        case 'routed': {
          const { route } = resolution
          record.directoryAgeMs = Math.round(resolution.ageMs)
          record.integration = route.integration.id
          record.organizations = route.organizations.map((organization) => organization.id)
          record.hint = route.hint
          if (route.hint !== 'none') counters.count('hints_total', { use: route.hint })
          for (const routed of route.regions) {
            if (routed.region !== undefined) continue
            counters.count('unknown_region_total', { region: routed.name })
            log.error(
              { region: routed.name, organizations: routed.organizations.map(({ id }) => id) },
              'The directory names a region that the regions file does not know',
            )
          }
        }
      }
    },
    planned(plan) {
      record.plan = plan.kind
    },
    dispatched(outcome, settled) {
      if (outcome.kind === 'won') record.answeredFrom = outcome.winner.region
      allSettled = settled
    },
    async answered(status, failure) {
      record.answeredMs = clock.monotonic() - arrival.startedAt
      if (status !== undefined) record.status = status
      const code = codeOf(failure)
      if (code !== undefined) record.code = code
      counters.count('webhooks_total', { surface: record.surface, outcome: code ?? record.rule ?? 'forwarded' })

      const results = await allSettled
      if (results.length > 0) record.regions = results.map(regionRecord)
      for (const result of results) {
        const word = result.kind === 'answered' ? 'answered' : reasonOf(result)
        counters.count('region_results_total', { region: result.region, result: word })
      }
      onWebhook?.(record)
      const level = levelFor(failure, results)
      if (level !== 'info' || random() < logSample) {
        log[level](code === 'internal_error' ? { ...record, err: failure } : { ...record }, 'webhook')
      }
    },
  }
}

function codeOf(failure: unknown): string | undefined {
  if (failure === undefined) return undefined
  if (failure instanceof Refusal || failure instanceof SiloClientError) return failure.code
  return failure instanceof CallerGone ? 'caller_gone' : 'internal_error'
}

/** A refused caller is the gateway doing its work; a region that failed or an error of our own is not. */
function levelFor(failure: unknown, results: readonly RegionResult[]): LogLevel {
  if (failure !== undefined && !(failure instanceof Refusal) && !(failure instanceof CallerGone)) return 'error'
  return failure !== undefined || results.some((result) => result.kind !== 'answered') ? 'warn' : 'info'
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
    startedMs: round(startedMs),
    ...(sentMs !== undefined && { sentMs: round(sentMs) }),
    ...(firstByteMs !== undefined && { firstByteMs: round(firstByteMs) }),
    endedMs: round(endedMs),
  }
}

const round = (ms: number): number => Math.round(ms * 100) / 100
