import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const tuneCollector = new URL('../../../src/cli/tune-collector.ts', import.meta.url).href

describe('what serving asks of the collector', () => {
  it('is known to this Node', async () => {
    const script = `import { tuneCollector } from '${tuneCollector}'; tuneCollector()`
    const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
    // V8 throws for nothing that it does not know: it says so.
    expect(stderr).toBe('')
  })
})
