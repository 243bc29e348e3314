import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'

/** Linux counts CPU time in clock ticks of 10 ms, on every architecture Node runs on. */
const MS_PER_TICK = 10

/** What a process has used of the CPU so far, all of its threads: the operating system's account. */
export function cpuMs(pid: number): number {
  const [user = 0, system = 0] = times(pid)
  return user + system
}

/** The same of a process and of all that it has started, those that have ended too. */
export function familyCpuMs(pid: number): number {
  const own = times(pid).reduce((sum, ms) => sum + ms, 0)
  return childrenOf(pid).reduce((sum, child) => sum + unlessEnded(() => familyCpuMs(child), 0), own)
}

/** Of its own and of its ended children, user and system time each. */
function times(pid: number): number[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // Fields 14 to 17, behind the command's name, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).map((ticks) => Number(ticks) * MS_PER_TICK)
}

/** Those that run; Linux keeps them by the thread that started them. */
function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    unlessEnded(() => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'), '')
      .split(' ')
      .flatMap((child) => (child === '' ? [] : [Number(child)])),
  )
}

/** A child or thread may end between being listed and being read. */
function unlessEnded<Read>(read: () => Read, ended: Read): Read {
  try {
    return read()
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return ended
    throw error
  }
}

/** Begins to watch; the function it returns tells what share of the machine others than these and theirs have used. */
export function watchOthers(pids: readonly number[]): () => number {
  const used = (): number => pids.reduce((sum, pid) => sum + familyCpuMs(pid), 0)
  const before = { idle: idleMs(), used: used(), at: performance.now() }
  return () => {
    // Not `availableParallelism`: a bench that keeps to one core itself still looks at all of them.
    const allMs = (performance.now() - before.at) * cpus().length
    const othersMs = allMs - (idleMs() - before.idle) - (used() - before.used)
    return Math.max(0, othersMs / allMs)
  }
}

/**
 * How long the cores together have had nothing to do since the machine started, which Linux measures. What they did it
 * only samples, 250 times a second: of work that comes by the clock, as that of `open-loop.ts` does, it told 7 to 25 % of
 * the machine too much. When other machines had a core (steal) it was not idle.
 */
function idleMs(): number {
  const [, , , , idle = 0, ioWait = 0] = readFileSync('/proc/stat', 'utf8').split(/\s+/).map(Number)
  return (idle + ioWait) * MS_PER_TICK
}

/** What it holds of the machine's memory, in MiB. */
export function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}
