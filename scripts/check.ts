import { spawnSync } from 'node:child_process'
import { styleText } from 'node:util'
import manifest from '../package.json' with { type: 'json' }

/** Every step runs, whatever the one before it said: one run shows all that is wrong. */
const steps = [...Object.keys(manifest.scripts).filter((name) => name.startsWith('check:')), 'test']

const results = steps.map((name) => {
  console.log(styleText('bold', `\n── ${name}`))
  const start = performance.now()
  // What is given to this script is for the tests: how they report.
  const options = name === 'test' ? ['--', ...process.argv.slice(2)] : []
  const { status } = spawnSync('npm', ['run', '--silent', name, ...options], { stdio: 'inherit' })
  return { name, ok: status === 0, seconds: ((performance.now() - start) / 1000).toFixed(1) }
})

console.log(styleText('bold', '\n── summary'))
for (const { name, ok, seconds } of results) {
  console.log(`${ok ? styleText('green', 'ok    ') : styleText('red', 'FAILED')} ${name} (${seconds} s)`)
}
if (results.some(({ ok }) => !ok)) process.exitCode = 1
