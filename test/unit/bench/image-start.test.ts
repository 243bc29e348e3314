import { mkdtempDisposableSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { imageStart } from '../../../bench/image-start.ts'

const checkout = resolve(import.meta.dirname, '../../..')

function startWith(...lines: string[]): string[] {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'silo-gateway-image-'))
  writeFileSync(join(folder.path, 'Dockerfile'), `${lines.join('\n')}\n`)
  return imageStart(folder.path).map((arg) => arg.replace(`${folder.path}/`, ''))
}

describe('how an image starts the gateway', () => {
  it('is what its last stage says, with all that node is told', () => {
    const old = 'ENTRYPOINT ["node", "--a", "dist/main.js"]'
    const args = startWith(old, 'FROM x', 'ENTRYPOINT ["node", "--b", "c", "dist/main.js"]', 'CMD ["serve"]')
    expect(args).toEqual(['--b', 'c', 'dist/main.js'])
  })

  it.each([
    ['nothing'],
    ['["sh", "-c", "node dist/main.js"]'],
    ['["tini", "dist/main.js"]'],
    ['["node", "--a"]'],
    ['node --a dist/main.js'],
  ])('is not guessed where that is %s', (exec) => {
    const last = exec === 'nothing' ? [] : ['ENTRYPOINT ["node", "dist/main.js"]', 'FROM x', `ENTRYPOINT ${exec}`]
    expect(() => startWith('FROM x', ...last)).toThrow(`The image starts with ${exec} instead of`)
  })

  it('leaves V8 one helper thread', () => {
    expect(imageStart(checkout)).toEqual(['--v8-pool-size=1', join(checkout, 'dist/main.js')])
  })
})
