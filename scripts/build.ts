/*
 * node scripts/build.ts [FOLDER]    what is shipped, in `dist` or elsewhere: the package, file by file, its command, and
 *                                   the console that the command serves.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { rolldown, type Plugin } from 'rolldown'
import { build } from 'vite'

const checkout = join(import.meta.dirname, '..')
const dist = resolve(process.argv[2] ?? join(checkout, 'dist'))

// What an earlier build left and this one does not write would still be shipped.
rmSync(dist, { recursive: true, force: true })
const compiler = join(checkout, 'node_modules/@typescript/native/bin/tsc')
const { status, error } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', dist], {
  cwd: checkout,
  stdio: 'inherit',
})
if (error !== undefined) throw error
if (status !== 0) process.exit(status ?? 1)

// Whoever imports node:http has every name that it exports looked at, and so WebSocket, for which Node loads its own copy
// of undici: a tenth of the start. Required, it is not looked at.
const httpAsRequired: Plugin = {
  name: 'http-as-required',
  resolveId: (id) => (id === 'node:http' ? '\0http.cjs' : undefined),
  load: (id) => (id === '\0http.cjs' ? "module.exports = process.getBuiltinModule('node:http')" : undefined),
}

// The command is one file and the parts that some of its subcommands need: to find and read a thousand modules, most of
// them the libraries', takes longer than everything else until it is ready. Its threads lie where the command looks.
const bundle = await rolldown({
  input: {
    main: join(dist, 'main.js'),
    'spool-thread': join(dist, 'spool/sqlite/spool-thread.js'),
    'record-thread': join(dist, 'records/record-thread.js'),
  },
  cwd: checkout,
  platform: 'node',
  resolve: { modules: [join(checkout, 'node_modules')] },
  plugins: [httpAsRequired],
  onLog(_level, log) {
    throw new Error(log.message)
  },
})
await bundle.write({ dir: dist, format: 'esm', chunkFileNames: '[name]-[hash].js' })
await bundle.close()
// The line that names the interpreter is kept; files are written plain.
chmodSync(join(dist, 'main.js'), 0o755)

await build({
  configFile: join(checkout, 'console/vite.config.ts'),
  build: { outDir: join(dist, 'console') },
  logLevel: 'warn',
})
