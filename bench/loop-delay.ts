/*
 * Preloaded into the gateway by NODE_OPTIONS: writes each second, to the file that LOOP_DELAY_FILE names, how long its
 * event loop has kept everybody waiting at the most, and for how much of that it was ready to run and in line for a core.
 * The gateway itself does not know of it.
 */
import { appendFileSync, openSync, readSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

/** A stall is told as up to so much shorter than it was. */
const RESOLUTION_MS = 1
/** Three numbers of 20 digits at the most. */
const SCHEDSTAT_BYTES = 64

const file = process.env['LOOP_DELAY_FILE']
// Its threads are started with the same options, and so are the commands with which its files are prepared.
if (file !== undefined && isMainThread && process.argv.includes('serve')) {
  const queuedMs = timeInLine()
  let [longestMs, inLineMs] = [0, 0]
  let [lookedAt, queued] = [performance.now(), queuedMs()]
  const look = (): void => {
    // The clock before and after: it may wait in between, and no wait may be told of that is in no delay.
    const [now, queuedByNow, end] = [performance.now(), queuedMs(), performance.now()]
    const delayMs = Math.max(0, end - lookedAt - RESOLUTION_MS)
    if (delayMs > longestMs) [longestMs, inLineMs] = [delayMs, Math.min(delayMs, queuedByNow - queued)]
    lookedAt = now
    queued = queuedByNow
  }
  setInterval(look, RESOLUTION_MS).unref()
  setInterval(() => {
    // What has just kept this back belongs to the second that ends with it.
    look()
    appendFileSync(file, `${JSON.stringify({ at: Date.now(), longestMs, inLineMs })}\n`)
    longestMs = inLineMs = 0
  }, 1000).unref()
}

/** How long the main thread has been ready to run and has stood in line for a core, since it began. */
function timeInLine(): () => number {
  const schedstat = openSync('/proc/self/schedstat', 'r')
  const bytes = Buffer.allocUnsafe(SCHEDSTAT_BYTES)
  return () => {
    const read = readSync(schedstat, bytes, 0, SCHEDSTAT_BYTES, 0)
    // On a core, in line for one, and how often: nanoseconds (Documentation/scheduler/sched-stats.rst).
    return Number(bytes.toString('latin1', 0, read).split(' ')[1]) / 1e6
  }
}
