import type { Happened } from './webhook-record.ts'

export type Onlooker = (happened: Happened) => void

/** Who wants to see what happens to webhooks as it does. Mostly nobody: then it costs a comparison. */
export interface Onlookers {
  /** As a recorder is told: a webhook whose regions are still running is told again when they have come to their end. */
  tell(happened: Happened): void
  /** Never to throw. Returns how to look away. */
  add(onlooker: Onlooker): () => void
}

export function createOnlookers(): Onlookers {
  const onlookers = new Set<Onlooker>()
  return {
    tell(happened) {
      if (onlookers.size === 0) return
      for (const onlooker of onlookers) onlooker(happened)
    },
    add(onlooker) {
      onlookers.add(onlooker)
      return () => void onlookers.delete(onlooker)
    },
  }
}
