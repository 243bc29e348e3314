import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { nodeOptionsIn } from '../../../bench/node-options.ts'

describe('the options that an image gives to node', () => {
  it('are those before the file, of the last stage that says what it runs', () => {
    const dockerfile =
      'ENTRYPOINT ["node", "--a", "old.js"]\nFROM x\nENTRYPOINT ["node", "--b=1", "-c", "new.js", "--d"]\n'
    expect(nodeOptionsIn(dockerfile)).toEqual(['--b=1', '-c'])
  })

  it('may be none', () => {
    expect(nodeOptionsIn('ENTRYPOINT ["node", "main.js"]\n')).toEqual([])
  })

  it.each(['', 'ENTRYPOINT ["sh", "-c", "node main.js"]\n'])('are not guessed from %j', (dockerfile) => {
    expect(() => nodeOptionsIn(dockerfile)).toThrow('where node was expected')
  })

  it('leave V8 one helper thread in the image of the gateway', () => {
    const dockerfile = readFileSync(new URL('../../../Dockerfile', import.meta.url), 'utf8')
    expect(nodeOptionsIn(dockerfile)).toEqual(['--v8-pool-size=1'])
  })
})
