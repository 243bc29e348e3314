import type { Clock } from '../clock.ts'
import type { Directory, Lookup } from '../directory/directory.ts'

/** The directory, for who has to go on at `until` (monotonic): what it has not said by then is unknown. */
export function askUntil(until: number, directory: Pick<Directory, 'find'>, clock: Clock): Pick<Directory, 'find'> {
  return {
    async find(key) {
      const late = Promise.withResolvers<Lookup>()
      const cause = new Error('the directory has not answered in time')
      const cancel = clock.after(Math.max(0, until - clock.monotonic()), () =>
        late.resolve({ verdict: 'unknown', cause }),
      )
      try {
        return await Promise.race([directory.find(key), late.promise])
      } finally {
        cancel()
      }
    },
  }
}
