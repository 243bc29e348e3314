import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { checkout } from './command-line.ts'

/** Builds the console into a folder, apart from the checkout's own dist, which may be old or in use. */
export async function buildConsole(folder: string): Promise<void> {
  const vite = join(checkout, 'node_modules/vite/bin/vite.js')
  const args = [vite, 'build', '-c', 'console/vite.config.ts', '--outDir', folder, '--logLevel', 'warn']
  await promisify(execFile)(process.execPath, args, { cwd: checkout })
}
