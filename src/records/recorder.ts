import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import type { Alarms } from '../telemetry/alarm.ts'
import type { Counters } from '../telemetry/counters.ts'
import type { Happened } from '../telemetry/trace.ts'
import type { Note } from './notes.ts'
import type { RecordWriter } from './record-store.ts'
import type { NoteRow, RecordRow } from './record-tables.ts'
import { recordOf, type RecordBodies } from './story.ts'

/** How often what has come is written. */
const FLUSH_MS = 200
/** What is written in one transaction; when so much has come it is written at once. */
const BATCH = 250
/** What waits to be written, each for a webhook: some seconds of a gateway under full load, a few MB. */
const MOST_WAITING = 10_000
const MOST_WAITING_BYTES = 32 * 1024 * 1024
/** After a batch that the store has not taken. */
const AGAIN_MS = 1000
/**
 * Webhooks a second that are recorded of those that nobody has signed, or not well: anybody can send those, and what is
 * too much pushes the oldest out.
 */
const UNPROVEN_PER_SECOND = 50
const SWEEP_MS = 10_000
const SWEEP_ROWS = 500
const DAY_MS = 24 * 3_600_000

export interface RecorderParts {
  readonly store: RecordWriter
  readonly clock: Clock
  readonly counters: Counters
  readonly alarms: Alarms
  /** Of this process, as records name it. */
  readonly gateway: string
  readonly settings: () => {
    readonly RECORD_BODIES: RecordBodies
    readonly RECORD_DAYS: number
    readonly RECORD_MAX_MB: number
  }
}

/** Takes down what happens to webhooks and writes it a little later, a batch at a time. */
export interface Recorder {
  /** Never waits, never throws: what cannot be kept is counted. */
  record(happened: Happened): void
  /** Something that became of a delivery since. */
  note(delivery: string, note: Note): void
  start(): void
  /** Resolves when all that has come by now is written, or cannot be. Never rejects. */
  flush(): Promise<void>
  /** Writes what there is, if the store takes it, and ends. Never rejects. */
  stop(): Promise<void>
}

export function createRecorder(parts: RecorderParts): Recorder {
  const { store, clock, counters, alarms, gateway, settings } = parts
  /** By delivery: one whose regions come to their end before it is written is written once. */
  let records = new Map<string, Happened>()
  let notes: NoteRow[] = []
  let bytes = 0
  let unproven = { second: 0, count: 0 }
  let notBefore = 0
  let sweepAt = 0
  let writing: Promise<void> | undefined
  let sweeping: Promise<void> | undefined
  let cancelTimer = (): void => {}
  let stopped = false

  function drop(reason: 'queue_full' | 'unproven' | 'fault', count = 1): void {
    for (let one = 0; one < count; one++) counters.count('records_dropped_total', { reason })
    if (reason === 'unproven' || count === 0) return
    alarms.raise(
      'warn',
      `records: ${reason}`,
      { reason },
      'Records of deliveries are lost: the store does not take them',
    )
  }

  function isOneTooMany({ request, receivedAt }: Happened): boolean {
    if (request !== undefined) return false
    const second = Math.floor(receivedAt / 1000)
    if (unproven.second !== second) unproven = { second, count: 0 }
    unproven.count += 1
    return unproven.count > UNPROVEN_PER_SECOND
  }

  /** What is not going to be shown need not be held. */
  function letGo(happened: Happened): void {
    const { webhook, failed, door } = happened
    if (webhook === undefined) return
    const { RECORD_BODIES: bodies } = settings()
    const isShown = door.kind === 'webhook' && (bodies === 'all' || (bodies === 'failures' && failed))
    const size = heldBytes(happened)
    if (isShown && bytes + size <= MOST_WAITING_BYTES) bytes += size
    else happened.webhook = undefined
  }

  function write(): Promise<void> {
    writing ??= writeAll().finally(() => (writing = undefined))
    return writing
  }

  async function writeAll(): Promise<void> {
    // No more than there is now: whoever waits for it does not wait for what comes meanwhile.
    for (let left = Math.max(records.size, notes.length); left > 0; left -= BATCH) {
      const happened = [...records.values().take(BATCH)]
      const noted = notes.slice(0, BATCH)
      const rows = happened.flatMap(rowOf)
      try {
        await store.write({ records: rows, notes: noted })
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        alarms.raise('warn', 'records', { reason }, 'Records of deliveries cannot be written; they wait')
        notBefore = clock.monotonic() + AGAIN_MS
        return
      }
      for (const one of happened) {
        // What has been told again meanwhile is to be written again.
        if (records.get(one.record.delivery) !== one) continue
        records.delete(one.record.delivery)
        bytes -= heldBytes(one)
      }
      notes = notes.slice(noted.length)
      await nextTurn()
    }
  }

  function rowOf(happened: Happened): RecordRow[] {
    try {
      return [recordOf(happened, { gateway, bodies: settings().RECORD_BODIES })]
    } catch {
      drop('fault')
      return []
    }
  }

  async function sweep(): Promise<void> {
    const { RECORD_DAYS: days, RECORD_MAX_MB: megabytes } = settings()
    try {
      for (;;) {
        const before = clock.now() - days * DAY_MS
        const { removed } = await store.sweep({ before, maxBytes: megabytes * 1024 * 1024, limit: SWEEP_ROWS })
        if (removed < SWEEP_ROWS || stopped) return
        await nextTurn()
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      alarms.raise('warn', 'records: sweep', { reason }, 'Old records of deliveries cannot be removed')
    }
  }

  function tick(): void {
    cancelTimer = clock.after(FLUSH_MS, tick)
    const now = clock.monotonic()
    if ((records.size > 0 || notes.length > 0) && now >= notBefore) void write()
    if (now < sweepAt) return
    sweepAt = now + SWEEP_MS
    sweeping ??= sweep().finally(() => (sweeping = undefined))
  }

  return {
    record(happened) {
      if (stopped) return drop('queue_full')
      if (isOneTooMany(happened)) return drop('unproven')
      const { delivery } = happened.record
      const before = records.get(delivery)
      if (before === undefined && records.size >= MOST_WAITING) return drop('queue_full')
      if (before !== undefined) bytes -= heldBytes(before)
      letGo(happened)
      records.set(delivery, happened)
      if (records.size >= BATCH && writing === undefined && clock.monotonic() >= notBefore) void write()
    },
    note(delivery, note) {
      if (notes.length >= MOST_WAITING) return drop('queue_full')
      notes.push({ delivery, at: clock.now(), note: JSON.stringify(note) })
    },
    start() {
      sweepAt = clock.monotonic() + SWEEP_MS
      tick()
    },
    async flush() {
      await writing
      await write()
    },
    async stop() {
      stopped = true
      cancelTimer()
      await sweeping
      await writing
      await write()
      drop('queue_full', records.size + notes.length)
      records = new Map()
      notes = []
    },
  }
}

/** All of a body is held until it is written: what is shown of it is found out then. */
function heldBytes({ webhook }: Happened): number {
  return webhook?.body.length ?? 0
}
