import { clockFaults } from './clock-faults.ts'
import type { Fault } from './fault.ts'
import { fleetFaults } from './fleet-faults.ts'
import { processFaults } from './process-faults.ts'
import { regionFaults } from './region-faults.ts'
import { responseUrlFaults } from './response-url-faults.ts'
import { slackFaults } from './slack-faults.ts'
import { storeFaults } from './store-faults.ts'

/** The matrix. */
export const faults: readonly Fault[] = [
  ...regionFaults,
  ...processFaults,
  ...storeFaults,
  ...clockFaults,
  ...responseUrlFaults,
  ...slackFaults,
  ...fleetFaults,
]
