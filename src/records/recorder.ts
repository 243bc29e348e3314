import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import type { Alarms } from '../telemetry/alarm.ts'
import type { Counters } from '../telemetry/counters.ts'
import type { Happened } from '../telemetry/webhook-record.ts'
import { packBlock } from './block.ts'
import type { Note } from './notes.ts'
import type { RecordWriter } from './record-store.ts'
import type { NoteRow } from './record-tables.ts'
import { entryOf, showsBody, type Entry, type RecordBodies } from './story.ts'

/** How often what has come is written, where it does not fill blocks by itself. */
const FLUSH_MS = 200
/**
 * A block is written again while it grows: until it holds so many webhooks, which is when it is written at once, or so
 * much of them, or until it is so old. To put a block into words takes some tenths of a millisecond, and webhooks wait
 * for it.
 */
const BLOCK_ENTRIES = 128
const BLOCK_CHARACTERS = 256 * 1024
const BLOCK_MS = 10_000
/** Of bodies, in one go: to find the secrets of as much takes a millisecond or two, and webhooks wait for it. */
const READ_BYTES = 16 * 1024
/** Written in one transaction. */
const NOTES = 250
/** What waits to be written, each for a webhook: a second of a gateway under full load, and some MB. */
const MOST_WAITING = 10_000
const MOST_WAITING_BYTES = 32 * 1024 * 1024
/** After a batch that the store has not taken. */
const AGAIN_MS = 1000
const SWEEP_MS = 10_000
const SWEEP_BLOCKS = 50
const DAY_MS = 24 * 3_600_000

