import type { z } from 'zod'
import { entryOf } from '../../records/story.ts'
import type { Happened } from '../../telemetry/webhook-record.ts'
import { listingJson, type listingOut } from '../delivery-routes.ts'

/** What a list does not show. */
const NOT_SHOWN = { gateway: '', bodies: 'off' } as const
/** What somebody can look at before the next ones come. */
const MOST = 50

export interface Newest {
  /** One that is told again takes the place of what was told before. */
  add(happened: Happened): void
  /** The newest first, and how many more there were; from then on there are none. */
  take(): { items: z.input<typeof listingOut>[]; left_out: number }
}

/** The newest deliveries since the last time, as a list shows them: nothing else of what has happened is held. */
export function keepNewest(): Newest {
  let kept = new Map<string, z.input<typeof listingOut>>()
  let leftOut = 0
  return {
    add(happened) {
      try {
        const item = listingJson(entryOf(happened, NOT_SHOWN))
        kept.delete(item.id)
        kept.set(item.id, item)
      } catch {
        // As with a record: what cannot be put into words costs nobody their webhook.
        leftOut += 1
      }
      const [oldest] = kept.keys()
      if (kept.size <= MOST || oldest === undefined) return
      kept.delete(oldest)
      leftOut += 1
    },
    take() {
      const taken = { items: [...kept.values()].toReversed(), left_out: leftOut }
      kept = new Map()
      leftOut = 0
      return taken
    },
  }
}
