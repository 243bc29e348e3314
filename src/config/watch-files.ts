import { unwatchFile, watchFile } from 'node:fs'

/**
 * How often files are looked at. Looking beats being told: mounted secrets and config maps are changed by swapping a
 * link far above the file, which no watcher on the file notices.
 */
const INTERVAL_MS = 1000

/** Calls `onChange` when one of these files was written, replaced or removed. Returns what stops it. */
export function watchFiles(paths: readonly string[], onChange: () => void): () => void {
  for (const path of paths) watchFile(path, { interval: INTERVAL_MS, persistent: false }, onChange)
  return () => {
    for (const path of paths) unwatchFile(path, onChange)
  }
}
