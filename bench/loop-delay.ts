/*
 * Preloaded into the gateway by NODE_OPTIONS: writes each second, to the file that LOOP_DELAY_FILE names, how long its
 * event loop has kept everybody waiting at the most: in all, and without the time in which it was ready to run and no
 * core was free for it. The gateway itself does not know of it.
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
  let [longestMs, longestOwnMs] = [0, 0]
  let [lookedAt, queued] = [performance.now(), queuedMs()]
  setInterval(() => {
    const [now, queuedByNow] = [performance.now(), queuedMs()]
    const delayMs = Math.max(0, now - lookedAt - RESOLUTION_MS)
    longestMs = Math.max(longestMs, delayMs)
    longestOwnMs = Math.max(longestOwnMs, delayMs - (queuedByNow - queued))
    lookedAt = now
    queued = queuedByNow
  }, RESOLUTION_MS).unref()
  setInterval(() => {
    appendFileSync(file, `${JSON.stringify({ at: Date.now(), longestMs, longestOwnMs })}\n`)
    longestMs = longestOwnMs = 0
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
