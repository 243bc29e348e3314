import type { Clock } from '../clock.ts'
import { TOO_OLD } from '../spool/rules.ts'
import { isHeldRegion, type Mailboxes } from '../spool/spool.ts'
import type { Alarms } from '../telemetry/alarm.ts'
import type { Counters } from '../telemetry/counters.ts'
import { HELD_SPOOL_BYTES } from './home.ts'

/** Rows of a kind in one go: what else is to be written waits no longer than that takes. */
const SWEEP_ROWS = 1000
/** From this share of a region's quota on, somebody should look. */
const QUOTA_ALARM = 0.8

export interface HousekeepingParts {
  readonly spool: Pick<Mailboxes, 'sweep' | 'usage'>
  readonly clock: Clock
  readonly alarms: Alarms
  readonly counters: Counters
  readonly maxAgeMs: () => number
  readonly deadLetterMs: () => number
  /** Bytes that may wait for a region; undefined where nobody says. */
  readonly maxSpoolBytes: (region: string) => number | undefined
  /** Told of each delivery that becomes a dead letter, by an attempt or by waiting for too long. */
  readonly onDead: (delivery: string, region: string, reason: string) => void
}

/**
 * Lets die what has waited for too long, and removes dead letters that nobody has replayed in their time. Rejects when
 * the store is away.
 */
export async function sweep({ spool, clock, alarms, counters, ...parts }: HousekeepingParts): Promise<void> {
  const now = clock.now()
  const before = { waitingSince: now - parts.maxAgeMs(), diedBefore: now - parts.deadLetterMs(), limit: SWEEP_ROWS }
  for (;;) {
    const { died, removed } = await spool.sweep(before)
    for (const { delivery, region } of died) {
      counters.count('dead_letters_total', { region, reason: TOO_OLD })
      parts.onDead(delivery, region, TOO_OLD)
    }
    if (died.length > 0) {
      const told = { died: died.length }
      alarms.raise('error', 'spool: too old', told, 'Deliveries waited for too long and are dead letters now')
    }
    if (died.length < SWEEP_ROWS && removed < SWEEP_ROWS) return
  }
}

/** Raises an alarm for each region whose quota is nearly used up. Rejects when the store is away. */
export async function watchQuotas({ spool, alarms, maxSpoolBytes }: HousekeepingParts): Promise<void> {
  for (const [region, bytes] of await spool.usage()) {
    const maxBytes = isHeldRegion(region) ? HELD_SPOOL_BYTES : maxSpoolBytes(region)
    if (maxBytes === undefined || bytes < QUOTA_ALARM * maxBytes) continue
    alarms.raise(
      'error',
      `spool: quota of ${region}`,
      { region, bytes, maxBytes, share: `${Math.floor((100 * bytes) / maxBytes)} %` },
      'What waits for a region nears its max_spool_mb',
    )
  }
}
