import type { MailboxParts } from '../../../src/delivery/mailboxes.ts'
import { createCounters } from '../../../src/telemetry/counters.ts'

/** What a worker needs to know besides: regions that take all, nobody who is held, and nothing that is too old. */
export const easy: Omit<MailboxParts, 'spool' | 'clock' | 'attempt'> = {
  alarms: { raise() {} },
  counters: createCounters(),
  random: () => 0.5,
  isHeld: () => Promise.resolve(false),
  lane: () => ({ atMost: 4, breaker: 'closed' }),
  maxAgeMs: () => 86_400_000,
  deadLetterMs: () => 86_400_000,
  maxSpoolBytes: () => undefined,
  holdsMore: () => false,
  onDead() {},
}
