import { execFile } from 'node:child_process'
import { cpus } from 'node:os'
import { promisify } from 'node:util'

/**
 * Has a process run on one core only, with all its threads and whatever it starts. Throws where there is no such core,
 * or no taskset: figures would be of another scene.
 */
export async function pin(pid: number, core: number): Promise<void> {
  if (core >= cpus().length) throw new Error(`This machine has no core ${core}: the bench keeps two apart`)
  await promisify(execFile)('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)])
}
