import type { Clock } from '../clock.ts'
import type { ImportProgress } from '../directory/import.ts'

interface Terminal {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Below that an import is over before anybody wonders. */
const FEWEST_ROWS = 10_000
/** Often enough to see it move; a file of the output shall not be longer than what it is about. */
const EVERY_MS = { terminal: 200, lines: 2000 }

/**
 * Shows people how far an import is: rows, rows a second, per cent of the file and the time that is left at this rate.
 * A terminal has one line, which is written anew; anything else gets a line every two seconds.
 */
export function createImportProgress(to: Terminal, clock: Pick<Clock, 'monotonic'>) {
  const startedAt = clock.monotonic()
  const everyMs = to.isTTY === true ? EVERY_MS.terminal : EVERY_MS.lines
  let shown: { readonly at: number; readonly step: ImportProgress['step'] } | undefined

  return {
    show(progress: ImportProgress): void {
      const at = clock.monotonic()
      if (progress.rows < FEWEST_ROWS) return
      if (shown !== undefined && shown.step === progress.step && at - shown.at < everyMs) return
      shown = { at, step: progress.step }
      const line = lineOf(progress, at - startedAt)
      // To the line's begin, and what is left of the last one is wiped away.
      to.write(to.isTTY === true ? `\r${line}\u001b[K` : `${line}\n`)
    },
    /** What comes next has a line of its own. */
    end(): void {
      if (shown !== undefined && to.isTTY === true) to.write('\n')
    },
  }
}

function lineOf({ step, rows, bytesRead, bytesTotal }: ImportProgress, ms: number): string {
  if (step === 'check') return `${rows} rows read in ${duration(ms)}, now held against the directory`
  if (step === 'apply') return `${rows} rows checked, now put into the directory`
  const rate = Math.round(rows / (Math.max(ms, 1) / 1000))
  const left = (ms * (bytesTotal - bytesRead)) / Math.max(bytesRead, 1)
  return `${rows} rows, ${rate} rows/s, ${Math.floor((100 * bytesRead) / bytesTotal)} %, ${duration(left)} left`
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