export interface RecorderParts {
  readonly store: Pick<RecordWriter, 'write' | 'sweep'>
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

/** The block that was written last, and is written again with what comes until it is full. */
interface Growing {
  readonly name: string
  readonly begunAt: number
  readonly entries: readonly Entry[]
  /** Of the bodies in it. */
  readonly characters: number
}

export function createRecorder(parts: RecorderParts): Recorder {
  const { store, clock, counters, alarms, gateway, settings } = parts
  /** What waits to be written. One whose regions come to their end before that is in it once. */
  let queue: Happened[] = []
  let notes: NoteRow[] = []
  let growing: Growing | undefined
  let blocks = 0
  let bytes = 0
  let notBefore = 0
  /** In this time blocks are filled: under load the next one soon is, and need not be written before. */
  let isFilling = false
  let sweepAt = 0
  let writing: Promise<boolean> | undefined
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

  /** All of a body, until it is written: what is shown of it is found out then. What is not need not be held. */
  function hold(happened: Happened): void {
    bytes -= happened.waiting?.heldBytes ?? 0
    const size = happened.webhook?.body.length ?? 0
    const isHeld = showsBody(happened, settings().RECORD_BODIES) && bytes + size <= MOST_WAITING_BYTES
    if (!isHeld) happened.webhook = undefined
    const heldBytes = isHeld ? size : 0
    bytes += heldBytes
    happened.waiting = { heldBytes, isRead: false }
  }

  function letGo(happened: Happened): void {
    bytes -= happened.waiting?.heldBytes ?? 0
    happened.waiting = undefined
  }

  /**
   * No more webhooks than there are now: whoever waits for it does not wait for what comes meanwhile. False: the store
   * does not take them.
   */
  function write(webhooks = queue.length): Promise<boolean> {
    writing ??= writeSome(webhooks).finally(() => (writing = undefined))
    return writing
  }

  async function writeSome(webhooks: number): Promise<boolean> {
    // Not within the journey of the webhook that fills a block.
    await nextTurn()
    let left = webhooks
    let notesLeft = notes.length
    while (left > 0 || notesLeft > 0) {
      if (growing === undefined || roomIn(growing) === 0) growing = beginBlock()
      const { grown, happened } = await withMore(growing, left)
      const noted = notes.slice(0, NOTES)
      try {
        const isSame = happened.length === 0 || grown.entries.length === 0
        const block = isSame ? undefined : packBlock(grown.name, grown.entries)
        const { isTaken } = await store.write({ block, notes: noted })
        notes = notes.slice(noted.length)
        notesLeft -= noted.length
        if (!isTaken) {
          growing = undefined
          continue
        }
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        alarms.raise('warn', 'records', { reason }, 'Records of deliveries cannot be written; they wait')
        notBefore = clock.monotonic() + AGAIN_MS
        return false
      }
      growing = grown.entries.length < BLOCK_ENTRIES ? grown : undefined
      left -= happened.length
      // What has been told again meanwhile is to be written again. A new list: where one is kept and emptied from its
      // front, what webhooks leave grows old five times as fast.
      queue = [...happened.filter((one) => !wasRead(one)), ...queue.slice(happened.length)]
      happened.filter(wasRead).forEach(letGo)
      await nextTurn()
    }
    return true
  }

  /** How many more it takes; 0: another is to be begun. */
  function roomIn(block: Growing): number {
    const isOpen = block.characters < BLOCK_CHARACTERS && clock.monotonic() - block.begunAt < BLOCK_MS
    return isOpen ? BLOCK_ENTRIES - block.entries.length : 0
  }

  function beginBlock(): Growing {
    return { name: `${gateway}.${(blocks += 1)}`, begunAt: clock.monotonic(), entries: [], characters: 0 }
  }

  /** A block with what comes next, up to so many webhooks, and which they were. */
  async function withMore(block: Growing, most: number): Promise<{ grown: Growing; happened: Happened[] }> {
    const next = queue.slice(0, Math.min(most, BLOCK_ENTRIES - block.entries.length))
    const entries = [...block.entries]
    let { characters } = block
    let read = 0
    const happened: Happened[] = []
    for (const one of next) {
      if (characters >= BLOCK_CHARACTERS) break
      happened.push(one)
      if (one.waiting !== undefined) one.waiting.isRead = true
      for (const entry of entryFrom(one)) {
        const at = placeIn({ name: block.name, entries }, one) ?? entries.length
        characters += charactersOf(entry) - charactersOf(entries[at])
        entries[at] = entry
        one.place = { block: block.name, at }
      }
      read += one.waiting?.heldBytes ?? 0
      if (read < READ_BYTES) continue
      read = 0
      await nextTurn()
    }
    return { grown: { ...block, entries, characters }, happened }
  }

  function entryFrom(happened: Happened): Entry[] {
    try {
      return [entryOf(happened, { gateway, bodies: settings().RECORD_BODIES })]
    } catch {
      drop('fault')
      return []
    }
  }

  async function sweep(): Promise<void> {
    const { RECORD_DAYS: days, RECORD_MAX_MB: megabytes } = settings()
    try {
      for (;;) {
        const before = Math.floor(clock.now() - days * DAY_MS)
        const { removed } = await store.sweep({ before, maxBytes: megabytes * 1024 * 1024, limit: SWEEP_BLOCKS })
        if (removed < SWEEP_BLOCKS || stopped) return
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
    if ((queue.length > 0 || notes.length > 0) && now >= notBefore && !isFilling) void write()
    isFilling = false
    if (now < sweepAt) return
    sweepAt = now + SWEEP_MS
    sweeping ??= sweep().finally(() => (sweeping = undefined))
  }

  return {
    record(happened) {
      if (stopped) return drop('queue_full')
      if (happened.isOneTooMany) return drop('unproven')
      if (happened.waiting === undefined) {
        if (queue.length >= MOST_WAITING) return drop('queue_full')
        queue.push(happened)
      }
      hold(happened)
      // One that is told again fills nothing.
      if (growing !== undefined && placeIn(growing, happened) !== undefined) return
      // Just what fills the block: one that is begun with the rest would have to be written again.
      const room = (growing && roomIn(growing)) || BLOCK_ENTRIES
      if (queue.length < room || writing !== undefined || clock.monotonic() < notBefore) return
      isFilling = true
      void write(room)
    },
    note(delivery, note) {
      if (stopped || notes.length >= MOST_WAITING) return drop('queue_full')
      notes.push({ delivery, at: clock.now(), note: JSON.stringify(note) })
    },
    start() {
      sweepAt = clock.monotonic() + SWEEP_MS
      tick()
    },
    async flush() {
      const asked = [...queue]
      const lastNote = notes.at(-1)
      const isLeft = (): boolean =>
        asked.some(({ waiting }) => waiting !== undefined) || (lastNote !== undefined && notes.includes(lastNote))
      // One that is under way may end before the newest of them.
      let isWritten = true
      while (isWritten && isLeft()) isWritten = await write()
    },
    async stop() {
      stopped = true
      cancelTimer()
      await sweeping
      await writing
      await write()
      drop('queue_full', queue.length + notes.length)
      queue.forEach(letGo)
      queue = []
      notes = []
    },
  }
}

/**
 * Where a webhook lies in a block: one that is told again takes the place of what it was. Undefined: it is not in it;
 * where a block could not be written, another may have come to lie in its place. Not by a map: V8 makes a name of each
 * text that a map is asked for, half a microsecond each, and names are old from the start.
 */
function placeIn(
  { name, entries }: Pick<Growing, 'name' | 'entries'>,
  { place, record }: Happened,
): number | undefined {
  return place?.block === name && entries[place.at]?.story.id === record.delivery ? place.at : undefined
}

function charactersOf(entry: Entry | undefined): number {
  return entry?.story.content?.body?.length ?? 0
}

function wasRead({ waiting }: Happened): boolean {
  return waiting?.isRead === true
}
