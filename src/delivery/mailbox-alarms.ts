import type { Alarms } from '../telemetry/alarm.ts'
import type { Box } from './boxes.ts'
import type { Judgement } from './judge.ts'

/** Statuses that say something of us rather than of the delivery: a secret, a path or a deploy that is wrong. */
const ofOurs: ReadonlySet<string> = new Set(['http_401', 'http_403', 'http_404'])

/** What an operator is told of the mailboxes. */
export interface MailboxAlarms {
  paused(box: Box, reason: string): void
  /** Tells of a judgement that says something of us. */
  judged(box: Box, judgement: Judgement): void
  /** Something of our own, or of the store's, kept the head from being tried. */
  notTried(box: Box, error: unknown): void
  storeAway(error: unknown): void
}

export function createMailboxAlarms(alarms: Alarms): MailboxAlarms {
  return {
    paused({ key, id, lane: { region } }, reason) {
      alarms.raise(
        'error',
        `spool: paused ${key}`,
        { mailbox: id, region, reason },
        reason === 'refused'
          ? 'A region has refused ten deliveries of a mailbox in a row: it is paused, so that the rest is not refused as well'
          : 'A mailbox is paused: what waits in it cannot be sent with the keys and secrets there are',
      )
    },
    judged({ lane: { region } }, judgement) {
      if (judgement.kind !== 'transient' || !ofOurs.has(judgement.reason)) return
      alarms.raise(
        'error',
        `spool: rejected by ${region}`,
        { region, reason: judgement.reason, code: 'region_rejects_us' },
        'A region rejects what waits for it: is its secret, its key or its address wrong?',
      )
    },
    notTried({ id }, error) {
      const told = { mailbox: id, reason: reasonOf(error) }
      alarms.raise('error', 'spool: attempt', told, 'A waiting delivery could not be tried')
    },
    storeAway(error) {
      alarms.raise('error', 'spool', { reason: reasonOf(error) }, 'The store of what waits cannot be asked')
    },
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
