import { systemClock } from '../../../src/clock.ts'
import { createDedup } from '../../../src/dedup/dedup.ts'
import { createCounters } from '../../../src/telemetry/counters.ts'
import { dedupConformance } from './dedup.ts'

dedupConformance('one process', async () => {
  const dedup = createDedup({ maxEntries: 100, clock: systemClock, counters: createCounters() })
  return { here: dedup, there: dedup, close: () => Promise.resolve() }
})
