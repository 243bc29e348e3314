import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import { createAlarms } from '../telemetry/alarm.ts'
import type { Counters } from '../telemetry/counters.ts'
import type { Log } from '../telemetry/log.ts'
import type { DirectoryChange } from './change.ts'
import type { Directory, Installation, InstallationKey, Lookup } from './directory.ts'
import type { Found } from './find-installation.ts'
import { createHeardChanges } from './heard-changes.ts'
import type { DirectoryStore } from './store.ts'

/** A workspace that has just been installed is asked for again by Slack's first retries: absent must not last. */
const ABSENT_MS = 5000
/** How long a store that has failed is left alone by those who can do without: it costs each that tries a time-out. */
const BACK_OFF_MS = 1000
/** What a webhook that could do without waits for the store: most of its budget must be left for the regions. */
const PATIENCE_MS = 500
/** News is there within milliseconds; so much later, or by clocks that differ by so much, it says nothing of now. */
const MOST_LATE_MS = 2000

export interface CacheOptions {
  /** How many keys are remembered, found and absent ones alike; the least recently used goes first. */
  readonly entries: number
  /** Ages in milliseconds: up to which an entry is used as it is, used and refreshed behind, used if a load fails. */
  readonly freshMs: number
  readonly hardMs: number
  readonly staleMs: number
  readonly clock: Clock
  readonly counters: Counters
  readonly log: Log
  /** Told of what was read of a key that is in use: others that remember the same need not read it as well. */
  readonly onReading?: ((reading: Reading) => void) | undefined
}

/** What a gateway has read, for those that can tell whether they remember the same. */
export interface Reading {
  /** The key. */
  readonly name: string
  /** The directory's version, as it was read. */
  readonly version: number
  /** A digest of what was found. */
  readonly content: string
  /** When the database was asked, unix milliseconds. */
  readonly at: number
}

export interface DirectoryCache extends Directory {
  /**
   * What was read before this change is not used without asking any more, except while the store cannot be asked; what
   * was read with it stays. In whatever order and however late changes are heard of.
   */
  changed(change: DirectoryChange): void
  /**
   * Another gateway has read a key: where the same is remembered here, it is as if it had been read here. Anything else
   * is left as it is, and asked for in its own time.
   */
  readElsewhere(reading: Reading): void
  /** Changes may have been missed: everything is asked for again before it is used. */
  missed(): void
  size(): number
}

interface Entry {
  readonly installation: Found['installation']
  /** The directory's, when it was read last. */
  version: number
  /** When the store was asked, here or elsewhere, not when it answered: what changed in between may be missing here. */
  askedAt: number
  /** Which of the loads read it. */
  readonly load: number
  /** How many changes it is known to lack none of. */
  checked: number
  /** Until then it is not refreshed: that has just failed. */
  retryAt: number
}

type Load = { readonly ok: true; readonly entry: Entry } | { readonly ok: false; readonly cause: unknown }

