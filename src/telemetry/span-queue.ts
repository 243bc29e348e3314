import type { Clock } from '../clock.ts'
import type { Alarms } from './alarm.ts'
import type { Counters } from './counters.ts'
import type { Span } from './span.ts'

/** Sends spans to where they are kept. Rejects where they are not; the error's message is the reason, as one word. */
export type ExportSpans = (spans: readonly Span[]) => Promise<void>

export interface SpanQueue {
  /** Never throws, and nothing waits for it: what finds no room is lost, and counted. */
  add(span: Span): void
  /** Sends what there is, for up to 2 s. Never rejects. */
  close(): Promise<void>
}

/** What one export takes, and how long a span waits for others to fill it: as OpenTelemetry's own has it. */
const BATCH_SPANS = 512
const LONGEST_WAIT_MS = 5000
/** About 2 MiB: a collector that is away or slow costs no more than that. */
const MAX_SPANS = 2048
/** Of the time that there is to drain: most of it is for webhooks. */
const FLUSH_MS = 2000

/** Spans on their way out: in batches, one at a time, and never more of them than the gateway can spare. */
export function createSpanQueue({
  exportSpans,
  clock,
  counters,
  alarms,
}: {
  readonly exportSpans: ExportSpans
  readonly clock: Clock
  readonly counters: Counters
  readonly alarms: Alarms
}): SpanQueue {
  let waiting: Span[] = []
  let sending: Promise<void> | undefined
  let cancelTimer: (() => void) | undefined
  let closed = false

  function later(): void {
    cancelTimer ??= clock.after(LONGEST_WAIT_MS, () => void send())
  }

  /** Sends until less than a batch waits, or nothing where no more comes. */
  function send(): Promise<void> {
    cancelTimer?.()
    cancelTimer = undefined
    sending ??= sendBatches().finally(() => {
      sending = undefined
      if (waiting.length > 0 && !closed) later()
    })
    return sending
  }

  async function sendBatches(): Promise<void> {
    do {
      const batch = waiting.slice(0, BATCH_SPANS)
      // A new list, as in `recorder.ts`.
      waiting = waiting.slice(BATCH_SPANS)
      try {
        await exportSpans(batch)
        counters.count('spans_exported_total', {}, batch.length)
      } catch (error) {
        lose('export_failed', batch.length)
        const reason = error instanceof Error ? error.message : 'not_an_error'
        alarms.raise('warn', 'traces', { reason, spans: batch.length }, 'Traces could not be exported, and are lost')
      }
    } while (waiting.length >= (closed ? 1 : BATCH_SPANS))
  }

  async function sendAll(): Promise<void> {
    while (sending !== undefined || waiting.length > 0) await send()
  }

  function lose(reason: 'queue_full' | 'export_failed' | 'closed', spans: number): void {
    if (spans > 0) counters.count('spans_dropped_total', { reason }, spans)
  }

  return {
    add(span) {
      if (closed) return lose('closed', 1)
      if (waiting.length >= MAX_SPANS) return lose('queue_full', 1)
      waiting.push(span)
      if (sending !== undefined) return
      if (waiting.length >= BATCH_SPANS) void send()
      else later()
    },
    async close() {
      closed = true
      const late = Promise.withResolvers<void>()
      const cancel = clock.after(FLUSH_MS, late.resolve)
      await Promise.race([sendAll(), late.promise])
      cancel()
      lose('closed', waiting.splice(0).length)
    },
  }
}
