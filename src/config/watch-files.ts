import { statSync, type Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../clock.ts'

/**
 * How often files are looked at. Looking beats being told: mounted secrets and config maps are changed by swapping a
 * link far above the file, which no watcher on the file notices.
 */
const INTERVAL_MS = 1000

/** Calls `onChange` when one of these files was written, replaced, removed or made. Returns what stops it. */
export function watchFiles(paths: readonly string[], onChange: () => void, clock: Clock): () => void {
  // Right after they were read, and not when the first look is over: a change in between would never be noticed.
  let seen = paths.map(markNow)
  let stopped = false
  let cancel = clock.after(INTERVAL_MS, () => void look())

  async function look(): Promise<void> {
    // Not with `statSync`, and one by one: a disk that is away keeps one of node's four threads waiting, and nobody else.
    const marks: Mark[] = []
    for (const path of paths) marks.push(await mark(path))
    if (stopped) return
    cancel = clock.after(INTERVAL_MS, () => void look())
    if (isDeepStrictEqual(marks, seen)) return
    seen = marks
    onChange()
  }

  return () => {
    stopped = true
    cancel()
  }
}

/** What is another once the file is; undefined: it is not there, or cannot be looked at. */
type Mark = readonly number[] | undefined

function markNow(path: string): Mark {
  try {
    return markOf(statSync(path))
  } catch {
    return undefined
  }
}

async function mark(path: string): Promise<Mark> {
  return await stat(path).then(markOf, () => undefined)
}

function markOf({ ino, size, mtimeMs, ctimeMs }: Stats): Mark {
  return [ino, size, mtimeMs, ctimeMs]
}
