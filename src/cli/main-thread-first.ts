import { readdirSync, readFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

/** As node names the threads on which V8 compiles and marks. */
const HELPER = 'node-V8Worker'
/**
 * How much nicer a helper is. To a thread's 1024 parts of a core it gets 110 then (`sched_prio_to_weight`, Linux
 * kernel/sched/core.c): enough that what is asked of it is done some day where the core is never idle.
 */
const NICER_BY = 10
/** setpriority(2) */
const NICEST = 19

/**
 * Where this process has one core, V8's four helpers take turns on it with the main thread, which webhooks then wait for:
 * up to 50 ms at a time while much is compiled or marked. So Linux is to prefer the main thread; its nice value belongs
 * to each thread, and `os.setPriority` takes a thread's id as well. Throws where that is not allowed.
 */
export function putMainThreadFirst(): void {
  if (process.platform !== 'linux') return
  const nice = Math.min(getPriority() + NICER_BY, NICEST)
  for (const thread of readdirSync('/proc/self/task')) {
    if (readFileSync(`/proc/self/task/${thread}/comm`, 'utf8') === `${HELPER}\n`) setPriority(Number(thread), nice)
  }
}
