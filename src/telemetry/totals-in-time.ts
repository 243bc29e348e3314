import type { Clock } from '../clock.ts'
import type { Mailboxes, RegionTotals } from '../spool/spool.ts'

/** What is told every second, or scraped, is worth less when it comes late than without the store. */
const STORE_MS = 1000

/** What waits for each region; undefined: the store is away. Never rejects; within a second. */
export type AskTotals = () => Promise<ReadonlyMap<string, RegionTotals> | undefined>

/** The store is asked by one at a time, so that those who ask again make nothing worse. */
export function totalsInTime(spool: Pick<Mailboxes, 'totals'>, clock: Clock): AskTotals {
  let asking: ReturnType<typeof spool.totals> | undefined
  return async () => {
    asking ??= spool.totals().finally(() => (asking = undefined))
    const late = Promise.withResolvers<undefined>()
    const cancel = clock.after(STORE_MS, () => late.resolve(undefined))
    try {
      return await Promise.race([asking, late.promise])
    } catch {
      return undefined
    } finally {
      cancel()
    }
  }
}
