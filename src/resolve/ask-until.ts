import type { Clock } from '../clock.ts'
import type { Directory, Lookup } from '../directory/directory.ts'

/** The directory, for who has to go on at `until` (monotonic): what it has not said by then is unknown. */
export function askUntil(until: number, directory: Pick<Directory, 'find'>, clock: Clock): Pick<Directory, 'find'> {
  return {
    find(key) {
      const found = directory.find(key)
      // Nearly every webhook's is remembered: a timer would cost more than the look-up.
      return found instanceof Promise ? inTime(found) : found
    },
  }

  async function inTime(finding: Promise<Lookup>): Promise<Lookup> {
    const late = Promise.withResolvers<Lookup>()
    const cancel = clock.after(Math.max(0, until - clock.monotonic()), () =>
      late.resolve({ verdict: 'unknown', cause: new Error('the directory has not answered in time') }),
    )
    try {
      return await Promise.race([finding, late.promise])
    } finally {
      cancel()
    }
  }
}