/** Remembers what `store` answers, so that most webhooks need no query and a store that is away is survived. */
export function cacheDirectory(
  store: Pick<DirectoryStore, 'find' | 'ping'>,
  { entries: max, freshMs, hardMs, staleMs, clock, counters, log, onReading }: CacheOptions,
): DirectoryCache {
  const entries = new LRUCache<string, Entry>({
    max,
    dispose(_entry, _name, reason) {
      if (reason === 'evict') counters.count('directory_cache_evictions_total', {})
    },
  })
  /** The newest entry that something was found for, as far as known; undefined: there is none. */
  let newestFound: string | undefined
  /** What is on its way: at most one for each key. */
  const running = new Map<string, Promise<Load>>()
  let loads = 0
  /** What earlier loads have read may lack changes that were missed. */
  let missedAt = 0
  const keepMs = Math.max(hardMs, ABSENT_MS)
  const changes = createHeardChanges({ clock, keepMs })
  /** Since the store failed, and until it answers: when it is tried next. */
  let storeRetryAt: number | undefined
  const alarms = createAlarms({ clock, log })

  /** Never rejects. */
  function load(name: string, key: InstallationKey): Promise<Load> {
    const already = running.get(name)
    if (already !== undefined) return already
    if (storeRetryAt !== undefined) storeRetryAt = clock.monotonic() + BACK_OFF_MS
    const started = remember(name, key).finally(() => running.delete(name))
    running.set(name, started)
    return started
  }

  async function remember(name: string, key: InstallationKey): Promise<Load> {
    try {
      let entry = await read(key)
      // It was on its way when the change was heard of.
      if (!isCurrent(entry, key)) entry = await read(key)
      storeRetryAt = undefined
      const isInUse = entries.has(name)
      entries.set(name, entry)
      if (isInUse) tellOf(name, entry)
      if (entry.installation !== undefined) newestFound = name
      return { ok: true, entry }
    } catch (cause) {
      counters.count('directory_load_failures_total', {})
      return failed(name, cause)
    }
  }

  function tellOf(name: string, { installation, version, askedAt }: Entry): void {
    if (onReading === undefined || installation === undefined) return
    const at = clock.now() - (clock.monotonic() - askedAt)
    onReading({ name, version, content: digestOf(installation), at })
  }

  async function read(key: InstallationKey): Promise<Entry> {
    const load = ++loads
    const askedAt = clock.monotonic()
    const { installation, version } = await store.find(key)
    return { installation, version, askedAt, load, checked: -1, retryAt: -Infinity }
  }

  function failed(name: string, cause: unknown): Load {
    const retryAt = clock.monotonic() + BACK_OFF_MS
    storeRetryAt = retryAt
    const known = entries.peek(name)
    if (known !== undefined) known.retryAt = retryAt
    const error = cause instanceof Error ? cause.message : String(cause)
    alarms.raise('error', 'directory', { error }, 'directory: cannot be asked')
    return { ok: false, cause }
  }

  /** For who has something to use instead. */
  async function inTime(name: string, loading: Promise<Load>): Promise<Load> {
    const late = Promise.withResolvers<Load>()
    const cancel = clock.after(PATIENCE_MS, () =>
      late.resolve(failed(name, new Error(`it has not answered within ${PATIENCE_MS} ms`))),
    )
    const loaded = await Promise.race([loading, late.promise])
    cancel()
    return loaded
  }

  function isCurrent(entry: Entry, key: InstallationKey): boolean {
    // What was on its way for so long may lack a change that was heard of and is forgotten by now.
    if (entry.load < missedAt || clock.monotonic() - entry.askedAt > keepMs) return false
    if (entry.checked === changes.count()) return true
    if (changes.areMissingIn(entry, key)) return false
    entry.checked = changes.count()
    return true
  }

  function backsOff({ retryAt }: Entry, now: number): boolean {
    return now < retryAt || (storeRetryAt !== undefined && now < storeRetryAt)
  }

  async function findOrLoad(name: string, key: InstallationKey, remembered: Entry | undefined): Promise<Lookup> {
    const now = clock.monotonic()
    if (remembered?.installation === undefined || now - remembered.askedAt > staleMs) {
      return answered(await load(name, key), key)
    }
    if (backsOff(remembered, now)) return used(remembered, 'stale')
    const loaded = await inTime(name, load(name, key))
    return loaded.ok ? answered(loaded, key) : used(remembered, 'stale')
  }

  function answered(loaded: Load, key: InstallationKey): Lookup {
    if (!loaded.ok) return { verdict: 'unknown', cause: loaded.cause }
    const { entry } = loaded
    if (isCurrent(entry, key)) return used(entry, 'found')
    return entry.installation === undefined ? outrun : used(entry, 'stale')
  }

  function used({ installation, askedAt }: Entry, verdict: 'found' | 'stale'): Lookup {
    if (installation === undefined) return { verdict: 'absent' }
    return { verdict, installation, ageMs: clock.monotonic() - askedAt }
  }

  /** Whether an entry may still be used if the store cannot be asked. */
  function remembersAny(): boolean {
    if (newestFound === undefined) return false
    // Every entry is looked through only when this one has made room for another, or turned out to be absent.
    const known = entries.peek(newestFound)
    if (known?.installation === undefined) newestFound = searchNewestFound()
    const newest = newestFound === undefined ? undefined : entries.peek(newestFound)
    return newest !== undefined && clock.monotonic() - newest.askedAt <= staleMs
  }

  function searchNewestFound(): string | undefined {
    let newest: { name: string; askedAt: number } | undefined
    for (const [name, { installation, askedAt }] of entries.entries()) {
      if (installation !== undefined && askedAt >= (newest?.askedAt ?? -Infinity)) newest = { name, askedAt }
    }
    return newest?.name
  }

  function counted<Answer extends Lookup>(lookup: Answer): Answer {
    counters.count('directory_lookups_total', { verdict: lookup.verdict })
    return lookup
  }

  return {
    find(key) {
      const name = nameOf(key)
      const entry = entries.get(name)
      if (entry !== undefined) {
        const now = clock.monotonic()
        const age = now - entry.askedAt
        const isFound = entry.installation !== undefined
        if (age <= (isFound ? hardMs : ABSENT_MS) && isCurrent(entry, key)) {
          if (isFound && age > freshMs && !backsOff(entry, now)) void load(name, key)
          counters.count('directory_cache_hits_total', {})
          return counted(used(entry, 'found'))
        }
      }
      counters.count('directory_cache_misses_total', {})
      return findOrLoad(name, key, entry).then(counted)
    },

    async ask(key) {
      const name = nameOf(key)
      // What is on its way was read before this was asked; whatever comes after it is shared.
      await running.get(name)
      const answer = answered(await load(name, key), key)
      return counted(answer.verdict === 'stale' ? outrun : answer)
    },

    changed: (change) => changes.add(change),

    readElsewhere({ name, version, content, at }) {
      const entry = entries.peek(name)
      if (entry?.installation === undefined || digestOf(entry.installation) !== content) return
      const agoMs = clock.now() - at
      if (Math.abs(agoMs) > MOST_LATE_MS) return
      entry.askedAt = Math.max(entry.askedAt, clock.monotonic() - Math.max(0, agoMs))
      entry.version = Math.max(entry.version, version)
    },

    missed() {
      missedAt = ++loads
    },

    async usable() {
      // First, since a store that hangs keeps a probe waiting for longer than it waits.
      if (remembersAny()) return true
      return store.ping().then(
        () => true,
        () => false,
      )
    },

    size: () => entries.size,
  }
}

function digestOf(installation: Installation): string {
  return hash('sha256', JSON.stringify(installation), 'base64url')
}

/** It was read twice, and each time a change was heard of before it was there. */
const outrun = { verdict: 'unknown', cause: new Error('it changes faster than it can be read') } as const

/** One text per key; the lengths keep a signed but hostile id from spelling another key. */
function nameOf(key: InstallationKey): string {
  if (key.by === 'id') return `${key.provider}#${key.id}`
  const { provider, appId, externalId, enterpriseId } = key
  const own = `${provider}|${appId.length}:${appId}|${externalId.length}:${externalId}`
  return enterpriseId === undefined ? own : `${own}|${enterpriseId}`
}
