import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import { createAlarms } from '../telemetry/alarm.ts'
import type { Counters } from '../telemetry/counters.ts'
import type { Log } from '../telemetry/log.ts'
import type { Directory, Installation, InstallationKey, Lookup } from './directory.ts'
import type { DirectoryStore } from './store.ts'

/** A workspace that has just been installed is asked for again by Slack's first retries: absent must not last. */
const ABSENT_MS = 5000

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
}

interface Entry {
  /** undefined: the store was asked and has none. */
  readonly installation: Installation | undefined
  /** When the store was asked, not when it answered: what changed in between may be missing here. */
  readonly askedAt: number
}

type Load = { readonly ok: true; readonly entry: Entry } | { readonly ok: false; readonly cause: unknown }

/** Remembers what `store` answers, so that most webhooks need no query and a store that is away is survived. */
export function cacheDirectory(
  store: Pick<DirectoryStore, 'find' | 'ping'>,
  { entries: max, freshMs, hardMs, staleMs, clock, counters, log }: CacheOptions,
): Directory & { size(): number } {
  const entries = new LRUCache<string, Entry>({ max })
  /** The newest entry that something was found for, as far as known; undefined: there is none. */
  let newestFound: string | undefined
  const loading = new Map<string, Promise<Load>>()
  const alarms = createAlarms({ clock, log })

  /** Asks the store, once for everybody who wants the same key meanwhile. Never rejects. */
  function load(name: string, key: InstallationKey): Promise<Load> {
    const running = loading.get(name)
    if (running !== undefined) return running
    const started = ask(name, key).finally(() => loading.delete(name))
    loading.set(name, started)
    return started
  }

  async function ask(name: string, key: InstallationKey): Promise<Load> {
    const askedAt = clock.monotonic()
    try {
      const { installation } = await store.find(key)
      const entry: Entry = { installation, askedAt }
      entries.set(name, entry)
      if (entry.installation !== undefined) newestFound = name
      return { ok: true, entry }
    } catch (cause) {
      report(cause)
      return { ok: false, cause }
    }
  }

  function report(cause: unknown): void {
    counters.count('directory_load_failures_total', {})
    const error = cause instanceof Error ? cause.message : String(cause)
    alarms.raise('error', 'directory', { error }, 'directory: cannot be asked')
  }

  async function findOrLoad(name: string, key: InstallationKey, remembered: Entry | undefined): Promise<Lookup> {
    const loaded = await load(name, key)
    if (loaded.ok) return lookupOf(loaded.entry)
    const age = remembered === undefined ? Infinity : clock.monotonic() - remembered.askedAt
    if (remembered?.installation === undefined || age > staleMs) return { verdict: 'unknown', cause: loaded.cause }
    return { verdict: 'stale', installation: remembered.installation, ageMs: age }
  }

  function searchNewestFound(): string | undefined {
    let newest: { name: string; askedAt: number } | undefined
    for (const [name, { installation, askedAt }] of entries.entries()) {
      if (installation !== undefined && askedAt >= (newest?.askedAt ?? -Infinity)) newest = { name, askedAt }
    }
    return newest?.name
  }

  function lookupOf({ installation, askedAt }: Entry): Lookup {
    if (installation === undefined) return { verdict: 'absent' }
    return { verdict: 'found', installation, ageMs: clock.monotonic() - askedAt }
  }

  function counted(lookup: Lookup): Lookup {
    counters.count('directory_lookups_total', { verdict: lookup.verdict })
    return lookup
  }

  return {
    find(key) {
      const name = nameOf(key)
      const entry = entries.get(name)
      if (entry !== undefined) {
        const age = clock.monotonic() - entry.askedAt
        const usable = entry.installation === undefined ? ABSENT_MS : hardMs
        if (age <= usable) {
          if (entry.installation !== undefined && age > freshMs) void load(name, key)
          return Promise.resolve(counted(lookupOf(entry)))
        }
      }
      return findOrLoad(name, key, entry).then(counted)
    },

    async usable() {
      try {
        await store.ping()
        return true
      } catch {
        if (newestFound === undefined) return false
        // Every entry is looked through only when this one has made room for another, or turned out to be absent.
        const known = entries.peek(newestFound)
        if (known?.installation === undefined) newestFound = searchNewestFound()
        const newest = newestFound === undefined ? undefined : entries.peek(newestFound)
        return newest !== undefined && clock.monotonic() - newest.askedAt <= staleMs
      }
    },

    size: () => entries.size,
  }
}

/** One text per key; the lengths keep a signed but hostile id from spelling another key. */
function nameOf(key: InstallationKey): string {
  if (key.by === 'id') return `${key.provider}#${key.id}`
  const { provider, appId, externalId, enterpriseId } = key
  const own = `${provider}|${appId.length}:${appId}|${externalId.length}:${externalId}`
  return enterpriseId === undefined ? own : `${own}|${enterpriseId}`
}
