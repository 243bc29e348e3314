/*
 * A thread that beats at a constant rate, to a few hundredths of a millisecond: timers of an event loop are whole
 * milliseconds, in which a dozen requests would leave at once. Beats that were missed are left out. Each says when the
 * first one was, in ms since the epoch.
 */
import { parentPort, workerData } from 'node:worker_threads'

const periodMs = Number(workerData)
const nothing = new Int32Array(new SharedArrayBuffer(4))
const begun = performance.now()
const first = performance.timeOrigin + begun
for (let beat = 0; ;) {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of a thread has no origin
  parentPort?.postMessage(first)
  beat = Math.floor((performance.now() - begun) / periodMs) + 1
  Atomics.wait(nothing, 0, 0, Math.max(0, begun + beat * periodMs - performance.now()))
}
