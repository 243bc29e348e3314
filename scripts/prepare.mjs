// Plain JavaScript on purpose: an install without development dependencies runs it with whatever Node there is.
import { existsSync } from 'node:fs'

const compiler = new URL('../node_modules/@typescript/native/package.json', import.meta.url)
if (existsSync(compiler)) await import('./build.ts')
else console.log('No development dependencies, so dist is not built here: "npm run build" needs them.')
