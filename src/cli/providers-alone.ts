import { systemClock } from '../clock.ts'
import type { Configuration } from '../config/configuration.ts'
import type { IdentityStore } from '../directory/identities.ts'
import type { Provider } from '../provider.ts'
import { createAlarms } from '../telemetry/alarm.ts'
import { createCounters } from '../telemetry/counters.ts'
import { silentLog } from '../telemetry/log.ts'

/** The providers for a command where no gateway runs: what they count, and whom they would warn, is nobody's. */
export function providersAlone({ providers }: Configuration, identities: IdentityStore): Provider[] {
  const parts = {
    clock: systemClock,
    alarms: createAlarms({ clock: systemClock, log: silentLog }),
    log: silentLog,
    counters: createCounters(),
    identities,
    listSecret: () => ({ lastUsedAt: 0 }),
  }
  return providers.map(({ definition, environment, rules }) => definition.create({ environment, rules }, parts))
}
