import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const FILE = 'dist/main.js'

/**
 * What the Dockerfile in a folder gives to node: options, and the built file there. Throws where its last ENTRYPOINT
 * does not run that.
 */
export function imageStart(folder: string): string[] {
  const dockerfile = readFileSync(join(folder, 'Dockerfile'), 'utf8')
  const [, exec = 'nothing'] = [...dockerfile.matchAll(/^ENTRYPOINT (.*)$/gm)].at(-1) ?? []
  const [program, ...args] = exec.startsWith('[') ? (JSON.parse(exec) as string[]) : []
  if (program === 'node' && args.at(-1) === FILE) return [...args.slice(0, -1), join(folder, FILE)]
  throw new Error(`The image starts with ${exec} instead of node and ${FILE}`)
}
