import { createOwnCounts } from '../../../src/limit/counts.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { countsConformance } from './counts.ts'

countsConformance('in one process', async () => {
  const counts = createOwnCounts(createManualClock())
  return { here: counts, there: counts, close: () => Promise.resolve() }
})
