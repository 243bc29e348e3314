import { registerHooks } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'

/*
 * A thread in which schedules happen. The gateway's code runs here as written; only what it imports to reach the
 * network with is another file.
 */

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'undici'
      ? { url: new URL('./virtual-undici.ts', import.meta.url).href, shortCircuit: true }
      : next(specifier, context),
})

const { runSchedules } = await import('./run-schedules.ts')
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- run-in-threads.ts starts it with this
const ran = await runSchedules(workerData as Parameters<typeof runSchedules>[0])
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window, has no origin
parentPort?.postMessage(ran)
