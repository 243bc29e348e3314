import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const tuneCollector = new URL('../../../src/cli/tune-collector.ts', import.meta.url).href

async function told(script: string, ...flags: string[]): Promise<{ stdout: string; stderr: string }> {
  return await promisify(execFile)(process.execPath, [...flags, '--input-type=module', '-e', script])
}

describe('what serving asks of the collector', () => {
  it('is known to this Node', async () => {
    const { stderr } = await told(`import { tuneCollector } from '${tuneCollector}'; tuneCollector()`)
    // V8 throws for nothing that it does not know: it says so.
    expect(stderr).toBe('')
  })

  it('has V8 look for no moment to give memory back', async () => {
    const grow =
      'const all = []; gc(); for (let i = 0; i < 1e6; i++) all.push({ i }); gc(); setTimeout(() => all, 1000)'
    const delays = ['--gc-memory-reducer-start-delay-ms=0', '--memory-reducer-delay-ms=10']
    const untuned = await told(grow, '--expose-gc', '--trace-memory-reducer', ...delays)
    // V8's word for: it will look again.
    expect(untuned.stdout).toContain('Memory reducer: waiting')
    const tune = `import { tuneCollector } from '${tuneCollector}'; tuneCollector()`
    const tuned = await told(`${tune}; ${grow}`, '--expose-gc', '--trace-memory-reducer', ...delays)
    expect(tuned.stdout).toContain('Memory reducer: ')
    expect(tuned.stdout).not.toContain('Memory reducer: waiting')
  })
})
