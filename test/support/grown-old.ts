import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** More than all that comes, so that V8 has no reason for another collection than those that are asked for. */
const OLD_SPACE_MIB = 1024

/**
 * MiB that are in use after 100,000 have come and gone, with none but small collections in between: what is left of them
 * has grown old, and waits for a large one. `come` is JavaScript that declares `come(count)`, which has so many come and
 * others go; there `make` is what `file` of `src` exports by that name, and `held()` is 1 KiB for one of them to hold.
 */
export function grownOld({ file, make, come }: { file: string; make: string; come: string }): number {
  const path = pathToFileURL(join(import.meta.dirname, '../../src', file)).href
  const script = `
    import { ${make} as make } from ${JSON.stringify(path)}
    const held = () => new Array(128).fill(0)
    const used = () => process.memoryUsage().heapUsed / 2 ** 20
    ${come}
    for (let round = 0; round < 3; round += 1) { come(1); gc({ type: 'minor' }) }
    const before = used()
    for (let round = 0; round < 100; round += 1) { come(1000); gc({ type: 'minor' }) }
    console.log(used() - before)`
  const args = ['--expose-gc', `--initial-old-space-size=${OLD_SPACE_MIB}`, '--input-type=module', '--eval', script]
  return Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}
