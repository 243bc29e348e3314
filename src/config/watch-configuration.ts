import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../clock.ts'
import { watchFiles } from './watch-files.ts'

/** What reads the configuration again, and says which files it has read. */
export interface Reloading {
  reload(): readonly string[]
  files(): readonly string[]
}

export interface ConfigurationWatch {
  /**
   * From now on reads it again whenever one of its files changes: at once, where one has since the watch began. What is
   * returned does so as well, and returns the faults.
   */
  attach(to: Reloading): () => readonly string[]
  stop(): void
}

/**
 * Watches the files of a configuration, from right after it was read: to open what is configured may take minutes, and
 * what changes meanwhile is to be read, too.
 */
export function watchConfiguration(first: readonly string[], clock: Clock): ConfigurationWatch {
  let watched = first
  let early = false
  let onChange = (): void => void (early = true)
  const begin = (): (() => void) => watchFiles(watched, () => onChange(), clock)
  let end = begin()
  let stopped = false
  const beginAnew = (): void => {
    end()
    if (!stopped) end = begin()
  }

  return {
    attach(to) {
      const reload = (): readonly string[] => {
        const faults = to.reload()
        const files = to.files()
        // Only for other files: watching anew begins with how a file is by then, and a change since it was read would
        // go unnoticed.
        if (isDeepStrictEqual(files, watched)) return faults
        watched = files
        beginAnew()
        return faults
      }
      onChange = () => void reload()
      if (early) reload()
      return () => {
        // First, so that what changes while it is read is read again, and what has changed before is not.
        beginAnew()
        return reload()
      }
    },
    stop() {
      stopped = true
      end()
    },
  }
}
