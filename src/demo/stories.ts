import type { Clock } from '../clock.ts'
import type { WebhookRecord } from '../telemetry/webhook-record.ts'
import { isSuccess, waitsFor, type LineWriter } from './lines.ts'
import type { LateAnswer } from './response-urls.ts'
import type { SilosParts } from './silos.ts'
import { SLACK_WAITS_MS, type Hearing, type Sending } from './slack-simulator.ts'

/** Brings together what Slack, the gateway and the regions know of each webhook, and tells it in that order. */
export interface Stories {
  /**
   * Tells of a sending when its last region has come to its end, which may be long after Slack was answered. Quietly:
   * only counts it.
   */
  tell(sending: Sending, heard: Promise<Hearing>, options: { quietly: boolean }): Promise<void>
  /** For the gateway, the regions and the response_urls. */
  readonly onWebhook: SilosParts['onWebhook']
  readonly onAnswer: SilosParts['onAnswer']
  readonly onLateAnswer: (answer: LateAnswer) => Promise<void>
  /** Resolves when every sending has been told of. */
  allTold(): Promise<unknown>
  /** Events that no region has taken yet. */
  waiting(): number
}

export function createStories(lines: LineWriter, clock: Clock): Stories {
  const records = createRecords()
  const underWay = new Map<Sending, Promise<void>>()
  /** Events under way and those that wait, by their bodies: a region gets the same bytes. */
  const events = new Map<string, { readonly what: string; readonly told: Promise<void>; readonly quietly: boolean }>()

  const story = async (sending: Sending, hearing: Promise<Hearing>, quietly: boolean): Promise<void> => {
    const heard = await hearing
    const requestId = heard.kind === 'answered' ? heard.requestId : undefined
    const record = requestId === undefined ? undefined : await records.take(requestId)
    if (!quietly) lines.story(sending, heard, record)
    const waits = record !== undefined && waitsFor(record).length > 0
    if (sending.kind === 'event' && !waits) events.delete(sending.body)
  }

  return {
    tell(sending, hearing, { quietly }) {
      const told = story(sending, hearing, quietly).finally(() => underWay.delete(sending))
      underWay.set(sending, told)
      if (sending.kind === 'event') events.set(sending.body, { what: sending.what, told, quietly })
      return told
    },
    onWebhook: records.put,
    async onAnswer(region, { silo, body }, status) {
      const bytes = body.toString()
      // A region that has longer than Slack waits is asked by a mailbox.
      const event = silo.deadline > SLACK_WAITS_MS && isSuccess(status) ? events.get(bytes) : undefined
      if (event === undefined) return
      const ms = clock.now() - silo.receivedAt
      await event.told
      events.delete(bytes)
      if (!event.quietly) lines.delivered(event.what, { region, attempt: silo.attempt, ms })
    },
    async onLateAnswer({ url, what, body, ms }) {
      await underWay.entries().find(([{ responseUrl }]) => responseUrl === url)?.[1]
      lines.lateAnswer(what, { body, ms })
    },
    allTold: () => Promise.all(underWay.values()),
    waiting: () => events.size,
  }
}

/** Webhooks' records by request id, whichever comes first: the record, or whoever waits for it. */
function createRecords() {
  const awaited = new Map<string, PromiseWithResolvers<WebhookRecord>>()
  const of = (requestId: string): PromiseWithResolvers<WebhookRecord> => {
    const known = awaited.get(requestId) ?? Promise.withResolvers<WebhookRecord>()
    awaited.set(requestId, known)
    return known
  }
  return {
    put: (record: WebhookRecord): void => of(record.requestId).resolve(record),
    take: (requestId: string): Promise<WebhookRecord> => of(requestId).promise.finally(() => awaited.delete(requestId)),
  }
}
