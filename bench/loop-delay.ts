/*
 * Preloaded into the gateway by NODE_OPTIONS: writes each second, to the file that LOOP_DELAY_FILE names, how long its
 * event loop has kept everybody waiting at the most. The gateway itself does not know of it.
 */
import { appendFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

/** Of its timer, which is in each figure; a stall is told as up to so much shorter than it was. */
const RESOLUTION_MS = 1

const file = process.env['LOOP_DELAY_FILE']
// Its threads are started with the same options, and so are the commands with which its files are prepared.
if (file !== undefined && isMainThread && process.argv.includes('serve')) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  setInterval(() => {
    const longestMs = Math.max(0, delay.max / 1e6 - RESOLUTION_MS)
    delay.reset()
    appendFileSync(file, `${JSON.stringify({ at: Date.now(), longestMs })}\n`)
  }, 1000).unref()
}
