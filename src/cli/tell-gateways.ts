import { systemClock } from '../clock.ts'
import { coreVariables } from '../config/environment.ts'
import { requireVariables } from '../config/required.ts'
import { tellFleet } from '../directory/announce.ts'
import type { DirectoryChange } from '../directory/change.ts'
import { createRedisNews } from '../fleet/redis-news.ts'
import { createAlarms } from '../telemetry/alarm.ts'
import { createCounters } from '../telemetry/counters.ts'
import { silentLog } from '../telemetry/log.ts'
import type { Process } from './process.ts'

/**
 * For a command that changes the directory: what tells the gateways of the fleet at `REDIS_URL` of a change. Where they
 * cannot be told, a line says so: the change is made, and each sees it by itself once what it remembers is too old.
 * Without `REDIS_URL` nobody is told.
 * @throws ConfigurationError at once, so that nothing has been changed yet.
 */
export function readFleet(io: Pick<Process, 'stderr'>): (change: DirectoryChange) => Promise<void> {
  const { REDIS_URL: url, CACHE_HARD_MS: hardMs } = requireVariables(
    coreVariables.pick({ REDIS_URL: true, CACHE_HARD_MS: true }),
  )
  if (url === undefined) return () => Promise.resolve()
  return async (change) => {
    const { openRedis } = await import('../fleet/redis.ts')
    const counters = createCounters()
    const alarms = createAlarms({ clock: systemClock, log: silentLog })
    const redis = await openRedis({ url, clock: systemClock, alarms, log: silentLog, counters })
    let told = Promise.resolve()
    const publish = (channel: string, text: string) => (told = redis.publish(channel, text))
    tellFleet(createRedisNews({ redis: { ...redis, publish }, instance: 'command line', counters }), change)
    try {
      await told
    } catch {
      io.stderr.write(`warning: Redis cannot be used: gateways see the change within ${hardMs / 1000} s\n`)
    } finally {
      await redis.close()
    }
  }
}
