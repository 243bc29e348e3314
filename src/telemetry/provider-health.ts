import type { Clock } from '../clock.ts'
import type { InstallationKey } from '../directory/directory.ts'
import type { ProviderLimits } from '../provider.ts'
import { countFrequent, type Frequent } from './frequent.ts'
import type { Happened } from './webhook-record.ts'

const MINUTE_MS = 60_000
const MINUTES = 60
/** Installations are counted by slices of the hour: what is kept of each slice is far more than of a minute. */
const SLICE_MINUTES = 5
const SLICES = MINUTES / SLICE_MINUTES
const BUSIEST = 10

/** What a provider may think of this gateway: its events within the last hour, those of this process alone. */
export interface HealthNow {
  readonly provider: string
  /** Unix milliseconds: from when on events are counted here. */
  readonly since: number
  readonly windowMs: number
  /** Events that were proven to be the provider's, understood or not, and how many of them it takes for failed. */
  readonly answered: number
  readonly notOk: number
  /** Webhooks, of any kind, that nobody proved to have sent: where there are no others, a secret or the clock is wrong. */
  readonly unproven: number
  /** The most first. A count may be too low by a 2,000th of all, and leave out the last minutes of the hour. */
  readonly busiest: readonly { readonly installation: InstallationKey; readonly deliveries: number }[]
  /** How often the provider said that it leaves events out, and when it did last: unix milliseconds. */
  readonly throttled: number
  readonly throttledAt: number | undefined
}

export interface ProviderHealth {
  /** To be told of every webhook, as a recorder is. Costs some look-ups. */
  count(happened: Happened): void
  read(provider: string): HealthNow
}

interface Parts {
  readonly clock: Clock
  readonly limitsOf: (provider: string) => Pick<ProviderLimits, 'waitsMs' | 'throttledRule'> | undefined
}

/** Counts by which a provider might switch the gateway off, for each of the last 60 minutes. */
export function createProviderHealth({ clock, limitsOf }: Parts): ProviderHealth {
  const startedAt = clock.now()
  const byProvider = new Map<string, ReturnType<typeof countHour>>()

  function hourOf(provider: string) {
    let hour = byProvider.get(provider)
    if (hour === undefined) byProvider.set(provider, (hour = countHour(limitsOf(provider))))
    return hour
  }

  return {
    count(happened) {
      // One whose regions are still running is told again.
      if (happened.isOver) hourOf(happened.provider.name).count(happened)
    },
    read(provider) {
      const now = clock.now()
      const windowMs = MINUTES * MINUTE_MS
      return { provider, since: Math.max(startedAt, now - windowMs), windowMs, ...hourOf(provider).read(now) }
    },
  }
}

function countHour(limits: ReturnType<Parts['limitsOf']>) {
  const minutes = createRing(MINUTES, () => ({ answered: 0, notOk: 0, unproven: 0, throttled: 0 }))
  const slices = createRing(SLICES, (): Frequent<InstallationKey> => countFrequent())
  let throttledAt: number | undefined
  const waitsMs = limits?.waitsMs ?? Infinity

  return {
    count({
      door,
      request,
      record: { surface, status = 0, answeredMs, rule, installation = '' },
      receivedAt,
      isProven,
    }: Happened) {
      const at = Math.floor(receivedAt / MINUTE_MS)
      if (request === undefined && rule !== undefined) {
        if (rule !== limits?.throttledRule) return
        minutes.at(at).throttled += 1
        throttledAt = receivedAt
        return
      }
      if (!isProven) {
        if (door.kind === 'webhook') minutes.at(at).unproven += 1
        return
      }
      // What could not be read where anything may come has most likely been an event: they are most of what comes.
      if (surface !== 'event' && surface !== 'any') return
      const minute = minutes.at(at)
      minute.answered += 1
      if (status < 200 || status > 299 || answeredMs > waitsMs) minute.notOk += 1
      if (request === undefined) return
      slices.at(Math.floor(at / SLICE_MINUTES)).add(installation, () => request.installation)
    },
    read(now: number) {
      const at = Math.floor(now / MINUTE_MS)
      const sums = { answered: 0, notOk: 0, unproven: 0, throttled: 0 }
      for (const { answered, notOk, unproven, throttled } of minutes.until(at)) {
        sums.answered += answered
        sums.notOk += notOk
        sums.unproven += unproven
        sums.throttled += throttled
      }
      return { ...sums, throttledAt, busiest: busiestIn(slices.until(Math.floor(at / SLICE_MINUTES))) }
    },
  }
}

function busiestIn(slices: Iterable<Frequent<InstallationKey>>): HealthNow['busiest'] {
  const sums = new Map<string, { installation: InstallationKey; deliveries: number }>()
  for (const slice of slices) {
    for (const [key, count, installation] of slice.counts()) {
      const sum = sums.get(key)
      if (sum === undefined) sums.set(key, { installation, deliveries: count })
      else sum.deliveries += count
    }
  }
  return [...sums.values()].toSorted((a, b) => b.deliveries - a.deliveries).slice(0, BUSIEST)
}

/** The last `size` of something that is counted up, each begun when it is first asked for. */
function createRing<Kept>(size: number, begin: () => Kept) {
  const kept: { at: number; what: Kept }[] = []
  return {
    at(at: number): Kept {
      const place = at % size
      const there = kept[place]
      if (there?.at === at) return there.what
      const what = begin()
      kept[place] = { at, what }
      return what
    },
    *until(last: number): Generator<Kept> {
      for (const one of kept) if (one !== undefined && one.at > last - size && one.at <= last) yield one.what
    },
  }
}
