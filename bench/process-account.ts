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

/** What the cores of a machine, together, have had nothing to do, and what its host gave to other machines meanwhile. */
interface MachineTimes {
  readonly idleMs: number
  readonly stolenMs: number
}

/** Begins to watch; the function it returns tells what share of the machine others than these and theirs have used. */
export function watchOthers(pids: readonly number[]): () => number {
  // Not `availableParallelism`: a bench that keeps to one core itself still looks at all of them.
  const cores = cpus().length
  const look = (): { readonly at: number; readonly machine: MachineTimes; readonly usedMs: number } => ({
    at: performance.now(),
    machine: machineTimes(readFileSync('/proc/stat', 'utf8')),
    usedMs: pids.reduce((sum, pid) => sum + familyCpuMs(pid), 0),
  })
  const before = look()
  return () => {
    const now = look()
    const allMs = (now.at - before.at) * cores
    return othersShare(before.machine, now.machine, { allMs, usedMs: now.usedMs - before.usedMs })
  }
}

/**
 * All of the time in which a core was not idle, but for what is known to have been used; and at least what the host gave
 * away, since a core that has work and is not given to us yet may count as idle.
 */
export function othersShare(
  before: MachineTimes,
  after: MachineTimes,
  { allMs, usedMs }: { readonly allMs: number; readonly usedMs: number },
): number {
  const stolenMs = after.stolenMs - before.stolenMs
  return Math.max(0, stolenMs, allMs - (after.idleMs - before.idleMs) - usedMs) / allMs
}

/**
 * Of the first line of /proc/stat (proc_stat(5)). What cores did is in it as well, but sampled, at each tick: of work that
 * comes by the clock, as that of `open-loop.ts` does, it told 7 to 25 % of the machine too much.
 */
export function machineTimes(stat: string): MachineTimes {
  const [, , , , idle = 0, ioWait = 0, , , steal = 0] = stat.split(/\s+/).map(Number)
  return { idleMs: (idle + ioWait) * MS_PER_TICK, stolenMs: steal * MS_PER_TICK }
}

/** What it holds of the machine's memory, in MiB. */
export function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}
