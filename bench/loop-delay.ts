/*
 * Preloaded into the gateway by NODE_OPTIONS: writes each second, to the file that LOOP_DELAY_FILE names, how long its
 * event loop has kept everybody waiting at the most, for how much of that it was on a core, and for how much it was ready to
 * run and in line for one. The gateway itself does not know of it.
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
  const account = ownAccount()
  let longest = { longestMs: 0, onCoreMs: 0, inLineMs: 0 }
  let [lookedAt, before] = [performance.now(), account()]
  const look = (): void => {
    // The clock before and after: it may wait in between, and no wait may be told of that is in no delay.
    const [now, byNow, end] = [performance.now(), account(), performance.now()]
    const delayMs = Math.max(0, end - lookedAt - RESOLUTION_MS)
    if (delayMs > longest.longestMs) {
      const inLineMs = Math.min(delayMs, byNow.inLineMs - before.inLineMs)
      const onCoreMs = Math.min(delayMs - inLineMs, byNow.onCoreMs - before.onCoreMs)
      longest = { longestMs: delayMs, onCoreMs, inLineMs }
    }
    lookedAt = now
    before = byNow
  }
  setInterval(look, RESOLUTION_MS).unref()
  setInterval(() => {
    // What has just kept this back belongs to the second that ends with it.
    look()
    appendFileSync(file, `${JSON.stringify({ at: Date.now(), ...longest })}\n`)
    longest = { longestMs: 0, onCoreMs: 0, inLineMs: 0 }
  }, 1000).unref()
}

/** For how long the main thread has been on a core, and ready to run and in line for one, since it began. */
function ownAccount(): () => { readonly onCoreMs: number; readonly inLineMs: number } {
  const schedstat = openSync('/proc/self/schedstat', 'r')
  const bytes = Buffer.allocUnsafe(SCHEDSTAT_BYTES)
  return () => {
    const read = readSync(schedstat, bytes, 0, SCHEDSTAT_BYTES, 0)
    // On a core, in line for one, and how often: nanoseconds (Documentation/scheduler/sched-stats.rst). The first is up
    // to date as of the last tick, 10 ms ago at the most; what the host took of the core is not in it where the kernel
    // is told of that (CONFIG_PARAVIRT_TIME_ACCOUNTING).
    const [onCore, inLine] = bytes.toString('latin1', 0, read).split(' ')
    return { onCoreMs: Number(onCore) / 1e6, inLineMs: Number(inLine) / 1e6 }
  }
}
