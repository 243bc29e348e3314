import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const checkout = join(import.meta.dirname, '..')
const dist = join(checkout, 'dist')

// What an earlier build left and this one does not write would still be shipped.
rmSync(dist, { recursive: true, force: true })
const compiler = join(checkout, 'node_modules/@typescript/native/bin/tsc')
const { status, error } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: checkout,
  stdio: 'inherit',
})
if (error !== undefined) throw error
if (status !== 0) process.exit(status ?? 1)
// The compiler keeps the line that names the interpreter, and writes plain files.
chmodSync(join(dist, 'main.js'), 0o755)
