import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'

/** On two cores, and whoever else there is on the other: left to itself, Linux lets a server wait for a busy one. */
export const CORES = { server: 0, others: 1 } as const

/** Throws, before anything is started, where what is measured and the others cannot be kept apart. */
export function requireTwoCores(): void {
  for (const core of Object.values(CORES)) {
    const { error, status } = spawnSync('taskset', ['--cpu-list', String(core), 'true'])
    if (error !== undefined) throw new Error('taskset is not installed: apt-get install util-linux')
    if (status !== 0) throw new Error(`The bench keeps two cores apart, and may not use core ${core} of this machine`)
  }
}

/** Has a process run on one core only, with all its threads and whatever it starts. */
export async function pin(pid: number, core: number): Promise<void> {
  await promisify(execFile)('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)])
}
