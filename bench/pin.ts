import { execFile } from 'node:child_process'
import { cpus } from 'node:os'
import { promisify } from 'node:util'
import { pathToProgram } from './installed.ts'

const CORES = 2

/** Throws where processes cannot be kept apart: figures would be of another scene. */
export function requirePinning(cores = cpus().length): void {
  if (cores < CORES) throw new Error(`This machine has fewer than ${CORES} cores: the bench keeps two apart`)
  if (pathToProgram('taskset') === undefined) throw new Error('taskset is not installed: apt-get install util-linux')
}

/** Has a process run on one core only, with all its threads and whatever it starts. */
export async function pin(pid: number, core: number): Promise<void> {
  await promisify(execFile)('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)])
}
